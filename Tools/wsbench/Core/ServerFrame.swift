/// The head of a frame that a server sent (RFC 6455, section 5.2). Written apart from the server's own parser so that
/// an error in one is not hidden by the same error in the other.
struct ServerFrame: Equatable, Sendable {
    /// What the head says, or why it says nothing.
    enum Outcome: Equatable, Sendable {
        /// A whole head.
        case head(ServerFrame)
        /// More bytes are needed to know.
        case incomplete
        /// What no server may send: other reserved bits, a mask, a length over 2^63.
        case invalid
    }

    /// 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    var opcode: UInt8
    /// Bytes of the head, 2 to 10.
    var headBytes: Int
    /// Bytes of the payload.
    var payloadBytes: Int
    /// The first reserved bit, which permessage-deflate gives a meaning (RFC 7692, section 6).
    var isCompressed = false

    /// Bytes of the longest head.
    static let headBytesMax = 10

    /// Reads the head at the start of `bytes`.
    static func parse(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        guard bytes.count >= 2 else { return .incomplete }
        let first = unsafe bytes[0]
        let second = unsafe bytes[1]
        guard first & 0x30 == 0, second & 0x80 == 0 else { return .invalid }
        let opcode = first & 0x0F
        let isCompressed = first & 0x40 != 0
        switch second {
        case 126:
            guard bytes.count >= 4 else { return .incomplete }
            let length = unsafe UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            return .head(
                ServerFrame(opcode: opcode, headBytes: 4, payloadBytes: Int(length), isCompressed: isCompressed))
        case 127:
            guard bytes.count >= 10 else { return .incomplete }
            let length = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            guard let count = Int(exactly: length) else { return .invalid }
            return .head(ServerFrame(opcode: opcode, headBytes: 10, payloadBytes: count, isCompressed: isCompressed))
        default:
            return .head(
                ServerFrame(opcode: opcode, headBytes: 2, payloadBytes: Int(second), isCompressed: isCompressed))
        }
    }
}
