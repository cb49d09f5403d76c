import ClarionBytes

/// One pass over a JSON text.
///
/// Invariants: `position` ≤ `count`; bit n of `objects` tells whether the container at depth n + 1 is an object, for
/// every n < `depth`; `depth` ≤ `depthMax` ≤ 64.
@safe struct JSONValidator {
    /// Points to `count` readable bytes of the caller, valid during the call.
    private let bytes: UnsafePointer<UInt8>
    private let count: Int
    private let depthMax: Int
    private(set) var position = 0
    private var depth = 0
    private var objects: UInt64 = 0

    /// Where the outermost value lies, once `run` has accepted the text.
    private(set) var valueStart = 0
    private(set) var valueEnd = 0

    init(bytes: UnsafePointer<UInt8>, count: Int, depthMax: Int) {
        unsafe self.bytes = unsafe bytes
        self.count = count
        self.depthMax = depthMax
    }

    /// What the grammar asks for next.
    private enum Expected {
        case value
        /// The first thing in an array: a value or its end.
        case valueOrEnd
        /// The first thing in an object: a name or its end.
        case nameOrEnd
        case name
        /// A comma or the end of the container, or the end of the text.
        case afterValue
    }

    /// The failure, or nil when the text is one value.
    mutating func run() -> JSONFailure? {
        skipWhitespace()
        valueStart = position
        var expected = Expected.value
        while true {
            guard position < count else { return .malformed }
            let byte = unsafe bytes[position]
            switch expected {
            case .value, .valueOrEnd:
                if byte == 0x5D && expected == .valueOrEnd {
                    pop()
                    expected = .afterValue
                } else if byte == 0x7B || byte == 0x5B {
                    if depth >= depthMax { return .tooDeep }
                    push(isObject: byte == 0x7B)
                    expected = byte == 0x7B ? .nameOrEnd : .valueOrEnd
                } else {
                    if !scalar(startingWith: byte) { return .malformed }
                    expected = .afterValue
                }
            case .nameOrEnd, .name:
                if byte == 0x7D && expected == .nameOrEnd {
                    pop()
                    expected = .afterValue
                } else {
                    if byte != 0x22 || !string() { return .malformed }
                    skipWhitespace()
                    if position >= count { return .malformed }
                    if unsafe bytes[position] != 0x3A { return .malformed }
                    position += 1
                    expected = .value
                }
            case .afterValue:
                let isObject = objects &>> UInt64(depth - 1) & 1 != 0
                if byte == 0x2C {
                    position += 1
                    expected = isObject ? .name : .value
                } else if byte == (isObject ? 0x7D : 0x5D) {
                    pop()
                } else {
                    return .malformed
                }
            }
            if expected == .afterValue && depth == 0 {
                valueEnd = position
                skipWhitespace()
                return position == count ? nil : .malformed
            }
            skipWhitespace()
        }
    }

    /// Opens a container and moves behind its bracket.
    private mutating func push(isObject: Bool) {
        let bit: UInt64 = 1 &<< UInt64(depth)
        objects = isObject ? objects | bit : objects & ~bit
        depth += 1
        position += 1
    }

    /// Closes the innermost container and moves behind its bracket.
    private mutating func pop() {
        depth -= 1
        position += 1
    }

    private mutating func skipWhitespace() {
        while position < count, unsafe JSONText.isWhitespace(bytes[position]) { position += 1 }
    }

    private mutating func scalar(startingWith byte: UInt8) -> Bool {
        switch byte {
        case 0x22: return string()
        case 0x74: return literal("true")
        case 0x66: return literal("false")
        case 0x6E: return literal("null")
        default: return number()
        }
    }

    private mutating func literal(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        if count - position < length { return false }
        if unsafe !(ByteView(base: bytes + position, count: length) == text) { return false }
        position += length
        return true
    }

    /// A string from its opening quotation mark on; moves behind the closing one.
    private mutating func string() -> Bool {
        var index = position + 1
        while true {
            index = unsafe ByteScan.jsonStringStop(bytes, from: index, to: count)
            if index >= count { return false }
            let byte = unsafe bytes[index]
            if byte == 0x22 {
                position = index + 1
                return true
            }
            if byte != 0x5C || index + 1 >= count { return false }
            switch unsafe bytes[index + 1] {
            case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: index += 2
            case 0x75:
                if count - index < JSONText.unicodeEscapeCount { return false }
                if unsafe JSONText.unicodeEscape(bytes + index) == nil { return false }
                index += JSONText.unicodeEscapeCount
            default: return false
            }
        }
    }

    /// [-] (0 | 1-9 digits) [. digits] [e [+-] digits]
    private mutating func number() -> Bool {
        var digitCount = 0
        var index = position
        if unsafe bytes[index] == 0x2D { index += 1 }
        let integerStart = index
        index = digits(from: index)
        let integerCount = index - integerStart
        if integerCount == 0 { return false }
        if integerCount > 1, unsafe bytes[integerStart] == 0x30 { return false }
        digitCount += integerCount
        if index < count, unsafe bytes[index] == 0x2E {
            let end = digits(from: index + 1)
            if end == index + 1 { return false }
            digitCount += end - index - 1
            index = end
        }
        if index < count, unsafe bytes[index] | 0x20 == 0x65 {
            index += 1
            if index < count, unsafe bytes[index] == 0x2B || bytes[index] == 0x2D { index += 1 }
            let end = digits(from: index)
            if end == index { return false }
            digitCount += end - index
            index = end
        }
        position = index
        return digitCount <= JSON.numberDigitsMax
    }

    /// The index of the first byte from `start` on that is not a digit.
    private func digits(from start: Int) -> Int {
        var index = start
        while index < count, unsafe bytes[index] >= 0x30 && bytes[index] <= 0x39 { index += 1 }
        return index
    }
}

/// What validator and readers have in common.
enum JSONText {
    /// Bytes of `\uXXXX`.
    static let unicodeEscapeCount = 6

    @inline(always)
    static func isWhitespace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    /// The code unit of the six bytes `\uXXXX` at `bytes`; nil when they are something else.
    static func unicodeEscape(_ bytes: UnsafePointer<UInt8>) -> UInt32? {
        if unsafe bytes[0] != 0x5C || bytes[1] != 0x75 { return nil }
        var unit: UInt32 = 0
        var index = 2
        while index < unicodeEscapeCount {
            guard let digit = unsafe Hex.value(bytes[index]) else { return nil }
            unit = unit << 4 | UInt32(digit)
            index += 1
        }
        return unit
    }
}
