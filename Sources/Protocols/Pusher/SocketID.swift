import ClarionBytes

/// The socket id of the Pusher protocol: "left.right", the two halves of a connection's number in decimal.
enum SocketID {
    /// Bits of the right half; the left one has as many.
    private static let halfBits: UInt64 = 30
    private static let halfMask: UInt64 = 1 << halfBits - 1
    /// Digits of the largest half.
    private static let digitsMax = 10

    static func append(_ number: UInt64, to buffer: inout ByteBuffer) {
        buffer.append(decimal: number >> halfBits)
        buffer.append(0x2E)
        buffer.append(decimal: number & halfMask)
    }

    /// What a text that should be a socket id says.
    enum Parsed: Equatable {
        case number(UInt64)
        /// "digits.digits", but none that this node gives out.
        case foreign
        case malformed
    }

    static func parse(_ text: ByteView) -> Parsed {
        guard let dot = text.firstIndex(of: 0x2E) else { return .malformed }
        let left = text.slice(from: 0, count: dot)
        let right = text.slice(from: dot + 1)
        if !isDigits(left) || !isDigits(right) { return .malformed }
        guard let high = half(left), let low = half(right) else { return .foreign }
        return .number(high << halfBits | low)
    }

    private static func isDigits(_ text: ByteView) -> Bool {
        if text.isEmpty { return false }
        var index = 0
        while index < text.count {
            if text[index] < 0x30 || text[index] > 0x39 { return false }
            index += 1
        }
        return true
    }

    /// The value of digits as `append` writes them: no leading zero, below 2^30.
    private static func half(_ digits: ByteView) -> UInt64? {
        if digits.count > digitsMax || digits.count > 1 && digits[0] == 0x30 { return nil }
        var value: UInt64 = 0
        var index = 0
        while index < digits.count {
            value = value * 10 + UInt64(digits[index] - 0x30)
            index += 1
        }
        return value <= halfMask ? value : nil
    }
}
