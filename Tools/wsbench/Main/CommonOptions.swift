import ArgumentParser
import WSBenchCore

/// What all commands have in common but the scenario file.
struct CommonOptions: ParsableArguments {
    @Option(help: "The server: ws://host[:port][/path], or wss:// for TLS.")
    var url = "ws://127.0.0.1:8080"

    @Option(help: "TLS: a PEM file of issuers to trust; without it whoever answers is trusted.")
    var ca: String?

    @Option(help: "What subscribers offer: on for permessage-deflate, or the whole text with its parameters.")
    var deflate: String?

    @Option(help: "TLS: percent of the connections that resume a session of an earlier one.")
    var resume = 0.0

    @Option(help: "Subscribers, or echoing connections.")
    var connections: Int?

    @Option(help: "Threads of each process, each with a loop of its own.")
    var threads = 1

    @Option(help: "Processes that share the connections; 0 takes as many as ulimit -n asks for.")
    var processes = 0

    @Option(name: .customLong("cpu"), help: "Processors to pin the threads to, in turn, such as 1 or 1,2,3.")
    var processors: String?

    @Flag(
        name: .customLong("busy-poll"),
        help: "Look for arrivals without ever sleeping, so that the server on this machine need not wake the readers.")
    var busyPolls = false

    @Option(name: .customLong("connect-rate"), help: "Connections opened a second; 0 opens them as fast as possible.")
    var connectRate = 0.0

    @Option(help: "How far each opening is moved at random: a share of the time between two, 0 to 1.")
    var jitter = 0.0

    @Option(name: .customLong("connects-in-flight"), help: "Connections that wait for the handshake at the same time.")
    var connectsInFlight = 128

    @Option(help: "Decides everything that is left to chance.")
    var seed: UInt64 = 1

    @Option(help: "Milliseconds after which a delivery counts as late.")
    var late = 1_000.0

    @Option(name: .customLong("app-id"), help: "Pusher protocol: the application's id.")
    var appID = "app-id"

    @Option(name: .customLong("app-key"), help: "Pusher protocol: the application's key.")
    var appKey = "app-key"

    @Option(name: .customLong("app-secret"), help: "Pusher protocol: the application's secret, which signs.")
    var appSecret = "app-secret"

    @Option(
        name: .customLong("server-pid"), parsing: .upToNextOption,
        help: "Processes of the server, for its CPU time, memory and descriptors.")
    var serverProcesses: [Int32] = []

    @OptionGroup var output: OutputOptions

    func plan(_ shape: BenchShape, _ dialect: Dialect, connections usual: Int) throws -> BenchPlan {
        let place = try splitURL(url, usualPath: dialect.usualPath(key: appKey))
        var plan = BenchPlan(shape: shape, dialect: dialect, host: place.host, port: place.port, path: place.path)
        plan.isSecure = place.isSecure
        plan.authorities = ca
        plan.extensionOffer = deflate.map { $0 == "on" ? "permessage-deflate; client_max_window_bits" : $0 }
        plan.resumeShare = resume / 100
        plan.application = PusherApplication(id: appID, key: appKey, secret: appSecret)
        plan.connections = connections ?? usual
        plan.threads = threads
        plan.processes = processes
        plan.processors =
            try processors?.split(separator: ",").map { text in
                guard let number = Int32(text), number >= 0 else {
                    throw ValidationError("--cpu: \(text) is no processor")
                }
                return number
            } ?? []
        plan.busyPolls = busyPolls
        plan.connectRate = connectRate
        plan.connectJitter = jitter
        plan.connectsInFlightMax = connectsInFlight
        plan.seed = seed
        plan.lateNanoseconds = try nanoseconds(late / 1e3, "--late")
        plan.serverProcesses = serverProcesses
        plan.progress = output.progress
        return plan
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
    }

    func apply(to plan: inout BenchPlan) throws {
        plan.textBytes = size
        plan.pace = rate.map { .rate($0) } ?? window.map { .window($0) } ?? plan.shape.usualPace
        plan.durationNanoseconds = try nanoseconds(duration, "--duration")
        plan.warmupNanoseconds = try nanoseconds(warmup, "--warmup")
    }
}

/// The search for the highest rate.
struct SearchOptions: ParsableArguments {
    @Flag(name: .customLong("find-max"), help: "Find the highest rate that keeps the bound of --slo.")
    var isOn = false

    @Option(name: .customLong("slo"), help: "The bound, such as p99=20ms or p99.9=500us.")
    var bound = LatencyBound(percentile: 99, nanoseconds: 20_000_000)

    @Option(help: "How close the search must come, in percent.")
    var precision = 5.0

    func search(_ plan: inout BenchPlan) throws -> FindMax? {
        guard isOn else { return nil }
        if case .window = plan.pace { plan.pace = .rate(100) }
        plan.reopens = true
        guard case .rate(let rate) = plan.pace else { return nil }
        return FindMax(bound: bound, startRate: rate, precision: precision / 100)
    }
}

/// A small channel beside the big one: does it get its turn?
struct ProbeOptions: ParsableArguments {
    @Option(
        name: .customLong("probe"),
        help:
            "Channels of two members each, measured apart while the load runs: does a small channel get its turn?"
    )
    var channels = 0

    @Option(name: .customLong("probe-rate"), help: "Messages a second on each of them.")
    var rate = 50.0

    func plans(beside plan: BenchPlan) -> [BenchPlan] {
        guard channels > 0 else { return [plan] }
        var probe = BenchPlan(
            shape: .rooms, dialect: plan.dialect, host: plan.host, port: plan.port, path: plan.path)
        probe.application = plan.application
        probe.isSecure = plan.isSecure
        probe.authorities = plan.authorities
        probe.channelKind = plan.channelKind
        probe.name = "probe"
        probe.channelName = "probe"
        probe.channels = channels
        probe.connections = 2 * channels
        probe.textBytes = plan.textBytes
        probe.pace = .rate(rate * Double(channels))
        probe.warmupNanoseconds = plan.warmupNanoseconds
        probe.durationNanoseconds = plan.durationNanoseconds
        probe.processors = plan.processors.suffix(1)
        probe.isPreferred = true
        probe.seed = plan.seed &+ 1
        return [plan, probe]
    }
}
