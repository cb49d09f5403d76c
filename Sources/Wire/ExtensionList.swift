import ClarionBytes

/// One parameter of an extension.
struct ExtensionParameter {
    /// A token, as sent: compared exactly.
    var name: ByteView
    /// What stands behind its "=", without quotes around it; nil without "=".
    var value: ByteView?
    /// The value stood in quotes, so that a backslash in it is an escape.
    var isQuoted = false

    /// The value as a decimal number without leading zeros, of at most two digits; nil for anything else.
    var number: Int? {
        guard let value else { return nil }
        var number = 0
        var digitCount = 0
        var index = 0
        while index < value.count {
            if isQuoted && value[index] == 0x5C { index += 1 }
            guard index < value.count, let digit = HTTPSyntax.digit(value[index]) else { return nil }
            if digitCount == ExtensionParameter.digitsMax || (digitCount == 1 && number == 0) { return nil }
            number = number * 10 + digit
            digitCount += 1
            index += 1
        }
        return digitCount > 0 ? number : nil
    }

    private static let digitsMax = 2
}

/// Walks the value of a Sec-WebSocket-Extensions field (RFC 6455 section 9.1): extensions between commas, each with
/// parameters between semicolons. Linear; keeps nothing but a position.
///
/// Use: `next()`, then `nextParameter()` until nil, then `next()` again. Whoever got nil asks `isMalformed`.
struct ExtensionList {
    private let text: ByteView
    private var position = 0
    /// The text does not follow the grammar; nothing more comes out.
    private(set) var isMalformed = false

    init(_ text: ByteView) { self.text = text }

    /// The name of the next extension; nil at the end, or when the text is malformed.
    mutating func next() -> ByteView? {
        while !isMalformed && position < text.count
            && (HTTPSyntax.isBlank(text[position]) || text[position] == ExtensionList.comma)
        {
            position += 1
        }
        if isMalformed || position == text.count { return nil }
        guard let name = takeToken() else { return nil }
        expectEnd()
        return isMalformed ? nil : name
    }

    /// The next parameter of the extension at hand; nil behind the last, or when the text is malformed.
    mutating func nextParameter() -> ExtensionParameter? {
        if isMalformed || position == text.count || text[position] != ExtensionList.semicolon { return nil }
        position += 1
        skipBlanks()
        guard let name = takeToken() else { return nil }
        var parameter = ExtensionParameter(name: name)
        skipBlanks()
        if position < text.count && text[position] == ExtensionList.equals {
            position += 1
            skipBlanks()
            if position < text.count && text[position] == ExtensionList.quote {
                parameter.isQuoted = true
                parameter.value = takeQuoted()
            } else {
                parameter.value = takeToken()
            }
        }
        expectEnd()
        return isMalformed ? nil : parameter
    }

    private mutating func skipBlanks() {
        while position < text.count && HTTPSyntax.isBlank(text[position]) { position += 1 }
    }

    /// What comes next must be the end, a comma or a semicolon.
    private mutating func expectEnd() {
        skipBlanks()
        if position == text.count { return }
        if text[position] != ExtensionList.comma && text[position] != ExtensionList.semicolon { isMalformed = true }
    }

    private mutating func takeToken() -> ByteView? {
        let start = position
        while position < text.count && HTTPSyntax.isTokenByte(text[position]) { position += 1 }
        if position == start {
            isMalformed = true
            return nil
        }
        return text.slice(from: start, count: position - start)
    }

    /// What stands between quotes; without its escapes it must be a token.
    private mutating func takeQuoted() -> ByteView? {
        position += 1
        let start = position
        while position < text.count && text[position] != ExtensionList.quote {
            if text[position] == ExtensionList.backslash { position += 1 }
            if position == text.count || !HTTPSyntax.isTokenByte(text[position]) {
                isMalformed = true
                return nil
            }
            position += 1
        }
        if position == text.count || position == start {
            isMalformed = true
            return nil
        }
        position += 1
        return text.slice(from: start, count: position - 1 - start)
    }

    private static let comma: UInt8 = 0x2C
    private static let semicolon: UInt8 = 0x3B
    private static let equals: UInt8 = 0x3D
    private static let quote: UInt8 = 0x22
    private static let backslash: UInt8 = 0x5C
}
