import ClarionBytes
import ClarionEngine
import ClarionWire

/// Publishing by HTTP: a form with `channel` and `message`, and a shared secret in a header field.
enum RealtimeBroadcast {
    /// Whether `X-Broadcast-Secret` opens the door. Without a configured secret only the explicit setting does.
    static func isAuthorized(_ given: ByteView?, _ configuration: RealtimeConfiguration) -> Bool {
        guard let secret = configuration.broadcastSecret, !secret.isEmpty else {
            return configuration.allowUnauthenticatedBroadcast
        }
        guard let given else { return false }
        var expected = ByteBuffer()
        expected.append(secret)
        return isEqual(given, expected.view)
    }

    /// In a time that depends on the lengths only.
    static func isEqual(_ left: ByteView, _ right: ByteView) -> Bool {
        if left.count != right.count { return false }
        var difference: UInt8 = 0
        var index = 0
        while index < left.count {
            difference |= left[index] ^ right[index]
            index += 1
        }
        return difference == 0
    }

    /// Where a form's two fields lie in a buffer.
    struct Fields {
        var channel: Range<Int>?
        var message: Range<Int>?
    }

    /// Why a form cannot be read.
    enum FormFault: Equatable {
        case malformed
        case notUTF8
    }

    /// Notes where `channel` and `message` of a form come to lie in `buffer`, decoded. Fields that are there already
    /// stay: the first one counts. Nil, or the fault.
    static func read(_ form: ByteView, into fields: inout Fields, _ buffer: inout ByteBuffer) -> FormFault? {
        var query = Query(form)
        while let parameter = query.next() {
            let isChannel = parameter.name == "channel"
            if !isChannel && parameter.name != "message" { continue }
            let start = buffer.count
            if !appendDecoded(parameter.value, to: &buffer) { return .malformed }
            let value = buffer.view.slice(from: start)
            if unsafe !UTF8Stream.isValid(value.base, count: value.count) { return .notUTF8 }
            if isChannel {
                if fields.channel == nil { fields.channel = start..<buffer.count }
            } else if fields.message == nil {
                fields.message = start..<buffer.count
            }
        }
        return query.hasTooMany ? .malformed : nil
    }

    /// Decodes a form's value. Unlike a path or a query string it may hold any byte: PHP strings are binary safe.
    /// False when a "%" is not followed by two hexadecimal digits.
    private static func appendDecoded(_ text: ByteView, to buffer: inout ByteBuffer) -> Bool {
        var index = 0
        while index < text.count {
            let byte = text[index]
            index += 1
            if byte != 0x25 {
                buffer.append(byte == 0x2B ? 0x20 : byte)
                continue
            }
            guard text.count - index >= 2, let high = Hex.value(text[index]), let low = Hex.value(text[index + 1])
            else { return false }
            buffer.append(high << 4 | low)
            index += 2
        }
        return true
    }

    /// Whether a body of this Content-Type is a form; others are not looked into, as in the reference.
    static func isForm(_ contentType: ByteView?) -> Bool {
        guard let contentType else { return false }
        let length = contentType.firstIndex(of: 0x3B) ?? contentType.count
        var end = length
        while end > 0 && (contentType[end - 1] == 0x20 || contentType[end - 1] == 0x09) { end -= 1 }
        return contentType.slice(from: 0, count: end).equalsIgnoringCase("application/x-www-form-urlencoded")
    }
}
