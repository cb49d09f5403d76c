import Glibc

/// Writes events as lines to a sink. A value to pass around; copies share the sink and the sampling.
///
/// Not for the path of a message: counters speak there, lines are for starting, stopping, refusing and failing.
public struct Logger: Sendable {
    /// Lines below this level are not built.
    public let level: LogLevel
    private let form: LogForm
    private let sink: LogSink
    private let sampler = LogSampler()

    /// - Parameter format: `auto` writes text when `terminal` is true and JSON otherwise.
    /// - Parameter terminal: whether a person reads the sink; decides `auto` and the colours.
    public init(level: LogLevel, format: LogFormat, sink: LogSink, terminal: Bool) {
        self.level = level
        self.sink = sink
        form = Self.form(format, terminal: terminal, coloured: terminal)
    }

    private init(level: LogLevel, form: LogForm, sink: LogSink) {
        self.level = level
        self.form = form
        self.sink = sink
    }

    /// A logger to standard error, with a sink of its own. No colours when `NO_COLOR` is set.
    /// - Throws: `LogSinkError` when the system gives no thread.
    public static func standardError(level: LogLevel, format: LogFormat) throws(LogSinkError) -> Logger {
        let isTerminal = isatty(STDERR_FILENO) == 1
        let form = unsafe Self.form(format, terminal: isTerminal, coloured: isTerminal && getenv("NO_COLOR") == nil)
        let sink = try LogSink(descriptor: STDERR_FILENO) { count in
            LogLine(time: .now(), level: .warning, event: "log lines dropped", fields: ["count": LogValue(count)])
                .written(form)
        }
        return Logger(level: level, form: form, sink: sink)
    }

    private static func form(_ format: LogFormat, terminal: Bool, coloured: Bool) -> LogForm {
        switch format {
        case .json: .json
        case .text: coloured ? .colouredText : .text
        case .auto: terminal ? (coloured ? .colouredText : .text) : .json
        }
    }

    /// Lines dropped because the target did not take them.
    public var droppedCount: UInt64 { sink.droppedCount }

    /// Waits for the target to take everything, but no longer than `milliseconds`. For the end of the process.
    @discardableResult
    public func flush(withinMilliseconds milliseconds: Int) -> Bool {
        sink.flush(withinMilliseconds: milliseconds)
    }

    /// Writes one event. `event` says what happened in a few constant words; what varies goes into `fields`.
    public func log(
        _ level: LogLevel, _ event: String, _ fields: @autoclosure () -> LogFields = [:]
    ) {
        guard level >= self.level else { return }
        sink.put(LogLine(time: .now(), level: level, event: event, fields: fields()).written(form))
    }

    public func debug(_ event: String, _ fields: @autoclosure () -> LogFields = [:]) {
        log(.debug, event, fields())
    }

    public func info(_ event: String, _ fields: @autoclosure () -> LogFields = [:]) {
        log(.info, event, fields())
    }

    public func warning(_ event: String, _ fields: @autoclosure () -> LogFields = [:]) {
        log(.warning, event, fields())
    }

    public func error(_ event: String, _ fields: @autoclosure () -> LogFields = [:]) {
        log(.error, event, fields())
    }

    /// For events that a peer can cause at will: the first of a `reason` is written at once, then at most one a
    /// second, which tells how many were left out.
    /// - Parameter reason: a constant from a closed set, such as the name of a close reason.
    public func sampled(
        _ level: LogLevel, reason: String, _ event: String,
        _ fields: @autoclosure () -> LogFields = [:]
    ) {
        guard level >= self.level else { return }
        var now = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        let nanoseconds = UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
        guard let suppressed = sampler.admit(reason, atNanoseconds: nanoseconds) else { return }
        var told = fields()
        told.append("reason", .text(reason))
        if suppressed > 0 { told.append("left_out", LogValue(suppressed)) }
        log(level, event, told)
    }
}
