/// Writing text that came from outside so that it stays on its line and cannot steer a terminal.

/// A text value longer than this many UTF-8 bytes is cut, and ends in an ellipsis.
let logTextBytesMax = 1024

extension Unicode.Scalar {
    /// Control characters, line separators, and the marks that turn the direction of text around.
    var isUnsafeInLog: Bool {
        switch value {
        case 0..<0x20, 0x7f..<0xa0: true
        case 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff: true
        default: false
        }
    }
}

/// `text`, or its beginning when it is longer than `logTextBytesMax`. Cuts between characters.
func shortened(_ text: String) -> String {
    guard text.utf8.count > logTextBytesMax else { return text }
    var kept = ""
    var byteCount = 0
    for scalar in text.unicodeScalars {
        byteCount += scalar.utf8.count
        if byteCount > logTextBytesMax { break }
        kept.unicodeScalars.append(scalar)
    }
    return kept + "…"
}

/// Appends `text` as a JSON string, quotes included. Control characters and marks of direction become `\u` escapes.
public func appendJSONString(_ text: String, to line: inout String) {
    line.append("\"")
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": line.append("\\\"")
        case "\\": line.append("\\\\")
        case "\n": line.append("\\n")
        case "\r": line.append("\\r")
        case "\t": line.append("\\t")
        case _ where scalar.isUnsafeInLog: appendEscape(scalar, to: &line)
        default: line.unicodeScalars.append(scalar)
        }
    }
    line.append("\"")
}

/// Appends `text` for people: as it is when that is unambiguous, else in quotes. Never more than one line.
func appendReadable(_ text: String, to line: inout String) {
    let isPlain =
        !text.isEmpty
        && text.unicodeScalars.allSatisfy { !$0.isUnsafeInLog && $0 != " " && $0 != "\"" && $0 != "=" && $0 != "\\" }
    if isPlain {
        line.append(text)
    } else {
        appendJSONString(text, to: &line)
    }
}

/// Appends `text` with what could leave the line escaped, and no quotes: for the event of a text line.
func appendVisible(_ text: String, to line: inout String) {
    for scalar in text.unicodeScalars {
        if scalar.isUnsafeInLog {
            appendEscape(scalar, to: &line)
        } else {
            line.unicodeScalars.append(scalar)
        }
    }
}

/// All scalars that are escaped lie below U+10000, so four digits hold each of them.
private func appendEscape(_ scalar: Unicode.Scalar, to line: inout String) {
    let digits = String(scalar.value, radix: 16)
    line.append("\\u")
    line.append(String(repeating: "0", count: max(0, 4 - digits.utf8.count)))
    line.append(digits)
}
