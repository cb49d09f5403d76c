import CBenchReport
import FoundationEssentials

/// A text that is no histogram, and why.
public struct HistogramFormatError: Error, CustomStringConvertible {
    /// The reason, for people.
    public var description: String
}

/// HdrHistogram's encoding V2, compressed with zlib and written in base64: what its tools in all languages read.
///
/// Outside: a cookie, the length of what follows, then zlib. Inside: a cookie, the length of the counters, an offset,
/// the digits, the lowest and the highest value, a ratio; then the counters as ZigZag LEB128 numbers of at most nine
/// bytes, where a negative number stands for so many zeros. All fixed numbers are big-endian.
public enum HistogramCodec {
    private static let innerCookie: UInt32 = 0x1C84_9303 | 0x10
    private static let outerCookie: UInt32 = 0x1C84_9304 | 0x10
    private static let outerHeadBytes = 8
    private static let innerHeadBytes = 40
    private static let numberBytesMax = 9
    /// A histogram of five digits over the whole range takes less; a text that inflates to more is refused.
    private static let innerBytesMax = 1 << 24

    /// The text of a histogram.
    public static func encode(_ histogram: HistogramSnapshot) -> String {
        var numbers: [UInt8] = []
        var next = 0
        for counter in histogram.counters {
            if counter.index > next { append(-Int64(counter.index - next), to: &numbers) }
            append(Int64(clamping: counter.count), to: &numbers)
            next = counter.index + 1
        }
        var inner: [UInt8] = []
        inner.reserveCapacity(innerHeadBytes + numbers.count)
        append(innerCookie, to: &inner)
        append(UInt32(numbers.count), to: &inner)
        append(0 as UInt32, to: &inner)
        append(UInt32(histogram.layout.significantDigits), to: &inner)
        append(histogram.layout.lowestDiscernibleValue, to: &inner)
        append(histogram.layout.highestTrackableValue, to: &inner)
        append((1.0).bitPattern, to: &inner)
        inner += numbers
        let zipped = deflate(inner)
        var outer: [UInt8] = []
        append(outerCookie, to: &outer)
        append(UInt32(zipped.count), to: &outer)
        return Data(outer + zipped).base64EncodedString()
    }

    /// Reads a text that `encode`, or any other writer of encoding V2, made.
    public static func decode(_ text: String) throws(HistogramFormatError) -> HistogramSnapshot {
        guard let bytes = Data(base64Encoded: text).map({ [UInt8]($0) }) else { throw error("it is no base64") }
        guard bytes.count > outerHeadBytes, cookie(in: bytes) == outerCookie & ~0xF0 else {
            throw error("it does not begin like a compressed histogram of encoding V2")
        }
        guard UInt64(read(bytes, at: 4, count: 4)) == UInt64(bytes.count - outerHeadBytes) else {
            throw error("it is cut, or longer than it says")
        }
        let inner = try inflate(Array(bytes[outerHeadBytes...]))
        guard inner.count >= innerHeadBytes, cookie(in: inner) == innerCookie & ~0xF0 else {
            throw error("what is compressed is no histogram of encoding V2")
        }
        guard
            let layout = HistogramLayout(
                lowestDiscernibleValue: read(inner, at: 16, count: 8),
                highestTrackableValue: read(inner, at: 24, count: 8),
                significantDigits: Int(read(inner, at: 12, count: 4)))
        else { throw error("its range of values makes no sense") }
        guard read(inner, at: 4, count: 4) == UInt64(inner.count - innerHeadBytes) else {
            throw error("its counters are cut")
        }
        return HistogramSnapshot(layout: layout, counters: try counters(in: inner[innerHeadBytes...], layout: layout))
    }

    private static func counters(
        in bytes: ArraySlice<UInt8>, layout: HistogramLayout
    ) throws(HistogramFormatError) -> [HistogramSnapshot.Counter] {
        var counters: [HistogramSnapshot.Counter] = []
        var total: UInt64 = 0
        var index = 0
        var rest = bytes
        while !rest.isEmpty {
            guard let number = takeNumber(from: &rest) else { throw error("a counter is cut") }
            if number < 0 {
                // The magnitude is at most 2^63, which does not fit a signed index.
                index = Int(clamping: UInt64(index) + min(number.magnitude, UInt64(layout.count) + 1))
            } else {
                guard index < layout.count else { throw error("it has more counters than its range of values") }
                if number > 0 { counters.append(.init(index: index, count: UInt64(number))) }
                let (sum, overflows) = total.addingReportingOverflow(UInt64(number))
                guard !overflows else { throw error("its counters add up to too much") }
                total = sum
                index += 1
            }
        }
        return counters
    }

    // MARK: Numbers

    private static func append<Number: FixedWidthInteger>(_ number: Number, to bytes: inout [UInt8]) {
        for shift in stride(from: Number.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> Number(shift)))
        }
    }

    /// ZigZag, then seven bits a byte from the low end; the ninth byte has eight.
    private static func append(_ number: Int64, to bytes: inout [UInt8]) {
        var rest = UInt64(bitPattern: (number << 1) ^ (number >> 63))
        for _ in 1..<numberBytesMax {
            if rest < 0x80 {
                bytes.append(UInt8(rest))
                return
            }
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    private static func takeNumber(from bytes: inout ArraySlice<UInt8>) -> Int64? {
        var number: UInt64 = 0
        for position in 0..<numberBytesMax {
            guard let byte = bytes.popFirst() else { return nil }
            let isLast = position == numberBytesMax - 1
            number |= UInt64(isLast ? byte : byte & 0x7F) << UInt64(7 * position)
            if isLast || byte < 0x80 { break }
        }
        return Int64(bitPattern: number >> 1) ^ -Int64(bitPattern: number & 1)
    }

    /// The caller has seen to it that the bytes are there.
    private static func read(_ bytes: [UInt8], at start: Int, count: Int) -> UInt64 {
        bytes[start..<start + count].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A cookie without the size of a word, which encoding V2 does not use.
    private static func cookie(in bytes: [UInt8]) -> UInt32 {
        UInt32(read(bytes, at: 0, count: 4)) & ~0xF0
    }

    private static func error(_ reason: String) -> HistogramFormatError {
        HistogramFormatError(description: "this is no histogram: \(reason)")
    }

    // MARK: Compression

    private static func deflate(_ bytes: [UInt8]) -> [UInt8] {
        let bound = Int(compressBound(uLong(bytes.count)))
        return unsafe [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
            var length = uLongf(bound)
            let status = unsafe compress2(
                buffer.baseAddress, &length, bytes, uLong(bytes.count), Z_BEST_COMPRESSION)
            // With room for the worst case it can fail only for want of memory.
            precondition(status == Z_OK, "zlib: \(status)")
            count = Int(length)
        }
    }

    private static func inflate(_ bytes: [UInt8]) throws(HistogramFormatError) -> [UInt8] {
        var capacity = 1 << 16
        while capacity <= innerBytesMax {
            var status = Z_OK
            let inflated = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
                var length = uLongf(capacity)
                status = unsafe uncompress(buffer.baseAddress, &length, bytes, uLong(bytes.count))
                count = status == Z_OK ? Int(length) : 0
            }
            if status == Z_OK { return inflated }
            guard status == Z_BUF_ERROR else { break }
            capacity *= 4
        }
        throw error("what is compressed cannot be read")
    }
}
