/// What stands at the beginning of a connection that should speak TLS, looked at before anything is spent on it.
public enum ClientHello: Equatable, Sendable {
    /// At least so many bytes are needed to know more.
    case needMore(Int)
    /// A whole hello is there; what is in it is for the library to judge.
    case complete
    /// Text that looks like an HTTP request.
    case http
    /// Neither, or a hello over its bound.
    case refused

    /// Most bytes of the records that hold a hello. One with all that is in use today has 2 KiB; in records of one byte
    /// each that is 12 KiB.
    public static let bytesMax = 16 << 10

    private static let recordHeadBytes = 5
    private static let messageHeadBytes = 4
    /// RFC 8446 section 5.1.
    private static let recordBytesMax = 1 << 14

    /// Looks at the first `count` bytes of a connection (RFC 8446 sections 4 and 5.1).
    public static func scan(_ bytes: UnsafePointer<UInt8>, count: Int) -> ClientHello {
        if count == 0 { return .needMore(1) }
        if unsafe bytes[0] != 22 { return unsafe bytes[0] >= 0x41 && bytes[0] <= 0x5A ? .http : .refused }
        var position = 0
        var gathered = 0
        var head: UInt32 = 0
        // The head of the message may itself be cut into records.
        while true {
            if position + recordHeadBytes > count { return bounded(position + recordHeadBytes) }
            let record = unsafe bytes + position
            let length = unsafe Int(record[3]) << 8 | Int(record[4])
            if unsafe record[0] != 22 || record[1] != 3 || length == 0 || length > recordBytesMax { return .refused }
            position += recordHeadBytes
            if position + length > count { return bounded(position + length) }
            for index in 0..<min(length, max(messageHeadBytes - gathered, 0)) {
                head = unsafe head << 8 | UInt32(bytes[position + index])
            }
            gathered += length
            position += length
            if gathered < messageHeadBytes { continue }
            if head >> 24 != 1 { return .refused }
            let wanted = messageHeadBytes + Int(head & 0xFF_FFFF)
            if gathered >= wanted { return .complete }
            if wanted > bytesMax { return .refused }
        }
    }

    private static func bounded(_ wanted: Int) -> ClientHello { wanted > bytesMax ? .refused : .needMore(wanted) }
}
