public import ClarionLoop

/// What a load balancer says of its client before the client's own bytes: the PROXY protocol, versions 1 and 2
/// (proxy-protocol.txt of HAProxy, section 2).
public enum ProxyHeader: Equatable, Sendable {
    case needMore
    /// So many bytes are the header. The client, or nil when the balancer speaks for itself.
    case header(byteCount: Int, client: PeerAddress?)
    case refused

    /// A line of version 1 with its end, by its specification 107 and 1 to spare.
    static let lineBytesMax = 108
    /// What may stand behind the 16 bytes that version 2 begins with: the longest addresses, or TCP's with 180 bytes
    /// of further fields.
    static let blockBytesMax = 216
    /// All that is kept while a header is not whole.
    public static let bytesMax = 16 + blockBytesMax

    private static let signature: [12 of UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]

    /// Looks at the first `count` bytes of a connection.
    public static func parse(_ bytes: UnsafePointer<UInt8>, count: Int) -> ProxyHeader {
        if count == 0 { return .needMore }
        return unsafe bytes[0] == signature[0] ? parseBlock(bytes, count: count) : parseLine(bytes, count: count)
    }

    // MARK: Version 2

    private static func parseBlock(_ bytes: UnsafePointer<UInt8>, count: Int) -> ProxyHeader {
        for index in 0..<min(count, 12) where unsafe bytes[index] != signature[index] { return .refused }
        if count < 16 { return .needMore }
        let length = unsafe Int(bytes[14]) << 8 | Int(bytes[15])
        let command = unsafe bytes[12]
        if length > blockBytesMax || command & 0xFE != 0x20 { return .refused }
        if count < 16 + length { return .needMore }
        let family = unsafe bytes[13]
        let addressBytes: Int
        switch family {
        case 0x00: addressBytes = 0
        case 0x11, 0x12: addressBytes = 12
        case 0x21, 0x22: addressBytes = 36
        case 0x31, 0x32: addressBytes = 216
        default: return .refused
        }
        let isLocal = command == 0x20
        if !isLocal && length < addressBytes { return .refused }
        if !isLocal, unsafe !areFields(bytes + 16 + addressBytes, count: length - addressBytes) { return .refused }
        let block = unsafe bytes + 16
        var client: PeerAddress?
        if !isLocal && family == 0x11 {
            client = unsafe PeerAddress(
                version4: UInt32(truncatingIfNeeded: big(block, 4)), port: UInt16(truncatingIfNeeded: big(block + 8, 2))
            )
        }
        if !isLocal && family == 0x21 {
            client = unsafe PeerAddress(
                high: big(block, 8), low: big(block + 8, 8), port: UInt16(truncatingIfNeeded: big(block + 32, 2)))
        }
        return .header(byteCount: 16 + length, client: client)
    }

    /// Further fields, each a type and a length: whatever they mean, they must fill their room.
    private static func areFields(_ bytes: UnsafePointer<UInt8>, count: Int) -> Bool {
        var position = 0
        while position < count {
            if position + 3 > count { return false }
            position += unsafe 3 + (Int(bytes[position + 1]) << 8 | Int(bytes[position + 2]))
        }
        return position == count
    }

    private static func big(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<count { value = unsafe value << 8 | UInt64(bytes[index]) }
        return value
    }

    // MARK: Version 1

    private static func parseLine(_ bytes: UnsafePointer<UInt8>, count: Int) -> ProxyHeader {
        let start: StaticString = "PROXY "
        for index in 0..<min(count, start.utf8CodeUnitCount) {
            if unsafe bytes[index] != start.utf8Start[index] { return .refused }
        }
        let seen = min(count, lineBytesMax)
        var end = 0
        while unsafe end < seen && bytes[end] != 0x0A { end += 1 }
        if end == seen { return count >= lineBytesMax ? .refused : .needMore }
        if unsafe end < start.utf8CodeUnitCount || bytes[end - 1] != 0x0D { return .refused }
        let words = unsafe UnsafeBufferPointer(rebasing: UnsafeBufferPointer(start: bytes, count: end - 1)[6...])
            .split(separator: 0x20, maxSplits: 5, omittingEmptySubsequences: false)
        if unsafe !words.isEmpty && words[0].elementsEqual("UNKNOWN".utf8) {
            return .header(byteCount: end + 1, client: nil)
        }
        guard unsafe words.count == 5, let port = unsafe number(words[3]), unsafe number(words[4]) != nil,
            let client = unsafe PeerAddress(text: UnsafeBufferPointer(rebasing: words[1]), port: port),
            let target = unsafe PeerAddress(text: UnsafeBufferPointer(rebasing: words[2]))
        else { return .refused }
        let isFour = unsafe words[0].elementsEqual("TCP4".utf8)
        if unsafe !isFour && !words[0].elementsEqual("TCP6".utf8) { return .refused }
        let hasColons = unsafe words[1].contains(0x3A) && words[2].contains(0x3A)
        if isFour ? hasColons || !client.isVersion4 || !target.isVersion4 : !hasColons { return .refused }
        return .header(byteCount: end + 1, client: client)
    }

    /// A port in decimal digits, without a leading 0.
    private static func number(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> UInt16? {
        var value: UInt32 = 0
        var index = unsafe text.startIndex
        while unsafe index < text.endIndex {
            let byte = unsafe text[index]
            if byte < 0x30 || byte > 0x39 { return nil }
            value = value * 10 + UInt32(byte - 0x30)
            if value > 65_535 { return nil }
            index += 1
        }
        let count = unsafe text.count
        return unsafe count > 0 && (count == 1 || text.first != 0x30) ? UInt16(value) : nil
    }
}
