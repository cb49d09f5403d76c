import ClarionBytes
import ClarionLog
import ClarionWire

/// Messages as `--debug` prints them: JSON over several lines, what stands in strings taken apart too, without anything
/// that could open a door, and without a byte that steers a terminal.
enum DebugText {
    /// Bytes of a message up to which it is taken apart; of a longer one the beginning is shown.
    private static let messageBytesMax = 16 << 10
    /// Characters of one string, and of what is no JSON.
    private static let charactersMax = 200
    /// Members and elements of one message.
    private static let valuesMax = 200
    /// Strings that hold JSON inside strings that hold JSON.
    private static let nestingMax = 2
    /// Signatures are HMAC-SHA256 in hexadecimal digits: as many of them in a row are masked wherever they stand.
    private static let signatureDigits = 64
    private static let mask = "***"
    /// Names whose values are nobody's business, in lower case.
    private static let secretNames: Set<String> = [
        "auth", "auth_signature", "authorization", "secret", "shared_secret", "password", "token", "access_token",
        "api_key", "master_key",
    ]

    /// `bytes` for people, each line behind `indent`; no line end behind the last.
    static func message(_ bytes: ByteView, indent: String) -> String {
        if bytes.isEmpty { return indent + "(empty)" }
        let isText = unsafe UTF8Stream.isValid(bytes.base, count: bytes.count)
        guard isText, bytes.count <= messageBytesMax, let root = JSON.parse(bytes) else {
            let start = bytes.slice(from: 0, count: 4 * charactersMax)
            return indent + plain(start.string, byteCount: bytes.count)
        }
        var text = indent
        var left = valuesMax
        append(root, named: "", nesting: nestingMax, indent: indent, &left, to: &text)
        return text
    }

    /// A query or a path with what signs it masked.
    static func target(path: ByteView, query: ByteView) -> String {
        var text = ""
        appendEscaped(masked(String(path.string.prefix(charactersMax))), to: &text)
        if query.isEmpty { return text }
        var isFirst = true
        for parameter in query.string.split(separator: "&").prefix(valuesMax) {
            let parts = parameter.split(separator: "=", maxSplits: 1)
            let isSecret = parts.first.map { secretNames.contains($0.lowercased()) } ?? false
            text += isFirst ? "?" : "&"
            isFirst = false
            let shown = isSecret ? "\(parts[0])=\(mask)" : masked(String(parameter.prefix(charactersMax)))
            appendEscaped(shown, to: &text)
        }
        return text
    }

    /// A channel's name or the like, on one line.
    static func word(_ text: String) -> String {
        var line = ""
        appendEscaped(String(text.prefix(charactersMax)), to: &line)
        return line
    }

    private static func plain(_ text: String, byteCount: Int) -> String {
        var line = ""
        appendEscaped(String(masked(text).prefix(charactersMax)), to: &line)
        return byteCount > charactersMax ? "\(line) … (\(byteCount) bytes)" : line
    }

    private static func append(
        _ value: JSONValue, named name: String, nesting: Int, indent: String, _ left: inout Int, to text: inout String
    ) {
        if secretNames.contains(name.lowercased()) { return appendMasked(value, to: &text) }
        switch value.kind {
        case .object:
            appendContainer(value, "{", "}", indent: indent, to: &text) { inner, text, isFirst in
                value.forEachMember { key, member in
                    if !begin(inner, &left, &isFirst, to: &text) { return false }
                    let name = key.string() ?? ""
                    appendJSONString(masked(String(name.prefix(charactersMax))), to: &text)
                    text += ": "
                    append(member, named: name, nesting: nesting, indent: inner, &left, to: &text)
                    return true
                }
            }
        case .array:
            appendContainer(value, "[", "]", indent: indent, to: &text) { inner, text, isFirst in
                value.forEachElement { element in
                    if !begin(inner, &left, &isFirst, to: &text) { return false }
                    append(element, named: "", nesting: nesting, indent: inner, &left, to: &text)
                    return true
                }
            }
        case .string: appendString(value, nesting: nesting, indent: indent, &left, to: &text)
        case .number, .true, .false, .null: text += value.raw.string
        }
    }

    private static func appendContainer(
        _ value: JSONValue, _ open: String, _ close: String, indent: String, to text: inout String,
        _ body: (_ inner: String, _ text: inout String, _ isFirst: inout Bool) -> Void
    ) {
        text += open
        if !value.isEmptyContainer {
            var isFirst = true
            body(indent + "    ", &text, &isFirst)
            text += "\n" + indent
        }
        text += close
    }

    /// The comma and the indent before a member; false, and word of it, when there are too many.
    private static func begin(
        _ inner: String, _ left: inout Int, _ isFirst: inout Bool, to text: inout String
    ) -> Bool {
        left -= 1
        if left < 0 {
            if left == -1 { text += "\n" + inner + "…" }
            return false
        }
        text += (isFirst ? "\n" : ",\n") + inner
        isFirst = false
        return true
    }

    /// A string; what it holds is taken apart when that is an object or an array.
    private static func appendString(
        _ value: JSONValue, nesting: Int, indent: String, _ left: inout Int, to text: inout String
    ) {
        guard let content = value.string() else { return text += "\"…\"" }
        let isContainer = content.first == "{" || content.first == "["
        if nesting > 0, isContainer {
            let isTold = Array(content.utf8).withView { bytes in
                guard let inner = JSON.parse(bytes) else { return false }
                append(inner, named: "", nesting: nesting - 1, indent: indent, &left, to: &text)
                return true
            }
            if isTold { return }
        }
        let shown = masked(content)
        appendJSONString(shown.count > charactersMax ? shown.prefix(charactersMax) + "…" : shown, to: &text)
    }

    /// Of `key:signature` the key, which is public; of everything else nothing.
    private static func appendMasked(_ value: JSONValue, to text: inout String) {
        let content = value.string() ?? ""
        guard let colon = content.firstIndex(of: ":"), masked(content) != content else {
            return appendJSONString(content.isEmpty && value.kind == .string ? "" : mask, to: &text)
        }
        appendJSONString(masked(String(content[..<colon]).prefix(charactersMax).description) + ":" + mask, to: &text)
    }

    /// `text` with long runs of hexadecimal digits masked.
    private static func masked(_ text: String) -> String {
        var result: [UInt8] = []
        var runStart = 0
        let bytes = Array(text.utf8)
        for index in 0...bytes.count {
            if index < bytes.count, Character(UnicodeScalar(bytes[index])).isHexDigit, bytes[index] < 0x80 { continue }
            let run = bytes[runStart..<index]
            result += run.count >= signatureDigits ? Array(mask.utf8)[...] : run
            if index < bytes.count { result.append(bytes[index]) }
            runStart = index + 1
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Appends text as it is, but for what could leave its line or steer a terminal.
    private static func appendEscaped(_ text: String, to line: inout String) {
        var quoted = ""
        appendJSONString(text, to: &quoted)
        line += quoted.dropFirst().dropLast().replacing("\\\"", with: "\"").replacing("\\\\", with: "\\")
    }
}
