/// Searches that run over eight bytes at a time. Each looks at `start ..< end` only and returns `end` when nothing is
/// there.
///
/// The words are read as little-endian; the lowest byte marked by the arithmetic is then the first true match: a borrow
/// can make false marks only above a true one.
enum ByteScan {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highBits: UInt64 = 0x8080_8080_8080_8080

    /// The first quotation mark, reverse solidus, or control character below 0x20: where a run of plain JSON text ends.
    @inline(always)
    static func jsonStringStop(_ bytes: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var position = start
        while end - position >= 8 {
            let marks = unsafe jsonStringMarks(word(bytes, at: position))
            if marks != 0 { return position + marks.trailingZeroBitCount >> 3 }
            position += 8
        }
        while position < end {
            let byte = unsafe bytes[position]
            if byte == 0x22 || byte == 0x5C || byte < 0x20 { return position }
            position += 1
        }
        return end
    }

    /// The first byte below 0x20, or 0x7F.
    @inline(always)
    static func control(_ bytes: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var position = start
        while end - position >= 8 {
            let word = unsafe word(bytes, at: position)
            let low = (word &- ones &* 0x20) & ~word
            let delete = zeroes(word ^ ones &* 0x7F)
            let marks = (low | delete) & highBits
            if marks != 0 { return position + marks.trailingZeroBitCount >> 3 }
            position += 8
        }
        while position < end {
            let byte = unsafe bytes[position]
            if byte < 0x20 || byte == 0x7F { return position }
            position += 1
        }
        return end
    }

    /// The first `wanted`.
    @inline(always)
    static func first(_ wanted: UInt8, in bytes: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        let pattern = ones &* UInt64(wanted)
        var position = start
        while end - position >= 8 {
            let marks = unsafe zeroes(word(bytes, at: position) ^ pattern) & highBits
            if marks != 0 { return position + marks.trailingZeroBitCount >> 3 }
            position += 8
        }
        while position < end {
            if unsafe bytes[position] == wanted { return position }
            position += 1
        }
        return end
    }

    /// The high bit of each byte that ends a run of plain JSON text.
    @inline(always)
    private static func jsonStringMarks(_ word: UInt64) -> UInt64 {
        let low = (word &- ones &* 0x20) & ~word
        return (low | zeroes(word ^ ones &* 0x22) | zeroes(word ^ ones &* 0x5C)) & highBits
    }

    /// Marks, among other bits, the high bit of the lowest zero byte.
    @inline(always)
    private static func zeroes(_ word: UInt64) -> UInt64 { (word &- ones) & ~word }

    @inline(always)
    private static func word(_ bytes: UnsafePointer<UInt8>, at position: Int) -> UInt64 {
        let raw = unsafe UnsafeRawPointer(bytes).loadUnaligned(fromByteOffset: position, as: UInt64.self)
        return UInt64(littleEndian: raw)
    }
}
