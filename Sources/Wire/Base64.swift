public import ClarionBytes

/// Base64 with the standard alphabet and padding (RFC 4648 section 4).
public enum Base64 {
    /// Characters that `byteCount` bytes take.
    public static func encodedCount(_ byteCount: Int) -> Int { (byteCount + 2) / 3 * 4 }

    /// Appends `bytes` encoded.
    public static func append(_ bytes: ByteView, to buffer: inout ByteBuffer) {
        let count = encodedCount(bytes.count)
        unsafe encode(bytes, to: buffer.reserve(count))
        buffer.advance(by: count)
    }

    /// Writes `encodedCount(bytes.count)` characters to `target`.
    static func encode(_ bytes: ByteView, to target: UnsafeMutablePointer<UInt8>) {
        var source = 0
        var position = 0
        while source < bytes.count {
            let have = min(bytes.count - source, 3)
            let first = UInt32(bytes[source])
            let second = have > 1 ? UInt32(bytes[source + 1]) : 0
            let third = have > 2 ? UInt32(bytes[source + 2]) : 0
            let group = first << 16 | second << 8 | third
            unsafe target[position] = character(group >> 18)
            unsafe target[position + 1] = character(group >> 12)
            unsafe target[position + 2] = have > 1 ? character(group >> 6) : padding
            unsafe target[position + 3] = have > 2 ? character(group) : padding
            source += 3
            position += 4
        }
    }

    static let padding: UInt8 = 0x3D

    /// The character of the lowest six bits.
    private static func character(_ bits: UInt32) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: bits & 0x3F)
        switch value {
        case 0..<26: return 0x41 + value
        case 26..<52: return 0x61 + value - 26
        case 52..<62: return 0x30 + value - 52
        case 62: return 0x2B
        default: return 0x2F
        }
    }

    /// Whether `byte` is one of the 64 characters.
    static func isCharacter(_ byte: UInt8) -> Bool { characters.contains(byte) }

    private static let characters = ASCIISet(low: 0x03FF_8800_0000_0000, high: 0x07FF_FFFE_07FF_FFFE)
}
