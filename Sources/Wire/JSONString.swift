public import ClarionBytes

extension JSONValue {
    /// What stands between the quotation marks of a string, escapes unresolved; empty for all else.
    public var content: ByteView {
        kind == .string ? raw.slice(from: 1, count: raw.count - 2) : ByteView("")
    }

    /// Whether this is a string with at least one escape; without one, `content` is the text itself.
    public var hasEscapes: Bool {
        let content = content
        return unsafe ByteScan.first(0x5C, in: content.base, from: 0, to: content.count) < content.count
    }

    /// Bytes of the text of a string in UTF-8, escapes resolved; a lone surrogate counts as three. 0 for all else.
    public var unescapedCount: Int {
        var pieces = JSONPieces(content)
        var total = 0
        while let piece = pieces.next() {
            switch piece {
            case .plain(let text): total += text.count
            case .scalar(let scalar): total += JSONPieces.utf8Count(scalar)
            case .loneSurrogate: total += JSONPieces.utf8Count(0xFFFD)
            }
        }
        return total
    }

    /// Whether this is a string and its text, escapes resolved, is `text`.
    public func equals(_ text: StaticString) -> Bool {
        matches(ByteView(text), isPrefix: false, ignoringCase: false)
    }

    /// Whether this is a string and its text, escapes resolved, is `text` (UTF-8).
    public func equals(_ text: ByteView) -> Bool { matches(text, isPrefix: false, ignoringCase: false) }

    /// Whether this is a string and its text, escapes resolved, begins with `prefix`.
    public func hasPrefix(_ prefix: StaticString) -> Bool {
        matches(ByteView(prefix), isPrefix: true, ignoringCase: false)
    }

    /// Appends the text of a string, escapes resolved. False, and nothing appended, when this is not a string or holds
    /// a lone surrogate, which no UTF-8 can say.
    public func appendUnescaped(to buffer: inout ByteBuffer) -> Bool {
        if kind != .string { return false }
        let countBefore = buffer.count
        var pieces = JSONPieces(content)
        while let piece = pieces.next() {
            switch piece {
            case .plain(let text): buffer.append(text)
            case .scalar(let scalar):
                let length = JSONPieces.utf8Count(scalar)
                var index = 0
                while index < length {
                    buffer.append(JSONPieces.utf8Byte(index, of: scalar, count: length))
                    index += 1
                }
            case .loneSurrogate:
                buffer.truncate(to: countBefore)
                return false
            }
        }
        return true
    }

    /// The text of a string; nil when this is not one, holds a lone surrogate, or is not UTF-8. For cold paths.
    public func string() -> String? {
        var buffer = ByteBuffer(capacity: max(raw.count, 1))
        if !appendUnescaped(to: &buffer) { return nil }
        return unsafe String(validating: buffer.view.unsafeBuffer, as: UTF8.self)
    }

    /// Compares the text of a string, piece by piece, with `expected`; `ignoringCase` wants it in lower case.
    func matches(_ expected: ByteView, isPrefix: Bool, ignoringCase: Bool) -> Bool {
        if kind != .string || content.count < expected.count { return false }
        var pieces = JSONPieces(content)
        var matched = 0
        while let piece = pieces.next() {
            if isPrefix && matched == expected.count { return true }
            switch piece {
            case .plain(let text):
                let shared = min(text.count, expected.count - matched)
                if shared < text.count && !isPrefix { return false }
                var index = 0
                while index < shared {
                    let byte = text[index]
                    let folded = ignoringCase && byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
                    if folded != expected[matched + index] { return false }
                    index += 1
                }
                matched += shared
            case .scalar(let scalar):
                let folded = ignoringCase && scalar >= 0x41 && scalar <= 0x5A ? scalar | 0x20 : scalar
                let length = JSONPieces.utf8Count(folded)
                var index = 0
                while index < length {
                    if matched == expected.count { return isPrefix }
                    if JSONPieces.utf8Byte(index, of: folded, count: length) != expected[matched] { return false }
                    matched += 1
                    index += 1
                }
            case .loneSurrogate: return false
            }
        }
        return matched == expected.count
    }
}

/// A part of a string's text.
enum JSONPiece {
    /// A run of bytes that stand for themselves; not empty.
    case plain(ByteView)
    /// What one escape, or an escaped pair of surrogates, stands for.
    case scalar(UInt32)
    /// An escaped surrogate without its other half.
    case loneSurrogate
}

/// Walks the parts of a validated string's content.
struct JSONPieces {
    private let content: ByteView
    private var position = 0

    init(_ content: ByteView) { self.content = content }

    mutating func next() -> JSONPiece? {
        if position >= content.count { return nil }
        let start = position
        let stop = unsafe ByteScan.first(0x5C, in: content.base, from: start, to: content.count)
        if stop > start {
            position = stop
            return .plain(content.slice(from: start, count: stop - start))
        }
        if content.count - start < 2 {
            position = content.count
            return .loneSurrogate  // not reachable from validated text
        }
        position = start + 2
        switch content[start + 1] {
        case 0x62: return .scalar(0x08)
        case 0x66: return .scalar(0x0C)
        case 0x6E: return .scalar(0x0A)
        case 0x72: return .scalar(0x0D)
        case 0x74: return .scalar(0x09)
        case 0x75: return unicode(at: start)
        case let other: return .scalar(UInt32(other))
        }
    }

    private mutating func unicode(at start: Int) -> JSONPiece {
        guard let unit = escapedUnit(at: start) else { return .loneSurrogate }
        position = start + JSONText.unicodeEscapeCount
        if unit < 0xD800 || unit > 0xDFFF { return .scalar(unit) }
        guard unit <= 0xDBFF, let low = escapedUnit(at: position), low >= 0xDC00, low <= 0xDFFF else {
            return .loneSurrogate
        }
        position += JSONText.unicodeEscapeCount
        return .scalar(0x1_0000 + (unit - 0xD800) << 10 + (low - 0xDC00))
    }

    private func escapedUnit(at start: Int) -> UInt32? {
        if content.count - start < JSONText.unicodeEscapeCount { return nil }
        return unsafe JSONText.unicodeEscape(content.base + start)
    }

    /// Bytes of `scalar` in UTF-8.
    static func utf8Count(_ scalar: UInt32) -> Int {
        scalar < 0x80 ? 1 : scalar < 0x800 ? 2 : scalar < 0x1_0000 ? 3 : 4
    }

    /// Byte `index` of the `count` bytes of `scalar` in UTF-8.
    static func utf8Byte(_ index: Int, of scalar: UInt32, count: Int) -> UInt8 {
        if count == 1 { return UInt8(truncatingIfNeeded: scalar) }
        let bits = UInt8(truncatingIfNeeded: scalar &>> UInt32(6 * (count - 1 - index)))
        if index > 0 { return 0x80 | bits & 0x3F }
        return count == 2 ? 0xC0 | bits & 0x1F : count == 3 ? 0xE0 | bits & 0x0F : 0xF0 | bits & 0x07
    }
}
