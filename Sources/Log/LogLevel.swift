/// How much a line matters. A logger passes on its own level and everything above it.
public enum LogLevel: String, Sendable, CaseIterable, Comparable {
    /// For people who work on the node: steps of starting, stopping and connecting.
    case debug
    /// What an operator wants to see once: started, listening, stopped, reloaded.
    case info
    /// Something was refused, dropped or degraded, and the node goes on.
    case warning
    /// Something the node needed did not work.
    case error

    private var rank: Int {
        switch self {
        case .debug: 0
        case .info: 1
        case .warning: 2
        case .error: 3
        }
    }

    public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rank < right.rank }
}

/// The shape of a log line.
public enum LogFormat: String, Sendable, CaseIterable {
    /// Text on a terminal, JSON otherwise.
    case auto
    /// One line of words, with colours on a terminal (none when `NO_COLOR` is set).
    case text
    /// One JSON object a line.
    case json
}
