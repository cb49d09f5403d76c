import ArgumentParser
import WSBenchCore

/// How channels are spoken of.
struct ChannelOptions: ParsableArguments {
    @Option(name: .customLong("protocol"), help: "json, uws (the same, for the peers) or pusher.")
    var dialect: Dialect?

    @Option(help: "Pusher protocol: public or private channels; private ones are signed for with the secret.")
    var kind = ChannelKind.public
}

struct FanOut: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fanout", abstract: "One publisher, many subscribers of a channel.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var load: LoadOptions
    @OptionGroup var channel: ChannelOptions
    @OptionGroup var search: SearchOptions
    @OptionGroup var probe: ProbeOptions

    @Option(help: "Channels; subscribers are dealt out to them in turn, and each has a window or a share of the rate.")
    var channels = 1

    @Flag(help: "Send a window whole when all of the last one is complete, instead of a message as each completes.")
    var burst = false

    func run() throws {
        var plan = try common.plan(.fanout, channel.dialect ?? .json, connections: 1_000)
        plan.sendsBursts = burst
        try load.apply(to: &plan)
        plan.channels = channels
        plan.channelKind = channel.kind
        let search = try search.search(&plan)
        try common.output.carryOut(probe.plans(beside: plan), search: search)
    }
}

struct Rooms: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rooms", abstract: "Many small channels, each with a window or a share of the rate.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var load: LoadOptions
    @OptionGroup var channel: ChannelOptions
    @OptionGroup var search: SearchOptions
    @OptionGroup var probe: ProbeOptions

    @Option(help: "Rooms.")
    var rooms = 100

    @Option(help: "Members of each room; --connections overrides their sum.")
    var members = 10

    func run() throws {
        let product = rooms.multipliedReportingOverflow(by: members)
        let connections = product.overflow ? Int.max : product.partialValue
        var plan = try common.plan(.rooms, channel.dialect ?? .json, connections: connections)
        try load.apply(to: &plan)
        plan.channels = rooms
        plan.channelKind = channel.kind
        let search = try search.search(&plan)
        try common.output.carryOut(probe.plans(beside: plan), search: search)
    }
}

struct Echo: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo", abstract: "Every connection sends messages and gets its own back.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var load: LoadOptions
    @OptionGroup var search: SearchOptions

    func run() throws {
        var plan = try common.plan(.echo, .raw, connections: 1_000)
        try load.apply(to: &plan)
        let search = try search.search(&plan)
        try common.output.carryOut([plan], search: search)
    }
}

struct Publish: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Publishes over the signed HTTP API of the Pusher protocol, on connections that stay open.",
        discussion: """
            Every publisher has a channel of its own, and sends the next request when the last one is answered. \
            Subscribers are dealt out to the channels.
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var load: LoadOptions
    @OptionGroup var search: SearchOptions

    @Option(help: "HTTP connections that publish.")
    var publishers = 4

    @Option(name: .customLong("api-prefix"), help: "What stands before /apps in the server's paths.")
    var apiPrefix = ""

    @Option(help: "public or private channels.")
    var kind = ChannelKind.public

    func run() throws {
        var plan = try common.plan(.publish, .pusher, connections: 100)
        try load.apply(to: &plan)
        plan.publishers = publishers
        plan.channels = publishers
        plan.apiPrefix = apiPrefix
        plan.channelKind = kind
        let search = try search.search(&plan)
        try common.output.carryOut([plan], search: search)
    }
}

struct Churn: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "churn", abstract: "Subscriptions end and begin again all the time, while messages are published.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var load: LoadOptions
    @OptionGroup var channel: ChannelOptions

    @Option(help: "Channels; connections are dealt out to them in turn.")
    var channels = 10

    @Option(name: .customLong("churn-rate"), help: "Subscriptions that end a second; as many begin.")
    var churnRate = 500.0

    @Option(help: "Percent of the connections that are without a subscription at any time.")
    var out = 10.0

    func run() throws {
        var plan = try common.plan(.churn, channel.dialect ?? .pusher, connections: 1_000)
        try load.apply(to: &plan)
        plan.channels = channels
        plan.channelKind = channel.kind
        plan.churnRate = churnRate
        plan.churnShare = out / 100
        try common.output.carryOut([plan])
    }
}

struct Presence: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "presence",
        abstract: "Members of presence channels leave and join all the time; is everybody told, once and in order?")

    @OptionGroup var common: CommonOptions

    @Option(help: "Presence channels.")
    var channels = 10

    @Option(help: "Members of each; --connections overrides their sum.")
    var members = 20

    @Option(name: .customLong("churn-rate"), help: "Members that leave a second; as many join.")
    var churnRate = 50.0

    @Option(help: "Seconds to measure.")
    var duration = 5.0

    @Option(help: "Seconds before that.")
    var warmup = 1.0

    func run() throws {
        let product = channels.multipliedReportingOverflow(by: members)
        var plan = try common.plan(
            .presence, .pusher, connections: product.overflow ? Int.max : product.partialValue)
        plan.channelKind = .presence
        plan.channels = channels
        plan.churnRate = churnRate
        plan.pace = .rate(churnRate)
        plan.durationNanoseconds = try nanoseconds(duration, "--duration")
        plan.warmupNanoseconds = try nanoseconds(warmup, "--warmup")
        try common.output.carryOut([plan])
    }
}

struct Storm: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storm",
        abstract: "Drops many connections at once and has them come back, while messages are published.",
        discussion: "The server's health path is asked for all the time, each time over a new connection.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var load: LoadOptions
    @OptionGroup var channel: ChannelOptions

    @Option(help: "Channels; connections are dealt out to them in turn.")
    var channels = 1

    @Option(help: "Percent of the connections that are dropped.")
    var drop = 100.0

    @Option(help: "Seconds of the measured time before that.")
    var after = 1.0

    @Flag(help: "End the dropped connections in an orderly way, instead of with a reset as when a machine vanishes.")
    var orderly = false

    @Option(name: .customLong("health"), help: "The path that tells that the server is alive.")
    var healthPath = "/up"

    func run() throws {
        var plan = try common.plan(.storm, channel.dialect ?? .pusher, connections: 1_000)
        try load.apply(to: &plan)
        plan.channels = channels
        plan.channelKind = channel.kind
        plan.stormShare = drop / 100
        plan.stormAfterNanoseconds = try nanoseconds(after, "--after")
        plan.stormResets = !orderly
        plan.healthPath = healthPath
        try common.output.carryOut([plan])
    }
}

struct Slow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slow",
        abstract: "Some readers take only so many bytes a second; what does it do to the others?",
        discussion: "Rates, latencies and faults are those of the good readers; the slow ones are counted apart.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var load: LoadOptions
    @OptionGroup var channel: ChannelOptions

    @Option(help: "Channels; connections are dealt out to them in turn.")
    var channels = 1

    @Option(help: "Percent of the readers that are slow.")
    var slow = 10.0

    @Option(name: .customLong("read-rate"), help: "Bytes a second that a slow reader takes; 0 takes nothing.")
    var readRate = 1_000

    func run() throws {
        var plan = try common.plan(.slow, channel.dialect ?? .json, connections: 1_000)
        try load.apply(to: &plan)
        plan.channels = channels
        plan.channelKind = channel.kind
        plan.slowShare = slow / 100
        plan.slowBytesPerSecond = readRate
        try common.output.carryOut([plan])
    }
}

struct Idle: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle",
        abstract: "What does a subscribed connection that does nothing cost, and does that stay the same?",
        discussion: "With a long --duration it is a soak: memory, CPU and descriptors of --server-pid are sampled.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var channel: ChannelOptions

    @Option(help: "Channels; connections are dealt out to them in turn.")
    var channels = 1

    @Option(help: "Seconds between the last subscription and the measurement.")
    var settle = 2.0

    @Option(help: "Seconds to measure.")
    var duration = 2.0

    func run() throws {
        var plan = try common.plan(.idle, channel.dialect ?? .json, connections: 1_000)
        plan.channels = channels
        plan.channelKind = channel.kind
        plan.warmupNanoseconds = try nanoseconds(settle, "--settle")
        plan.durationNanoseconds = try nanoseconds(duration, "--duration")
        try common.output.carryOut([plan])
    }
}
