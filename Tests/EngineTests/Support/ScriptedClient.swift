import ScriptedBackend

/// A frame as a peer received it.
struct ReceivedFrame: Equatable {
    var opcode: UInt8
    var payload: [UInt8]

    var text: String { String(decoding: payload, as: UTF8.self) }
    /// Of a close frame.
    var closeCode: Int? { payload.count < 2 ? nil : Int(payload[0]) << 8 | Int(payload[1]) }
}

/// A WebSocket client of the tests' own: shares no code with what it judges.
final class ScriptedClient {
    let peer: ScriptedPeer
    let number: Int
    /// Received bytes that are not a whole frame yet.
    private(set) var rest: [UInt8] = []
    private(set) var frames: [ReceivedFrame] = []
    private(set) var isUpgraded = false
    private(set) var answer = ""
    /// How the node broke RFC 6455, in words.
    private(set) var faults: [String] = []
    private(set) var closeFrame: ReceivedFrame?
    private var maskKey: UInt32 = 0x1234_5678

    init(_ peer: ScriptedPeer, number: Int = 0) {
        self.peer = peer
        self.number = number
    }

    static let request = request(offering: nil)

    static func request(offering extensions: String?) -> String {
        "GET /line HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            + (extensions.map { "Sec-WebSocket-Extensions: \($0)\r\n" } ?? "") + "\r\n"
    }

    func upgrade(offering extensions: String? = nil) {
        peer.write(ScriptedClient.request(offering: extensions))
    }

    /// What was agreed on, when the answer was read.
    private(set) var deflate: ScriptedDeflate?
    /// Frames that came compressed.
    private(set) var deflatedCount = 0

    func send(_ line: String) { peer.write(frame(1, Array(line.utf8))) }

    /// Sends a text compressed, in two frames when `cut` says where.
    func sendDeflated(_ line: String, cut: Int? = nil) {
        guard let deflate else { return send(line) }
        let payload = deflate.deflate(Array(line.utf8))
        let position = cut.map { min($0, payload.count) }
        peer.write(frame(0x41, Array(payload[..<(position ?? payload.count)]), isFinal: position == nil))
        if let position { send(opcode: 0, Array(payload[position...])) }
    }

    func send(opcode: UInt8, _ payload: [UInt8] = [], isFinal: Bool = true) {
        peer.write(frame(opcode, payload, isFinal: isFinal))
    }

    /// A masked frame (RFC 6455 section 5.2).
    func frame(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true) -> [UInt8] {
        maskKey = maskKey &* 1_664_525 &+ 1_013_904_223
        var bytes: [UInt8] = [(isFinal ? 0x80 : 0) | opcode]
        if payload.count < 126 {
            bytes.append(0x80 | UInt8(payload.count))
        } else if payload.count < 1 << 16 {
            bytes += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
        } else {
            bytes.append(0x80 | 127)
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(payload.count >> shift & 255)) }
        }
        let key = (0..<4).map { UInt8(truncatingIfNeeded: maskKey >> ($0 * 8)) }
        bytes += key
        for (index, byte) in payload.enumerated() { bytes.append(byte ^ key[index & 3]) }
        return bytes
    }

    static func closePayload(_ code: Int, _ text: String = "") -> [UInt8] {
        [UInt8(code >> 8), UInt8(code & 255)] + Array(text.utf8)
    }

    /// Whether it has answered the node's close frame.
    private(set) var hasAnswered = false

    func answerClose() {
        hasAnswered = true
        send(opcode: 8, ScriptedClient.closePayload(1000))
    }

    /// Reads what has come: the upgrade's answer, then frames.
    func read() {
        rest += peer.takeReceived()
        if !isUpgraded {
            guard let end = rest.firstIndex(ofSequence: Array("\r\n\r\n".utf8)) else { return }
            answer = String(decoding: rest[..<end], as: UTF8.self)
            if !answer.hasPrefix("HTTP/1.1 101 ") { return }
            rest.removeFirst(end + 4)
            isUpgraded = true
            deflate = ScriptedDeflate(answer: answer)
        }
        var position = 0
        while let next = next(at: position) {
            if closeFrame != nil { faults.append("a frame behind the close frame") }
            if next.frame.opcode == 8 { closeFrame = next.frame }
            frames.append(next.frame)
            position = next.end
        }
        rest.removeFirst(position)
    }

    private func next(at start: Int) -> (frame: ReceivedFrame, end: Int)? {
        guard rest.count - start >= 2 else { return nil }
        let first = rest[start]
        let short = Int(rest[start + 1])
        var length = short
        var head = 2
        let isDeflated = deflate != nil && (first == 0xC1 || first == 0xC2)
        if first & 0x80 == 0 || !(isDeflated || [1, 2, 8, 9, 10].contains(first & 0x7F)) || short > 127 {
            if faults.count < 10 { faults.append("a frame that begins with \(first), \(short)") }
            return nil
        }
        if short >= 126 {
            head = short == 126 ? 4 : 10
            guard rest.count - start >= head else { return nil }
            length = rest[(start + 2)..<(start + head)].reduce(0) { $0 << 8 | Int($1) }
        }
        guard rest.count - start - head >= length else { return nil }
        var payload = Array(rest[(start + head)..<(start + head + length)])
        if isDeflated, let deflate {
            deflatedCount += 1
            if let text = deflate.inflate(payload) {
                payload = text
            } else {
                faults.append("a message that cannot be inflated")
            }
        }
        return (ReceivedFrame(opcode: first & 0x0F, payload: payload), start + head + length)
    }

    /// The texts that came.
    var texts: [String] { frames.filter { $0.opcode == 1 }.map { $0.text } }

    /// Forgets the frames that were read.
    func takeTexts() -> [String] {
        read()
        defer { frames = [] }
        return texts
    }
}

extension Array where Element == UInt8 {
    /// Where `sequence` begins first.
    func firstIndex(ofSequence sequence: [UInt8]) -> Int? {
        guard count >= sequence.count else { return nil }
        return (0...(count - sequence.count)).first { self[$0..<($0 + sequence.count)].elementsEqual(sequence) }
    }
}
