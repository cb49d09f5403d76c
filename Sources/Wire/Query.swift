public import ClarionBytes

/// One parameter of a query, as sent: not decoded.
public struct QueryParameter {
    public let name: ByteView
    /// Empty without "=".
    public let value: ByteView
}

/// Walks the parameters of a query ("a=1&b=2") in order; empty ones ("&&") are skipped.
public struct Query {
    /// Parameters of one query; a request with more is refused.
    public static let parametersMax = 32

    private let text: ByteView
    private var position = 0
    private var parameterCount = 0
    /// Set when there were more than `parametersMax`: `next()` then ended early.
    public private(set) var hasTooMany = false

    /// - Parameter text: what stands behind the "?".
    public init(_ text: ByteView) { self.text = text }

    public mutating func next() -> QueryParameter? {
        while position < text.count {
            let end = unsafe ByteScan.first(0x26, in: text.base, from: position, to: text.count)
            let part = text.slice(from: position, count: end - position)
            position = end + 1
            if part.isEmpty { continue }
            if parameterCount == Query.parametersMax {
                hasTooMany = true
                position = text.count
                return nil
            }
            parameterCount += 1
            let nameCount = part.firstIndex(of: 0x3D) ?? part.count
            return QueryParameter(name: part.slice(from: 0, count: nameCount), value: part.slice(from: nameCount + 1))
        }
        return nil
    }

    /// Whether `text` has at most `parametersMax` parameters and every escape in it can be decoded.
    public static func isAcceptable(_ text: ByteView) -> Bool {
        var query = Query(text)
        while let parameter = query.next() {
            if !PercentEncoding.isDecodable(parameter.name) || !PercentEncoding.isDecodable(parameter.value) {
                return false
            }
        }
        return !query.hasTooMany
    }

    /// The value, not decoded, of the first parameter whose name is sent exactly as `name`.
    public static func value(_ name: StaticString, in text: ByteView) -> ByteView? {
        var query = Query(text)
        while let parameter = query.next() {
            if parameter.name == name { return parameter.value }
        }
        return nil
    }
}

/// Percent-encoding (RFC 3986 section 2.1), decoded once and strictly.
public enum PercentEncoding {
    /// Appends `text` decoded. False, and nothing appended, on an escape that is not two hexadecimal digits, on %00,
    /// and when the outcome is not UTF-8.
    ///
    /// - Parameter plusIsSpace: as forms and query strings have it; false for paths.
    public static func appendDecoded(_ text: ByteView, plusIsSpace: Bool, to buffer: inout ByteBuffer) -> Bool {
        let target = unsafe buffer.reserve(text.count)
        var cursor = PercentCursor(text)
        var written = 0
        while let byte = cursor.next() {
            unsafe target[written] = byte.isEscaped || byte.value != 0x2B || !plusIsSpace ? byte.value : 0x20
            written += 1
        }
        if cursor.hasFailed { return false }
        if unsafe !UTF8Stream.isValid(target, count: written) { return false }
        buffer.advance(by: written)
        return true
    }

    /// Whether `appendDecoded` would succeed.
    public static func isDecodable(_ text: ByteView) -> Bool {
        var cursor = PercentCursor(text)
        var stream = UTF8Stream()
        while let byte = cursor.next() {
            if unsafe !withUnsafePointer(to: byte.value, { pointer in unsafe stream.consume(pointer, count: 1) }) {
                return false
            }
        }
        return !cursor.hasFailed && stream.isComplete
    }

    /// Appends a path decoded. False, and nothing appended, when two readers could take it for different paths: an
    /// empty segment ("//"), "." or ".." (escaped or not), an escaped "/", a "\", a control character, a bad escape.
    public static func appendDecodedPath(_ path: ByteView, to buffer: inout ByteBuffer) -> Bool {
        if path.isEmpty || path[0] != 0x2F { return false }
        let countBefore = buffer.count
        var position = 0
        while position < path.count {
            buffer.append(0x2F)
            let start = position + 1
            let end = unsafe ByteScan.first(0x2F, in: path.base, from: start, to: path.count)
            let isLast = end == path.count
            let segmentStart = buffer.count
            let isDecoded = appendDecoded(path.slice(from: start, count: end - start), plusIsSpace: false, to: &buffer)
            let segment = buffer.view.slice(from: segmentStart)
            if !isDecoded || segment.isEmpty && !isLast || segment == "." || segment == ".." || isAmbiguous(segment) {
                buffer.truncate(to: countBefore)
                return false
            }
            position = end
        }
        return true
    }

    private static func isAmbiguous(_ segment: ByteView) -> Bool {
        var index = 0
        while index < segment.count {
            let byte = segment[index]
            if byte < 0x20 || byte == 0x7F || byte == 0x2F || byte == 0x5C { return true }
            index += 1
        }
        return false
    }
}

/// Walks the bytes that a percent-encoded text stands for; ends early, with `hasFailed`, on a bad escape or %00.
private struct PercentCursor {
    private let text: ByteView
    private var position = 0
    private(set) var hasFailed = false

    init(_ text: ByteView) { self.text = text }

    mutating func next() -> (value: UInt8, isEscaped: Bool)? {
        if position >= text.count || hasFailed { return nil }
        let byte = text[position]
        if byte != 0x25 {
            position += 1
            return (byte, false)
        }
        guard text.count - position >= 3, let high = Hex.value(text[position + 1]),
            let low = Hex.value(text[position + 2]), high | low != 0
        else {
            hasFailed = true
            return nil
        }
        position += 3
        return (high << 4 | low, true)
    }
}
