public import ClarionBytes

/// The small grammar rules of HTTP (RFC 9110 section 5.6, RFC 9112, RFC 3986).
enum HTTPSyntax {
    /// Content lengths of more digits are refused: 18 fit an Int whatever they are.
    static let lengthDigitsMax = 18

    /// One or more token characters (RFC 9110 section 5.6.2).
    static func isToken(_ text: ByteView) -> Bool {
        if text.isEmpty { return false }
        var index = 0
        while index < text.count {
            if !isTokenByte(text[index]) { return false }
            index += 1
        }
        return true
    }

    /// Letters, digits, and ! # $ % & ' * + - . ^ _ ` | ~
    @inline(always)
    static func isTokenByte(_ byte: UInt8) -> Bool { tokenBytes.contains(byte) }

    /// Visible ASCII without "#": a fragment has no place in a request target.
    static func isTarget(_ text: ByteView) -> Bool {
        var index = 0
        while index < text.count {
            let byte = text[index]
            if byte <= 0x20 || byte >= 0x7F || byte == 0x23 { return false }
            index += 1
        }
        return true
    }

    /// What may stand in a host with a port: letters, digits, - . _ ~ % ! $ & ' ( ) * + ; = : [ ]; not empty.
    static func isHost(_ text: ByteView) -> Bool {
        if text.isEmpty { return false }
        var index = 0
        while index < text.count {
            if !hostBytes.contains(text[index]) { return false }
            index += 1
        }
        return true
    }

    /// Without spaces and tabs at both ends.
    static func trimmed(_ text: ByteView) -> ByteView {
        var start = 0
        var end = text.count
        while start < end && isBlank(text[start]) { start += 1 }
        while end > start && isBlank(text[end - 1]) { end -= 1 }
        return text.slice(from: start, count: end - start)
    }

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    static func digit(_ byte: UInt8) -> Int? { byte >= 0x30 && byte <= 0x39 ? Int(byte - 0x30) : nil }

    /// Digits only, at most 18 of them.
    static func length(_ text: ByteView) -> Int? {
        if text.isEmpty || text.count > lengthDigitsMax { return nil }
        var value = 0
        var index = 0
        while index < text.count {
            guard let digit = digit(text[index]) else { return nil }
            value = value * 10 + digit
            index += 1
        }
        return value
    }

    private static let tokenBytes = ASCIISet(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
    private static let hostBytes = ASCIISet(low: 0x2FFF_6FF2_0000_0000, high: 0x47FF_FFFE_AFFF_FFFE)
}

/// A set of ASCII characters, as one bit for each of 0 ... 63 and 64 ... 127. Written as constants: built at run time,
/// each use would first ask whether that was done.
struct ASCIISet: Sendable {
    let low: UInt64
    let high: UInt64

    @inline(always)
    func contains(_ byte: UInt8) -> Bool {
        if byte >= 128 { return false }
        return (byte < 64 ? low : high) &>> UInt64(byte & 63) & 1 != 0
    }
}

/// Walks the elements of a comma-separated list (RFC 9110 section 5.6.1): trimmed, empty ones skipped. Linear.
public struct HTTPTokens {
    private let list: ByteView
    private var position = 0

    public init(_ list: ByteView) { self.list = list }

    public mutating func next() -> ByteView? {
        while position < list.count {
            let end = unsafe ByteScan.first(0x2C, in: list.base, from: position, to: list.count)
            let element = HTTPSyntax.trimmed(list.slice(from: position, count: end - position))
            position = end + 1
            if !element.isEmpty { return element }
        }
        return nil
    }

    /// Whether an element of `list` is `lowercase`, without regard to case.
    public static func contains(_ lowercase: StaticString, in list: ByteView) -> Bool {
        var tokens = HTTPTokens(list)
        while let token = tokens.next() {
            if token.equalsIgnoringCase(lowercase) { return true }
        }
        return false
    }
}
