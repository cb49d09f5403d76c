public import ArgumentParser
import FoundationEssentials
import Glibc
public import WSBenchCore

@main
struct WSBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wsbench",
        abstract: "Loads a WebSocket server, checks what it delivers, and says what that cost.",
        discussion: "Exits with 1 when a message was lost, doubled or reordered, or a connection failed.",
        subcommands: [FanOut.self, Echo.self, Idle.self])
}

/// What all commands have in common.
struct CommonOptions: ParsableArguments {
    @Option(help: "The server: ws://host[:port][/path].")
    var url = "ws://127.0.0.1:8080"

    @Option(help: "Subscribers, or echoing connections.")
    var connections = 1_000

    @Option(help: "Threads, each with a loop of its own.")
    var threads = 1

    @Option(name: .customLong("cpu"), help: "Processors to pin the threads to, in turn, such as 1 or 1,2,3.")
    var processors: String?

    @Flag(
        name: .customLong("busy-poll"),
        help: "Look for arrivals without ever sleeping, so that the server on this machine need not wake the readers.")
    var busyPolls = false

    @Option(
        name: .customLong("server-pid"), parsing: .upToNextOption,
        help: "Processes of the server, for its CPU time and memory.")
    var serverProcesses: [Int32] = []

    @Flag(help: "Print the result as JSON.")
    var json = false

    func plan(_ shape: BenchShape, _ dialect: Dialect) throws -> BenchPlan {
        let place = try splitURL(url, usualPath: dialect.usualPath)
        var plan = BenchPlan(shape: shape, dialect: dialect, host: place.host, port: place.port, path: place.path)
        plan.connections = connections
        plan.threads = threads
        plan.processors =
            try processors?.split(separator: ",").map { text in
                guard let number = Int32(text), number >= 0 else {
                    throw ValidationError("--cpu: \(text) is no processor")
                }
                return number
            } ?? []
        plan.busyPolls = busyPolls
        plan.serverProcesses = serverProcesses
        plan.showsProgress = isatty(2) == 1
        return plan
    }

    func carryOut(_ plan: BenchPlan) throws {
        var run = try BenchRun(plan: plan)
        let report = try run.run()
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            print(String(decoding: try encoder.encode(report), as: UTF8.self))
        } else {
            print(ReportTable.text(report))
        }
        if !report.isGood { throw ExitCode.failure }
    }
}

/// The options of commands that send messages.
struct LoadOptions: ParsableArguments {
    @Option(help: "Bytes of the text in each message.")
    var size = 64

    @Option(help: "Closed loop: messages in flight (per channel, or per echoing connection). The usual is 1.")
    var window: Int?

    @Option(help: "Open loop: messages a second; latency counts from the intended send time.")
    var rate: Double?

    @Option(help: "Seconds to measure.")
    var duration = 5.0

    @Option(help: "Seconds before that.")
    var warmup = 1.0

    func validate() throws {
        if window != nil, rate != nil { throw ValidationError("--window and --rate exclude each other.") }
        let secondsMax = 86_400.0
        guard (0...secondsMax).contains(duration), (0...secondsMax).contains(warmup) else {
            throw ValidationError("--duration and --warmup must be 0 to \(Int(secondsMax)) seconds.")
        }
    }

    func apply(to plan: inout BenchPlan) {
        plan.textBytes = size
        plan.pace = rate.map { .rate($0) } ?? .window(window ?? 1)
        plan.durationNanoseconds = UInt64(duration * 1e9)
        plan.warmupNanoseconds = UInt64(warmup * 1e9)
    }
}

extension Dialect: ExpressibleByArgument {}

struct FanOut: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fanout", abstract: "One publisher, many subscribers of a channel.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var load: LoadOptions

    @Option(name: .customLong("protocol"), help: "json, uws (the same, for the peers) or pusher.")
    var dialect = Dialect.json

    @Option(help: "Channels; subscribers are dealt out to them in turn, and each has a window or a share of the rate.")
    var channels = 1

    @Flag(help: "Send a window whole when all of the last one is complete, instead of a message as each completes.")
    var burst = false

    func run() throws {
        var plan = try common.plan(.fanout, dialect)
        plan.sendsBursts = burst
        load.apply(to: &plan)
        plan.channels = channels
        try common.carryOut(plan)
    }
}

struct Echo: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo", abstract: "Every connection sends messages and gets its own back.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var load: LoadOptions

    func run() throws {
        var plan = try common.plan(.echo, .raw)
        load.apply(to: &plan)
        try common.carryOut(plan)
    }
}

struct Idle: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle", abstract: "What does a subscribed connection that does nothing cost in memory?")

    @OptionGroup var common: CommonOptions

    @Option(name: .customLong("protocol"), help: "json, uws (the same, for the peers) or pusher.")
    var dialect = Dialect.json

    @Option(help: "Seconds between the last subscription and the measurement.")
    var settle = 2.0

    func validate() throws {
        guard (0...3_600).contains(settle) else { throw ValidationError("--settle must be 0 to 3600 seconds.") }
    }

    func run() throws {
        var plan = try common.plan(.idle, dialect)
        plan.warmupNanoseconds = UInt64(settle * 1e9)
        try common.carryOut(plan)
    }
}
