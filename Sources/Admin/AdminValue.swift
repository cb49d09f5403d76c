import ClarionBytes
public import ClarionWire

/// A JSON value, as requests to the admin socket and its answers are made of them. For cold paths.
public indirect enum AdminValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case list([AdminValue])
    /// Members in the order in which they are written.
    case object([(name: String, value: AdminValue)])

    public static func == (left: AdminValue, right: AdminValue) -> Bool { left.json == right.json }

    // MARK: Reading

    /// The value of a member; nil when this is no object, or has none of that name.
    public subscript(name: String) -> AdminValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    public var text: String? {
        if case .text(let text) = self { return text }
        return nil
    }

    public var integer: Int? {
        switch self {
        case .integer(let value): return value
        case .number(let value): return Int(exactly: value)
        default: return nil
        }
    }

    public var number: Double? {
        switch self {
        case .integer(let value): return Double(value)
        case .number(let value): return value
        default: return nil
        }
    }

    public var bool: Bool? {
        if case .bool(let value) = self { return value }
        return nil
    }

    public var list: [AdminValue]? {
        if case .list(let list) = self { return list }
        return nil
    }

    /// Reads one JSON text; nil when it is not accepted.
    public init?(json text: String) {
        var text = text
        let parsed = text.withUTF8 { bytes -> AdminValue? in
            guard let base = bytes.baseAddress else { return nil }
            return unsafe JSON.parse(ByteView(base: base, count: bytes.count)).map { AdminValue($0) }
        }
        guard let parsed else { return nil }
        self = parsed
    }

    /// A copy of a parsed value. Strings that hold half a surrogate pair become empty.
    public init(_ value: JSONValue) {
        switch value.kind {
        case .null: self = .null
        case .true: self = .bool(true)
        case .false: self = .bool(false)
        case .number:
            if let integer = value.integer {
                self = .integer(Int(integer))
            } else {
                self = .number(Double(value.raw.string) ?? 0)
            }
        case .string: self = .text(value.string() ?? "")
        case .array:
            var list: [AdminValue] = []
            value.forEachElement { element in
                list.append(AdminValue(element))
                return true
            }
            self = .list(list)
        case .object:
            var members: [(name: String, value: AdminValue)] = []
            value.forEachMember { key, value in
                members.append((key.string() ?? "", AdminValue(value)))
                return true
            }
            self = .object(members)
        }
    }

    // MARK: Writing

    /// This value as a JSON text without white space.
    public var json: String {
        var buffer = ByteBuffer()
        write(to: &buffer)
        return buffer.view.string
    }

    private func write(to buffer: inout ByteBuffer) {
        switch self {
        case .null: buffer.append("null")
        case .bool(let value): buffer.append(value ? "true" as StaticString : "false")
        case .integer(let value): buffer.append(String(value))
        case .number(let value): buffer.append(value.isFinite ? String(value) : "null")
        case .text(let text): AdminValue.write(text, to: &buffer)
        case .list(let list):
            buffer.append("[")
            for (index, value) in list.enumerated() {
                if index > 0 { buffer.append(",") }
                value.write(to: &buffer)
            }
            buffer.append("]")
        case .object(let members):
            buffer.append("{")
            for (index, member) in members.enumerated() {
                if index > 0 { buffer.append(",") }
                AdminValue.write(member.name, to: &buffer)
                buffer.append(":")
                member.value.write(to: &buffer)
            }
            buffer.append("}")
        }
    }

    private static func write(_ text: String, to buffer: inout ByteBuffer) {
        var text = text
        text.withUTF8 { bytes in
            let view = unsafe bytes.baseAddress.map { unsafe ByteView(base: $0, count: bytes.count) } ?? ByteView("")
            JSONWriter.append(string: view, to: &buffer)
        }
    }
}

extension AdminValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral
{
    public init(stringLiteral text: String) { self = .text(text) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: AdminValue...) { self = .list(elements) }
    public init(dictionaryLiteral elements: (String, AdminValue)...) {
        self = .object(elements.map { (name: $0.0, value: $0.1) })
    }

    init(_ value: UInt64) { self = .integer(Int(clamping: value)) }
}
