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
            let runCount = stop - position
            // Room for the run and the escape behind it at once: one growth check for both.
            let target = unsafe buffer.reserve(runCount + escapeCountMax)
            unsafe memmoveBytes(to: target, from: text.base + position, count: runCount)
            var written = runCount
            if stop < text.count { written += unsafe writeEscape(text[stop], to: target + runCount) }
            buffer.advance(by: written)
            position = stop + 1
        }
    }

    /// The longest escape: `\u00XX`.
    private static let escapeCountMax = 6

    /// Writes the escape of `byte`, at most `escapeCountMax` bytes, and returns how many.
    private static func writeEscape(_ byte: UInt8, to target: UnsafeMutablePointer<UInt8>) -> Int {
        unsafe target[0] = 0x5C
        switch byte {
        case 0x08: unsafe target[1] = 0x62
        case 0x09: unsafe target[1] = 0x74
        case 0x0A: unsafe target[1] = 0x6E
        case 0x0C: unsafe target[1] = 0x66
        case 0x0D: unsafe target[1] = 0x72
        case 0x22, 0x5C: unsafe target[1] = byte
        default:
            unsafe target[1] = 0x75
            unsafe target[2] = 0x30
            unsafe target[3] = 0x30
            unsafe target[4] = Hex.digit(byte >> 4)
            unsafe target[5] = Hex.digit(byte & 0xF)
            return escapeCountMax
        }
        return 2
    }
}
