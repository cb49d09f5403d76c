/// A value on its way into a setting or out of it, before and after it has a type.
public enum SettingValue: Sendable, Equatable {
    case text(String)
    case integer(Int)
    case boolean(Bool)
    case list([String])
    /// Not set, where a setting may be that.
    case nothing
    /// A secret on its way out; in is text.
    case masked

    /// For tables and error texts. A value that came in is shown as its author wrote it, as far as it can be.
    public var shown: String {
        switch self {
        case .text(let text): text
        case .integer(let number): String(number)
        case .boolean(let flag): flag ? "true" : "false"
        case .list(let items): items.joined(separator: ", ")
        case .nothing: "none"
        case .masked: Secret.mask
        }
    }

    /// The words of a list: the items of a list, or what stands between commas and white space in a text.
    var words: [String]? {
        switch self {
        case .list(let items): items
        case .text(let text):
            text.split(whereSeparator: { $0 == "," || $0.isWhitespace }).map(String.init)
        default: nil
        }
    }
}

/// How a setting of type `Value` is read and shown, and what it may be in words.
struct SettingCodec<Value: Sendable>: Sendable {
    /// Completes the sentence "allowed is …".
    let allowed: String
    let decode: @Sendable (SettingValue) -> Value?
    let encode: @Sendable (Value) -> SettingValue
    var isSecret = false
    var isBoolean = false
}

extension SettingCodec where Value == Int {
    /// A whole number in `range`.
    static func integer(_ range: ClosedRange<Int>) -> SettingCodec {
        SettingCodec(
            allowed: words(for: range), decode: { wholeNumber($0).flatMap { range.contains($0) ? $0 : nil } },
            encode: { .integer($0) })
    }

    /// A number of bytes in `range`; text may end in KiB or MiB.
    static func bytes(_ range: ClosedRange<Int>) -> SettingCodec {
        SettingCodec(
            allowed: words(for: range) + "; KiB and MiB are understood",
            decode: { byteCount($0).flatMap { range.contains($0) ? $0 : nil } }, encode: { .integer($0) })
    }

    private static func words(for range: ClosedRange<Int>) -> String {
        range.upperBound == Int.max
            ? "a whole number from \(range.lowerBound)"
            : "a whole number from \(range.lowerBound) to \(range.upperBound)"
    }
}

extension SettingCodec where Value == Int? {
    /// A whole number in `range`, or `none`.
    static func optionalInteger(_ range: ClosedRange<Int>) -> SettingCodec {
        SettingCodec(
            allowed: "a whole number from \(range.lowerBound), or none",
            decode: { value -> Int?? in
                if isNothing(value) { return .some(nil) }
                guard let number = wholeNumber(value), range.contains(number) else { return nil }
                return number
            },
            encode: { $0.map { .integer($0) } ?? .nothing })
    }
}

extension SettingCodec where Value == Bool {
    static var boolean: SettingCodec {
        SettingCodec(
            allowed: "true or false (also 1 and 0, yes and no, on and off)",
            decode: { value in
                switch value {
                case .boolean(let flag): flag
                case .integer(1): true
                case .integer(0): false
                case .text(let text):
                    switch text.lowercased() {
                    case "true", "1", "yes", "on", "(true)": true
                    case "false", "0", "no", "off", "(false)": false
                    default: nil
                    }
                default: nil
                }
            },
            encode: { .boolean($0) }, isBoolean: true)
    }
}

extension SettingCodec where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the cases of an enum, by its name.
    static var choice: SettingCodec {
        let names = Value.allCases.map(\.rawValue)
        return SettingCodec(
            allowed: names.dropLast().joined(separator: ", ") + " or " + (names.last ?? ""),
            decode: { value in
                guard case .text(let text) = value else { return nil }
                return Value(rawValue: text.lowercased())
            },
            encode: { .text($0.rawValue) })
    }
}

extension SettingCodec where Value == String {
    /// A text that `accepts` takes.
    static func text(_ allowed: String, where accepts: @escaping @Sendable (String) -> Bool) -> SettingCodec {
        SettingCodec(
            allowed: allowed,
            decode: { value in
                switch value {
                case .text(let text): accepts(text) ? text : nil
                case .integer(let number): accepts(String(number)) ? String(number) : nil
                default: nil
                }
            },
            encode: { .text($0) })
    }

    /// A prefix of paths: slashes at its end are dropped, one at its beginning is added.
    static var pathPrefix: SettingCodec {
        SettingCodec(
            allowed: "empty, or parts of A-Z a-z 0-9 . _ ~ - separated by single slashes",
            decode: { value in
                guard case .text(var text) = value else { return nil }
                while text.hasSuffix("/") { text.removeLast() }
                if text.isEmpty { return "" }
                if !text.hasPrefix("/") { text = "/" + text }
                let isClean = text.utf8.allSatisfy { isPathByte($0) } && !text.contains("//")
                let isUp = text.split(separator: "/").contains { $0 == "." || $0 == ".." }
                return isClean && !isUp ? text : nil
            },
            encode: { .text($0) })
    }
}

extension SettingCodec where Value == Secret {
    static var secret: SettingCodec {
        SettingCodec(
            allowed: "a text that is not empty",
            decode: { decodeSecret($0) }, encode: { $0.revealed.isEmpty ? .nothing : .masked }, isSecret: true)
    }
}

extension SettingCodec where Value == Secret? {
    static var optionalSecret: SettingCodec {
        SettingCodec(
            allowed: "a text that is not empty",
            decode: { decodeSecret($0).map { .some($0) } }, encode: { $0 == nil ? .nothing : .masked }, isSecret: true)
    }
}

extension SettingCodec where Value == Secret? {
    /// The address of a store of applications.
    static var storeAddress: SettingCodec {
        SettingCodec(
            allowed: "sqlite:PATH, postgresql://USER:PASSWORD@HOST/DATABASE or redis://:PASSWORD@HOST/NUMBER",
            decode: { value in
                guard case .text(let text) = value else { return nil }
                let schemes = ["sqlite:", "postgresql://", "postgres://", "redis://"]
                guard let scheme = schemes.first(where: { text.hasPrefix($0) }), text.count > scheme.count else {
                    return nil
                }
                return .some(Secret(text))
            },
            encode: { $0 == nil ? .nothing : .masked }, isSecret: true)
    }
}

extension SettingCodec {
    /// A list of the names of an enum's cases.
    static func choices<Item: RawRepresentable & CaseIterable & Sendable>() -> SettingCodec
    where Value == [Item], Item.RawValue == String {
        SettingCodec(
            allowed: "any of " + Item.allCases.map(\.rawValue).joined(separator: ", "),
            decode: { value in
                guard let words = value.words else { return nil }
                let items = words.compactMap { Item(rawValue: $0.lowercased()) }
                return items.count == words.count ? items : nil
            },
            encode: { .list($0.map(\.rawValue)) })
    }
}

extension SettingCodec where Value == [String] {
    /// A list of words; in a text they stand between commas or spaces.
    static func list(_ allowed: String, where accepts: @escaping @Sendable (String) -> Bool) -> SettingCodec {
        SettingCodec(
            allowed: allowed,
            decode: { value in value.words.flatMap { $0.allSatisfy(accepts) ? $0 : nil } }, encode: { .list($0) })
    }
}

private func wholeNumber(_ value: SettingValue) -> Int? {
    switch value {
    case .integer(let number): number
    case .text(let text): Int(text)
    default: nil
    }
}

private func byteCount(_ value: SettingValue) -> Int? {
    guard case .text(let text) = value else { return wholeNumber(value) }
    for (suffix, factor) in [("KiB", 1 << 10), ("MiB", 1 << 20)] where text.hasSuffix(suffix) {
        guard let number = Int(text.dropLast(suffix.count).filter { $0 != " " }) else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : bytes
    }
    return Int(text)
}

private func isNothing(_ value: SettingValue) -> Bool {
    switch value {
    case .nothing: true
    case .text(let text): ["none", "null", "(null)"].contains(text.lowercased())
    default: false
    }
}

private func decodeSecret(_ value: SettingValue) -> Secret? {
    guard case .text(let text) = value, !text.isEmpty else { return nil }
    return Secret(text)
}

/// Unreserved characters of a URI, and the slash.
private func isPathByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    case UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "-"): true
    default: false
    }
}
