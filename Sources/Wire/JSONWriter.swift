public import ClarionBytes

/// Writes JSON strings (RFC 8259 section 7). Escapes what must be escaped and nothing else.
public enum JSONWriter {
    /// Appends `text` (UTF-8) as a string, with its quotation marks.
    public static func append(string text: ByteView, to buffer: inout ByteBuffer) {
        buffer.append(0x22)
        appendEscaped(text, to: &buffer)
        buffer.append(0x22)
    }

    /// Appends `text` as a string, with its quotation marks.
    public static func append(string text: StaticString, to buffer: inout ByteBuffer) {
        append(string: ByteView(text), to: &buffer)
    }

    /// Appends a JSON text as a string that holds it, as the Pusher protocol wraps `data`: `{"a":1}` becomes
    /// `"{\"a\":1}"`.
    public static func append(stringified json: ByteView, to buffer: inout ByteBuffer) {
        append(string: json, to: &buffer)
    }

    /// Appends `text` (UTF-8) escaped, without quotation marks: for strings that are put together from parts.
    public static func appendEscaped(_ text: ByteView, to buffer: inout ByteBuffer) {
        var position = 0
        while position < text.count {
            let stop = unsafe ByteScan.jsonStringStop(text.base, from: position, to: text.count)
            unsafe buffer.append(text.base + position, count: stop - position)
            if stop < text.count { appendEscape(text[stop], to: &buffer) }
            position = stop + 1
        }
    }

    private static func appendEscape(_ byte: UInt8, to buffer: inout ByteBuffer) {
        buffer.append(0x5C)
        switch byte {
        case 0x08: buffer.append(0x62)
        case 0x09: buffer.append(0x74)
        case 0x0A: buffer.append(0x6E)
        case 0x0C: buffer.append(0x66)
        case 0x0D: buffer.append(0x72)
        case 0x22, 0x5C: buffer.append(byte)
        default:
            buffer.append("u00")
            buffer.append(Hex.digit(byte >> 4))
            buffer.append(Hex.digit(byte & 0xF))
        }
    }
}
