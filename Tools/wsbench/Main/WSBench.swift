public import ArgumentParser
import Glibc
public import WSBenchCore

@main
struct WSBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wsbench",
        abstract: "Loads a WebSocket server, checks what it delivers, and says what that cost.",
        discussion: """
            Every command checks for each subscriber that it gets every message once and in order. The exit status \
            is 0 when the server did right, 1 when a message was lost, doubled or reordered or a connection failed, \
            2 when the run could not be carried out, 3 when the numbers are wsbench's own rather than the server's, \
            and 64 when the options make no sense. docs/WSBENCH.md says what the numbers mean.
            """,
        subcommands: [
            FanOut.self, Rooms.self, Echo.self, Publish.self, Churn.self, Presence.self, Storm.self, Slow.self,
            Idle.self, Mix.self, Compare.self, Report.self,
        ])
}

/// What the exit status says.
enum Status {
    static let faults = ExitCode(1)
    static let impossible = ExitCode(2)
    static let refused = ExitCode(3)
}

extension Dialect: ExpressibleByArgument {}
extension ChannelKind: ExpressibleByArgument {}
extension LatencyBound: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
    public var defaultValueDescription: String {
        "p\(percentile == percentile.rounded() ? "\(Int(percentile))" : "\(percentile)")=\(nanoseconds / 1_000_000)ms"
    }
}

/// Seconds as an option gives them.
func nanoseconds(_ seconds: Double, _ option: String) throws -> UInt64 {
    let secondsMax = 86_400.0
    guard (0...secondsMax).contains(seconds) else {
        throw ValidationError("\(option) must be 0 to \(Int(secondsMax)) seconds.")
    }
    return UInt64(seconds * 1e9)
}
