public import ClarionBytes

/// What kind of value a JSON text is.
@frozen
public enum JSONKind: UInt8, Sendable {
    case object
    case array
    case string
    case number
    case `true`
    case `false`
    case null
}

/// A value of a text that `JSON.parse` accepted; read lazily, see JSONValue.swift and JSONString.swift.
///
/// Invariant: `raw` is one valid JSON value without white space around it.
@frozen
public struct JSONValue {
    public let kind: JSONKind
    /// The source text of the whole value, with the quotation marks of a string. Valid as long as the parsed text is.
    public let raw: ByteView

    @usableFromInline
    init(kind: JSONKind, raw: ByteView) {
        self.kind = kind
        self.raw = raw
    }
}

/// Why a text was not accepted.
@frozen
public enum JSONFailure: UInt8, Error, Sendable {
    /// Not JSON (RFC 8259), or a number with more than `JSON.numberDigitsMax` digits.
    case malformed
    /// More containers inside each other than allowed.
    case tooDeep
}

@frozen
public enum JSONParseResult {
    case value(JSONValue)
    case failure(JSONFailure)
}

/// JSON texts, strictly as RFC 8259 has them: one value, nothing behind it, no byte order mark, no comments.
///
/// Bytes of 0x80 and above are accepted inside strings as they are: whoever hands text in has validated its UTF-8.
/// Escaped lone surrogates are accepted here (the grammar allows them) and refused when the string is read.
public enum JSON {
    /// Containers inside each other when the caller does not say otherwise.
    public static let depthMaxDefault = 32
    /// The most any caller may ask for: one bit of a word for each open container.
    public static let depthLimit = 64
    /// Digits of one number, exponent included: no reader keeps more (RFC 8259 section 6 leaves the limit to us).
    public static let numberDigitsMax = 32

    /// The value of `text`, or nil when it is not accepted.
    public static func parse(_ text: ByteView, depthMax: Int = JSON.depthMaxDefault) -> JSONValue? {
        switch parseResult(text, depthMax: depthMax) {
        case .value(let value): return value
        case .failure: return nil
        }
    }

    /// Validates `text` in one pass, without recursion and without allocation.
    ///
    /// - Parameter depthMax: containers that may be open at once; 0 accepts only scalars; above `depthLimit` counts as
    ///   that.
    public static func parseResult(_ text: ByteView, depthMax: Int = JSON.depthMaxDefault) -> JSONParseResult {
        var validator = unsafe JSONValidator(bytes: text.base, count: text.count, depthMax: min(depthMax, depthLimit))
        if let failure = validator.run() { return .failure(failure) }
        let value = text.slice(from: validator.valueStart, count: validator.valueEnd - validator.valueStart)
        return .value(JSONValue(kind: kind(startingWith: value[0]), raw: value))
    }

    /// Where `text` stops being JSON: the index of the first byte that does not fit, for messages to people. Nil for a
    /// text that is accepted.
    public static func faultOffset(_ text: ByteView) -> Int? {
        var validator = unsafe JSONValidator(bytes: text.base, count: text.count, depthMax: depthMaxDefault)
        return validator.run() == nil ? nil : min(validator.position, text.count)
    }

    /// The kind of a valid value, told by its first byte.
    static func kind(startingWith byte: UInt8) -> JSONKind {
        switch byte {
        case 0x7B: return .object
        case 0x5B: return .array
        case 0x22: return .string
        case 0x74: return .true
        case 0x66: return .false
        case 0x6E: return .null
        default: return .number
        }
    }
}
