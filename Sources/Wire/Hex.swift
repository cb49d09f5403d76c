public import ClarionBytes

/// Bytes as two lower-case hexadecimal digits each.
public enum Hex {
    /// Appends `bytes` encoded.
    public static func append(_ bytes: ByteView, to buffer: inout ByteBuffer) {
        let target = unsafe buffer.reserve(bytes.count * 2)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            unsafe target[index * 2] = digit(byte >> 4)
            unsafe target[index * 2 + 1] = digit(byte & 0xF)
            index += 1
        }
        buffer.advance(by: bytes.count * 2)
    }

    /// Appends the bytes that `text` encodes. False, and nothing appended, unless it is pairs of lower-case digits:
    /// one text only stands for given bytes, so that signatures have one spelling.
    public static func appendDecoded(_ text: ByteView, to buffer: inout ByteBuffer) -> Bool {
        if text.count % 2 != 0 { return false }
        let count = text.count / 2
        let target = unsafe buffer.reserve(count)
        var index = 0
        while index < count {
            guard let high = lowercaseValue(text[index * 2]), let low = lowercaseValue(text[index * 2 + 1]) else {
                return false
            }
            unsafe target[index] = high << 4 | low
            index += 1
        }
        buffer.advance(by: count)
        return true
    }

    /// The lower-case digit of 0 ... 15.
    @inlinable
    public static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 &+ value : 0x57 &+ value }

    /// The value of a digit in either case.
    @inlinable
    public static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: return digit - 0x30
        case 0x41...0x46: return digit - 0x41 + 10
        case 0x61...0x66: return digit - 0x61 + 10
        default: return nil
        }
    }

    private static func lowercaseValue(_ digit: UInt8) -> UInt8? {
        digit >= 0x41 && digit <= 0x46 ? nil : value(digit)
    }
}
