/// Frames as a client sends them: masked (RFC 6455, section 5.3).
enum ClientFrame {
    /// The mask of every frame. A browser must choose it anew each time so that proxies cannot be fooled; here it only
    /// has to be one that makes the server unmask in earnest.
    static let mask: [UInt8] = [0x5A, 0xC3, 0x19, 0x87]

    /// A text in a frame.
    static func text(_ text: String) -> [UInt8] { build(opcode: 1, payload: Array(text.utf8)) }

    /// A whole masked frame.
    /// - Parameters:
    ///   - opcode: 1 text, 8 close, 9 ping, 10 pong.
    ///   - payload: the plain payload.
    static func build(opcode: UInt8, payload: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = [0x80 | opcode]
        switch payload.count {
        case ..<126:
            frame.append(0x80 | UInt8(payload.count))
        case ..<65_536:
            frame.append(0x80 | 126)
            frame.append(UInt8(payload.count >> 8))
            frame.append(UInt8(payload.count & 0xFF))
        default:
            frame.append(0x80 | 127)
            for shift in stride(from: 56, through: 0, by: -8) { frame.append(UInt8(payload.count >> shift & 0xFF)) }
        }
        frame += mask
        for (offset, byte) in payload.enumerated() { frame.append(byte ^ mask[offset & 3]) }
        return frame
    }
}

/// A message ready to be sent but for its marker: the masked frame, and where the digits go.
///
/// `write` copies the frame and lays the masked digits over it, so a message costs a copy and five stores.
@safe struct MessageTemplate {
    /// Bytes of one message on the wire.
    let byteCount: Int
    /// The masked frame. Owned by this value's holder: freed by `free()`.
    private let frame: UnsafeMutableRawPointer
    /// Where the sequence number starts within the frame.
    private let sequenceOffset: Int
    /// The mask as it lies over the digits: both numbers start at the same offset modulo 4, and so do their halves.
    private let mask: UInt64

    /// - Parameters:
    ///   - head: what stands before the text in the protocol's envelope.
    ///   - textBytes: bytes of the text, `Marker.byteCount` or more.
    ///   - tail: what stands behind it.
    ///   - isMasked: whether the message is a frame; otherwise it is the payload as it stands.
    ///   - isProse: whether words fill the text, so that it compresses as messages do.
    init(head: [UInt8], textBytes: Int, tail: [UInt8], isMasked: Bool = true, isProse: Bool = false) {
        precondition(textBytes >= Marker.byteCount)
        let marker = Array("@@".utf8) + [UInt8](repeating: UInt8(ascii: "0"), count: Marker.byteCount - 2)
        let text = marker + Marker.padding(textBytes - Marker.byteCount, isProse: isProse)
        let payload = head + text + tail
        let built = isMasked ? ClientFrame.build(opcode: 1, payload: payload) : payload
        byteCount = built.count
        let copy = UnsafeMutableRawPointer.allocate(byteCount: built.count, alignment: 8)
        unsafe built.withUnsafeBytes { unsafe copy.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        unsafe frame = copy
        let offset = head.count + Marker.sequenceOffset
        sequenceOffset = built.count - payload.count + offset
        var word: UInt64 = 0
        for byte in 0..<8 where isMasked { word |= UInt64(ClientFrame.mask[(offset + byte) & 3]) << (8 * UInt64(byte)) }
        mask = word
    }

    /// Gives the frame's memory back. The value must not be used any more.
    func free() { unsafe frame.deallocate() }

    /// Writes one message.
    /// - Parameters:
    ///   - time: when it was to be sent, in nanoseconds.
    ///   - now: when it is sent.
    ///   - destination: room for `byteCount` bytes.
    func write(sequence: UInt64, time: UInt64, now: UInt64, to destination: UnsafeMutableRawPointer) {
        unsafe destination.copyMemory(from: frame, byteCount: byteCount)
        let number = Marker.digits(sequence)
        let moment = Marker.digits(time)
        let lag = min(Marker.lagMicrosecondsMax, now > time ? (now - time) / 1_000 : 0)
        let digits = unsafe destination + sequenceOffset
        unsafe digits.storeBytes(of: number.first ^ mask, toByteOffset: 0, as: UInt64.self)
        unsafe digits.storeBytes(of: number.second ^ mask, toByteOffset: 8, as: UInt64.self)
        unsafe digits.storeBytes(of: moment.first ^ mask, toByteOffset: 16, as: UInt64.self)
        unsafe digits.storeBytes(of: moment.second ^ mask, toByteOffset: 24, as: UInt64.self)
        unsafe digits.storeBytes(
            of: Marker.eightDigits(UInt32(lag)) ^ mask, toByteOffset: 32, as: UInt64.self)
    }
}
