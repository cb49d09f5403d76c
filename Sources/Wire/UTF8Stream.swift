/// Validates UTF-8 that arrives in pieces (RFC 3629; RFC 6455 section 8.1).
///
/// Four bytes of state: what the scalar cut by the end of the last piece still asks for.
/// Invariant: `lowest ... highest` is the range of the next byte whenever `missing` > 0.
@frozen
public struct UTF8Stream: Sendable {
    /// Bytes still to come of the scalar that is open; 0 between scalars.
    private var missing: UInt8 = 0
    private var lowest: UInt8 = 0x80
    private var highest: UInt8 = 0xBF
    private var hasFailed = false

    public init() {}

    /// Whether all that was consumed is valid and ends with a whole scalar.
    public var isComplete: Bool { missing == 0 && !hasFailed }

    /// Whether `count` bytes are valid by themselves.
    public static func isValid(_ bytes: UnsafePointer<UInt8>, count: Int) -> Bool {
        var stream = UTF8Stream()
        return unsafe stream.consume(bytes, count: count) && stream.isComplete
    }

    /// Takes the next `count` bytes. False as soon as no continuation could make the text valid (overlong form,
    /// surrogate, beyond U+10FFFF, stray or missing continuation byte), and from then on.
    public mutating func consume(_ bytes: UnsafePointer<UInt8>, count: Int) -> Bool {
        if hasFailed { return false }
        var position = 0
        while missing > 0 && position < count {
            if unsafe !step(bytes[position]) { return false }
            position += 1
        }
        while position < count {
            let lead = unsafe bytes[position]
            if lead < 0x80 {
                position = unsafe UTF8Stream.asciiEnd(bytes, from: position, to: count)
                continue
            }
            let length = unsafe UTF8Stream.sequenceLength(bytes + position, available: count - position)
            if length > 0 {
                position += length
                continue
            }
            // Broken, or cut by the end of the piece: the byte-wise way tells which, and keeps the state.
            repeat {
                if unsafe !step(bytes[position]) { return false }
                position += 1
            } while missing > 0 && position < count
        }
        return true
    }

    /// Takes one byte: the reference that the fast ways agree with.
    private mutating func step(_ byte: UInt8) -> Bool {
        if missing > 0 {
            if byte < lowest || byte > highest {
                hasFailed = true
                return false
            }
            missing -= 1
            lowest = 0x80
            highest = 0xBF
            return true
        }
        switch byte {
        case 0x00...0x7F: return true
        case 0xC2...0xDF: missing = 1
        case 0xE0...0xEF:
            missing = 2
            if byte == 0xE0 { lowest = 0xA0 }  // below: overlong
            if byte == 0xED { highest = 0x9F }  // above: surrogates
        case 0xF0...0xF4:
            missing = 3
            if byte == 0xF0 { lowest = 0x90 }  // below: overlong
            if byte == 0xF4 { highest = 0x8F }  // above: beyond U+10FFFF
        default:
            hasFailed = true
            return false
        }
        return true
    }

    /// The index of the first byte that is not ASCII, or `end`.
    @inline(always)
    private static func asciiEnd(_ bytes: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        let raw = unsafe UnsafeRawPointer(bytes)
        let highBits: UInt64 = 0x8080_8080_8080_8080
        var position = start
        while end - position >= 32 {
            let block = unsafe raw.loadUnaligned(fromByteOffset: position, as: SIMD4<UInt64>.self)
            if (block[0] | block[1] | block[2] | block[3]) & highBits != 0 { break }
            position += 32
        }
        while end - position >= 8 {
            let word = unsafe raw.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let high = UInt64(littleEndian: word) & highBits
            if high != 0 { return position + high.trailingZeroBitCount >> 3 }
            position += 8
        }
        while position < end {
            if unsafe bytes[position] >= 0x80 { break }
            position += 1
        }
        return position
    }

    /// Bytes of the valid multi-byte sequence at `bytes`, 2 ... 4; 0 when it is not valid or not whole.
    @inline(always)
    private static func sequenceLength(_ bytes: UnsafePointer<UInt8>, available: Int) -> Int {
        if available < 4 { return 0 }  // the last few bytes go the byte-wise way
        let lead = unsafe UInt32(bytes[0])
        let second = unsafe UInt32(bytes[1])
        if second & 0xC0 != 0x80 { return 0 }
        if lead < 0xE0 { return lead >= 0xC2 ? 2 : 0 }
        let third = unsafe UInt32(bytes[2])
        if third & 0xC0 != 0x80 { return 0 }
        if lead < 0xF0 {
            let scalarHigh = (lead & 0x0F) << 6 | second & 0x3F
            return scalarHigh >= 0x800 >> 6 && (scalarHigh < 0xD800 >> 6 || scalarHigh > 0xDFFF >> 6) ? 3 : 0
        }
        let fourth = unsafe UInt32(bytes[3])
        if fourth & 0xC0 != 0x80 || lead > 0xF4 { return 0 }
        let scalarHigh = (lead & 0x07) << 6 | second & 0x3F
        return scalarHigh >= 0x1_0000 >> 12 && scalarHigh <= 0x10_FFFF >> 12 ? 4 : 0
    }
}
