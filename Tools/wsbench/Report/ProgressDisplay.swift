import CBench
import CBenchReport
import Glibc

/// Where a run stands, for the live line.
public struct ProgressMoment: Equatable, Sendable {
    /// What is going on: `connecting`, `warming up`, `measuring`, …
    public var phase: String
    /// Seconds since the phase began and its length, where that is known.
    public var elapsedSeconds: Double
    public var totalSeconds: Double?
    /// Deliveries a second lately.
    public var deliveredPerSecond: Double?
    /// Connections that stand, and how many there are to be.
    public var connections: Int
    public var connectionsWanted: Int
    /// Latencies lately, in microseconds.
    public var p50, p99: Double?
    /// Everything that went wrong so far.
    public var errors: UInt64

    /// A moment of a phase.
    public init(
        phase: String, elapsedSeconds: Double, totalSeconds: Double?, deliveredPerSecond: Double?, connections: Int,
        connectionsWanted: Int, p50: Double?, p99: Double?, errors: UInt64
    ) {
        self.phase = phase
        self.elapsedSeconds = elapsedSeconds
        self.totalSeconds = totalSeconds
        self.deliveredPerSecond = deliveredPerSecond
        self.connections = connections
        self.connectionsWanted = connectionsWanted
        self.p50 = p50
        self.p99 = p99
        self.errors = errors
    }

    /// One line, the parts that matter most first, so that a narrow terminal cuts the others.
    public var line: String {
        var parts = [phase]
        let elapsed = Figure.fixed(elapsedSeconds, decimals: 0)
        if let totalSeconds { parts[0] += " \(elapsed)/\(Figure.fixed(totalSeconds, decimals: 0)) s" }
        if let deliveredPerSecond { parts.append("\(Figure.count(deliveredPerSecond))/s") }
        if let p50, let p99 {
            parts.append("p50 \(Figure.time(microseconds: p50)) p99 \(Figure.time(microseconds: p99))")
        }
        let open = Figure.count(Double(connections))
        let isAll = connections == connectionsWanted
        parts.append(
            isAll ? "\(open) connections" : "\(open) of \(Figure.count(Double(connectionsWanted))) connections")
        parts.append(errors == 0 ? "no errors" : "\(Figure.count(Double(errors))) errors")
        return parts.joined(separator: " · ")
    }
}

/// Shows progress on standard error: one line that is drawn over itself on a terminal, a plain line now and then
/// elsewhere.
public struct ProgressDisplay: Sendable {
    /// How progress is shown.
    public enum Style: String, CaseIterable, Sendable {
        /// `line` on a terminal, `plain` elsewhere.
        case auto
        /// One line, drawn over itself.
        case line
        /// A line now and then, for logs.
        case plain
        /// Nothing.
        case off
    }

    private let descriptor: Int32
    private let style: Style
    /// When something was shown last, and in which phase.
    private var writtenAt: UInt64
    private var writtenPhase = ""
    /// Whether something stands in the line that must be erased.
    private var isDrawn = false

    private static let lineEveryNanoseconds: UInt64 = 200_000_000
    private static let plainEveryNanoseconds: UInt64 = 5_000_000_000
    private static let start = "\r\u{1B}[2K"

    /// Decides how to show progress on a descriptor, usually standard error.
    public init(style: Style, descriptor: Int32 = 2) {
        self.descriptor = descriptor
        self.style = style == .auto ? (isatty(descriptor) == 1 ? .line : .plain) : style
        writtenAt = cbench_now()
    }

    /// Whether it is time to show something. On a terminal a new phase always is; in a log a short run leaves nothing.
    public func isDue(phase: String) -> Bool { isDue(phase: phase, now: cbench_now()) }

    private func isDue(phase: String, now: UInt64) -> Bool {
        switch style {
        case .off, .auto: false
        case .line: phase != writtenPhase || now >= writtenAt + Self.lineEveryNanoseconds
        case .plain: now >= writtenAt + Self.plainEveryNanoseconds
        }
    }

    /// Shows a moment, if it is time for it.
    public mutating func show(_ moment: ProgressMoment) { show(moment, now: cbench_now()) }

    mutating func show(_ moment: ProgressMoment, now: UInt64) {
        guard isDue(phase: moment.phase, now: now) else { return }
        writtenAt = now
        writtenPhase = moment.phase
        guard style == .line else { return write("wsbench: \(moment.line)\n") }
        let columns = Int(cbreport_columns(descriptor))
        // A line as wide as the terminal would wrap and could not be erased.
        write(Self.start + (columns > 1 ? String(moment.line.prefix(columns - 1)) : moment.line))
        isDrawn = true
    }

    /// Takes the line away, so that something else can be written.
    public mutating func clear() {
        if isDrawn { write(Self.start) }
        isDrawn = false
    }

    private func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in _ = unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count) }
    }
}
