import Glibc

/// Seconds and nanoseconds since 1970, UTC.
public struct LogTime: Sendable, Equatable {
    let seconds: Int
    let nanoseconds: Int

    public init(seconds: Int, nanoseconds: Int) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// The wall clock now.
    public static func now() -> LogTime {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return LogTime(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
    }

    /// As RFC 3339 with milliseconds, in UTC: `2026-11-21T12:40:38.120Z`.
    var stamp: String {
        var moment = seconds
        var parts = unsafe tm()
        unsafe gmtime_r(&moment, &parts)
        let date = unsafe "\(Int(parts.tm_year) + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return unsafe "\(date)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(milliseconds)Z"
    }

    /// The time of the day only, UTC, for a person who watches.
    var timeOfDay: String {
        let day = ((seconds % 86_400) + 86_400) % 86_400
        return "\(two(Int32(day / 3_600))):\(two(Int32(day / 60 % 60))):\(two(Int32(day % 60))).\(milliseconds)"
    }

    private var milliseconds: String {
        let value = String(nanoseconds / 1_000_000)
        return String(repeating: "0", count: max(0, 3 - value.utf8.count)) + value
    }

    private func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
}

/// How a line is written, decided once for a logger.
enum LogForm {
    case json, text, colouredText
}

/// One event as one line.
struct LogLine {
    let time: LogTime
    let level: LogLevel
    let event: String
    let fields: LogFields

    /// The line in `form`. No line end.
    func written(_ form: LogForm) -> String {
        switch form {
        case .json: json()
        case .text: text(coloured: false)
        case .colouredText: text(coloured: true)
        }
    }

    /// `{"time":…,"level":…,"event":…,` and the fields`}`. No line end.
    func json() -> String {
        var line = "{\"time\":\"\(time.stamp)\",\"level\":\"\(level.rawValue)\",\"event\":"
        appendJSONString(shortened(event), to: &line)
        for (key, value) in fields.pairs {
            line.append(",")
            appendJSONString(key, to: &line)
            line.append(":")
            switch value {
            case .text(let text): appendJSONString(shortened(text), to: &line)
            case .integer(let number): line.append(String(number))
            case .unsigned(let number): line.append(String(number))
            case .number(let number): line.append(number.isFinite ? "\(number)" : "null")
            case .boolean(let flag): line.append(flag ? "true" : "false")
            }
        }
        line.append("}")
        return line
    }

    /// Time, level, event, then `key=value` pairs. No line end.
    func text(coloured: Bool) -> String {
        let word = level.rawValue + String(repeating: " ", count: levelWidth - level.rawValue.utf8.count)
        var line = coloured ? "\(Colour.dim)\(time.timeOfDay)\(Colour.plain) " : "\(time.stamp) "
        line.append(coloured ? "\(Colour.of(level))\(word)\(Colour.plain) " : "\(word) ")
        appendVisible(shortened(event), to: &line)
        for (key, value) in fields.pairs {
            line.append(coloured ? "  \(Colour.dim)\(key)=\(Colour.plain)" : "  \(key)=")
            switch value {
            case .text(let text): appendReadable(shortened(text), to: &line)
            case .integer(let number): line.append(String(number))
            case .unsigned(let number): line.append(String(number))
            case .number(let number): line.append("\(number)")
            case .boolean(let flag): line.append(flag ? "true" : "false")
            }
        }
        return line
    }
}

/// The longest level word, so that events stand below each other.
private let levelWidth = 7

private enum Colour {
    static let dim = "\u{1b}[2m"
    static let plain = "\u{1b}[0m"

    static func of(_ level: LogLevel) -> String {
        switch level {
        case .debug: "\u{1b}[36m"
        case .info: "\u{1b}[32m"
        case .warning: "\u{1b}[33m"
        case .error: "\u{1b}[31m"
        }
    }
}
