import ClarionBytes

/// One member of an object.
public struct JSONMember {
    /// A string.
    public let key: JSONValue
    public let value: JSONValue
}

extension JSONValue {
    /// The value of the member `name`: the last one when the name stands more than once. Nil without such a member, and
    /// for everything that is not an object. Escapes in keys are resolved before comparing.
    public func member(_ name: StaticString) -> JSONValue? {
        var found: JSONValue?
        var members = JSONMembers(self)
        while let member = members.next() {
            if member.key.equals(name) { found = member.value }
        }
        return found
    }

    /// As `member(_:)`, without regard to the case of ASCII letters.
    ///
    /// - Parameter lowercaseName: in lower case.
    public func member(ignoringCase lowercaseName: StaticString) -> JSONValue? {
        var found: JSONValue?
        var members = JSONMembers(self)
        while let member = members.next() {
            if member.key.matches(ByteView(lowercaseName), isPrefix: false, ignoringCase: true) { found = member.value }
        }
        return found
    }

    /// Calls `body` for each member in order, until it returns false. Nothing for what is not an object.
    public func forEachMember(_ body: (_ key: JSONValue, _ value: JSONValue) -> Bool) {
        var members = JSONMembers(self)
        while let member = members.next() {
            if !body(member.key, member.value) { return }
        }
    }

    /// Calls `body` for each element in order, until it returns false. Nothing for what is not an array.
    public func forEachElement(_ body: (_ element: JSONValue) -> Bool) {
        var elements = JSONElements(self)
        while let element = elements.next() {
            if !body(element) { return }
        }
    }

    /// Whether this is `{}` or `[]`, white space aside. False for scalars.
    public var isEmptyContainer: Bool {
        if kind != .object && kind != .array { return false }
        var index = 1
        while index < raw.count && JSONText.isWhitespace(raw[index]) { index += 1 }
        return index == raw.count - 1
    }

    /// The value of a number without fraction and exponent that fits; nil for all else.
    public var integer: Int64? {
        if kind != .number { return nil }
        var index = raw[0] == 0x2D ? 1 : 0
        let isNegative = index == 1
        var value: Int64 = 0
        while index < raw.count {
            guard let digit = HTTPSyntax.digit(raw[index]) else { return nil }
            let (tenfold, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, isBeyond) =
                isNegative
                ? tenfold.subtractingReportingOverflow(Int64(digit)) : tenfold.addingReportingOverflow(Int64(digit))
            if isTooLarge || isBeyond { return nil }
            value = sum
            index += 1
        }
        return value
    }
}

/// Walks the members of an object in order; empty for what is not an object.
public struct JSONMembers {
    private var cursor: JSONCursor

    public init(_ value: JSONValue) { cursor = JSONCursor(value, of: .object) }

    public mutating func next() -> JSONMember? {
        guard let key = cursor.nextValue(), let value = cursor.nextValue() else { return nil }
        return JSONMember(key: key, value: value)
    }
}

/// Walks the elements of an array in order; empty for what is not an array.
public struct JSONElements {
    private var cursor: JSONCursor

    public init(_ value: JSONValue) { cursor = JSONCursor(value, of: .array) }

    public mutating func next() -> JSONValue? { cursor.nextValue() }
}

/// Steps over the values of one container; the names of an object count as values.
///
/// The text was validated, so separators need no telling apart. Every read is bounded all the same.
struct JSONCursor {
    private let text: ByteView
    private var position: Int

    init(_ value: JSONValue, of kind: JSONKind) {
        text = value.raw
        position = value.kind == kind ? 1 : value.raw.count
    }

    mutating func nextValue() -> JSONValue? {
        while position < text.count {
            let byte = unsafe text.base[position]
            if !JSONText.isWhitespace(byte) && byte != 0x2C && byte != 0x3A { break }
            position += 1
        }
        if position >= text.count { return nil }
        let first = unsafe text.base[position]
        if first == 0x7D || first == 0x5D { return nil }
        let end = valueEnd(startingWith: first)
        let value = text.slice(from: position, count: end - position)
        position = end
        return JSONValue(kind: JSON.kind(startingWith: first), raw: value)
    }

    /// The index behind the value at `position`.
    private func valueEnd(startingWith first: UInt8) -> Int {
        switch first {
        case 0x22: return stringEnd(from: position)
        case 0x7B, 0x5B: return containerEnd()
        default:
            var index = position
            while index < text.count {
                let byte = unsafe text.base[index]
                if byte == 0x2C || byte == 0x7D || byte == 0x5D || JSONText.isWhitespace(byte) { break }
                index += 1
            }
            return index
        }
    }

    /// The index behind the string that opens at `start`.
    private func stringEnd(from start: Int) -> Int {
        var index = start + 1
        while true {
            index = unsafe ByteScan.jsonStringStop(text.base, from: index, to: text.count)
            if index >= text.count { return text.count }
            if unsafe text.base[index] == 0x22 { return index + 1 }
            index = min(index + 2, text.count)  // a reverse solidus and what it escapes
        }
    }

    /// The index behind the container that opens at `position`.
    private func containerEnd() -> Int {
        var depth = 0
        var index = position
        while index < text.count {
            switch unsafe text.base[index] {
            case 0x22:
                index = stringEnd(from: index)
                continue
            case 0x7B, 0x5B: depth += 1
            case 0x7D, 0x5D:
                depth -= 1
                if depth == 0 { return index + 1 }
            default: break
            }
            index += 1
        }
        return text.count
    }
}
