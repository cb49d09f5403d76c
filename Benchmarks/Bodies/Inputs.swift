import ClarionBytes
import ClarionWire

/// Bytes that stay for ever: a benchmark's inputs are few.
@safe struct StaticBytes: @unchecked Sendable {
    /// Points to `count` bytes that are never given back, with room for wide registers behind them.
    let base: UnsafeMutablePointer<UInt8>
    let count: Int

    private static let spareBytes = 64

    init(_ bytes: [UInt8]) {
        unsafe base = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count + StaticBytes.spareBytes)
        unsafe base.initialize(repeating: 0, count: bytes.count + StaticBytes.spareBytes)
        for (index, byte) in bytes.enumerated() { unsafe base[index] = byte }
        count = bytes.count
    }

    init(_ text: String) { self.init(Array(text.utf8)) }

    var view: ByteView { unsafe ByteView(base: base, count: count) }
}

/// The same bytes at two places, used in turn: a compiler that saw the same input each time could do the work once.
struct TwinBytes: Sendable {
    private let first: StaticBytes
    private let second: StaticBytes

    init(_ bytes: [UInt8]) {
        first = StaticBytes(bytes)
        second = StaticBytes(bytes)
    }

    init(_ text: String) { self.init(Array(text.utf8)) }

    subscript(iteration: Int) -> StaticBytes { iteration & 1 == 0 ? first : second }
}

/// Inputs that look like what clients send. The same in every run.
enum Inputs {
    /// `count` bytes of printable ASCII without quotation marks and reverse solidi.
    static func ascii(_ count: Int) -> [UInt8] {
        let letters = Array("the quick brown fox jumps over the lazy dog 0123456789 ".utf8)
        return (0..<count).map { letters[($0 &* 7 &+ $0 / 11) % letters.count] }
    }

    /// At most `count` bytes of text in which about a third of the scalars take two, three or four bytes.
    static func mixedText(_ count: Int) -> [UInt8] {
        let words = ["Grüße ", "an ", "alle: ", "price 12 € ", "日本語 ", "and ", "🙂 ", "plain words "]
        var bytes: [UInt8] = []
        var index = 0
        while bytes.count + words[index % words.count].utf8.count <= count {
            bytes += Array(words[index % words.count].utf8)
            index += 1
        }
        return bytes
    }

    /// The key of all masked frames.
    static let maskKey: UInt32 = 0x37FA_213D

    /// A client's frame: whole, masked.
    static func clientFrame(_ payload: [UInt8], opcode: UInt8 = Opcode.text) -> [UInt8] {
        var buffer = ByteBuffer(capacity: payload.count + FrameHeader.headerCountMax)
        FrameWriter.append(frame: opcode, payload: StaticBytes(payload).view, maskKey: maskKey, to: &buffer)
        return buffer.view.array
    }

    static func clientFrame(_ text: String) -> [UInt8] { clientFrame(Array(text.utf8)) }

    /// About so many bytes of JSON as applications send it.
    static func json(_ count: Int) -> [UInt8] {
        var text = ""
        var number = 0
        while text.utf8.count < count - 2 {
            number += 1
            let side = number % 3 == 0 ? "sell" : "buy"
            text += #"{"id":\#(1000 + number * 7),"price":\#(number * 37 % 101).25,"side":"\#(side)"},"#
        }
        return Array("[\(text.dropLast())]".utf8)
    }

    /// An opening handshake as a browser sends it; `deflates`: with its offer to compress.
    static func upgradeRequest(path: String, deflates: Bool = true) -> String {
        let request = browserRequest(path: path)
        return deflates ? request : request.replacing(offer, with: "")
    }

    private static let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

    private static func browserRequest(path: String) -> String {
        """
        GET \(path) HTTP/1.1\r
        Host: 127.0.0.1:8080\r
        Connection: Upgrade\r
        Pragma: no-cache\r
        Cache-Control: no-cache\r
        User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0\r
        Upgrade: websocket\r
        Origin: http://127.0.0.1:8080\r
        Sec-WebSocket-Version: 13\r
        Accept-Encoding: gzip, deflate, br, zstd\r
        Accept-Language: en-US,en;q=0.9\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r
        \r\n
        """
    }
}
