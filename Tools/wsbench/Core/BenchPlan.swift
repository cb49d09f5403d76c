public import WSBenchReport

/// What is measured.
public enum BenchShape: String, Sendable, Codable, CaseIterable {
    /// One publisher, many subscribers.
    case fanout
    /// The same over many small channels.
    case rooms
    /// Every connection sends and gets its own back.
    case echo
    /// Nothing is sent: what does a subscribed connection cost?
    case idle
    /// Messages are published over the HTTP API of the Pusher protocol.
    case publish
    /// Subscriptions come and go.
    case churn
    /// Members of presence channels come and go.
    case presence
    /// Many connections are dropped at once and come back.
    case storm
    /// Some readers are slow.
    case slow

    /// Whether the members of a channel are waited for: they were there from the start and stay.
    var hasFrontier: Bool { self == .fanout || self == .rooms || self == .slow || self == .publish }

    /// Whether a WebSocket connection of its own publishes.
    var hasPublisher: Bool { self != .echo && self != .publish && self != .presence }

    /// Whether a window can pace it: only where all who get a message are known when it is sent.
    var takesWindow: Bool { self != .churn && self != .storm && self != .presence && self != .idle }
}

/// When the next message is sent.
public enum BenchPace: Equatable, Sendable {
    /// Closed loop: so many messages are in flight (per channel; per connection for echo), and one more is sent as
    /// one completes.
    case window(Int)
    /// Open loop: so many messages a second whatever the server does; latency counts from when each should have been
    /// sent.
    case rate(Double)
}

/// A plan that cannot be carried out, and why.
public struct BenchPlanError: Error, CustomStringConvertible {
    /// The reason and the remedy, for people: one sentence.
    public var description: String

    /// Says why.
    public init(description: String) { self.description = description }
}

/// Everything a run needs to know.
public struct BenchPlan: Sendable {
    /// What is measured.
    public var shape: BenchShape
    /// The protocol spoken, and for the Pusher protocol with whom.
    public var dialect: Dialect
    public var application = PusherApplication(id: "app-id", key: "app-key", secret: "app-secret")
    public var channelKind = ChannelKind.public
    /// Host name or address of the server.
    public var host: String
    /// Its port.
    public var port: UInt16
    /// The path of its endpoint.
    public var path: String
    /// Whether TLS is spoken, the PEM file of the issuers that are trusted (nil: whoever answers is), and the share of
    /// connections that resume a session of an earlier one.
    public var isSecure = false
    public var authorities: String?
    public var resumeShare = 0.0
    /// What subscribers offer in Sec-WebSocket-Extensions, nil for nothing.
    public var extensionOffer: String?
    /// What stands before /apps in the paths of its HTTP API.
    public var apiPrefix = ""
    /// Subscribers (fan-out, idle) or echoing connections.
    public var connections = 1_000
    /// Channels; subscribers are dealt out to them in turn.
    public var channels = 1
    /// What the names of channels start with, behind the prefix of their kind.
    public var channelName = "c"
    /// Bytes of the text in each message.
    public var textBytes = 64
    /// When the next message is sent.
    public var pace = BenchPace.window(1)
    /// Fan-out in a closed loop: the next window is sent whole, when all of the last one is complete, instead of one
    /// message as each completes. It is how a publisher that writes in bursts looks to the server.
    public var sendsBursts = false
    /// How long the server warms up before anything is counted.
    public var warmupNanoseconds: UInt64 = 1_000_000_000
    /// How long is measured.
    public var durationNanoseconds: UInt64 = 5_000_000_000
    /// Deliveries that take longer count as late.
    public var lateNanoseconds: UInt64 = 1_000_000_000
    /// Threads with a loop each, in each process.
    public var threads = 1
    /// Processes that share the connections; 0 takes as many as the limit of descriptors asks for.
    public var processes = 0
    /// Processors to pin the threads to, in turn; empty to leave it to the kernel.
    public var processors: [Int32] = []
    /// Whether the threads look for arrivals without ever sleeping. On one machine the server pays for waking a
    /// sleeping reader, which a peer behind a network never costs it.
    public var busyPolls = false
    /// Whether the threads have the right of way over others of this machine.
    public var isPreferred = false
    /// Connections opened a second; 0 opens them as fast as the server takes them.
    public var connectRate: Double = 0
    /// How far each opening is moved at random, as a share of the time between two.
    public var connectJitter: Double = 0
    /// Connections that wait for the server's answer at the same time; below the usual length of a listen queue.
    public var connectsInFlightMax = 128
    /// Decides everything that is left to chance.
    public var seed: UInt64 = 1
    /// Processes of the server whose CPU time and memory are read.
    public var serverProcesses: [Int32] = []
    /// How progress is shown on standard error.
    public var progress = ProgressDisplay.Style.off
    /// HTTP connections that publish; each has a channel of its own, since only so is there an order to check.
    public var publishers = 1
    /// Subscriptions ended a second, each begun again later; for presence, members that leave a second.
    public var churnRate: Double = 100
    /// The share of connections without a subscription at any time.
    public var churnShare = 0.1
    /// The share of connections that a storm drops, and when in the measured time it does.
    public var stormShare = 1.0
    public var stormAfterNanoseconds: UInt64 = 1_000_000_000
    /// Whether dropped connections end with a reset, as when a machine vanishes, or in an orderly way.
    public var stormResets = true
    /// Where the server tells that it is alive.
    public var healthPath = "/up"
    /// The share of slow readers, and what each takes a second.
    public var slowShare = 0.1
    public var slowBytesPerSecond = 1_000
    /// Whether a connection that the server ends is opened again before the next step of a search.
    public var reopens = false
    /// What this part of a mix is called.
    public var name: String?

    /// The most channels: each costs a ring of counters in each loop.
    public static let channelsMax = 1 << 16
    /// The largest window: positions between the slowest and the fastest subscriber are counted in a ring.
    public static let windowMax = 1 << 18
    /// The largest text.
    public static let textBytesMax = 1 << 24
    /// Connections from one source address. The kernel looks for a free port from a random place on, first among the
    /// even or the odd ones of some 28 000; once half of those are taken, finding one takes it milliseconds.
    public static let connectionsPerAddress = 5_000
    /// The most connections: two thousand source addresses are taken from the loopback network at most.
    public static let connectionsMax = 2_000 * connectionsPerAddress
    /// The most handshakes at the same time.
    static let connectsInFlightLimit = 20_000
    /// The most processes and threads together.
    public static let loopsMax = 256
    /// Counters of all rings of one loop together, and positions that each ring has at least.
    static let ringCountersMax = 1 << 22
    static let ringMin = 64

    /// A plan with the usual values; set what differs.
    public init(shape: BenchShape, dialect: Dialect, host: String, port: UInt16, path: String) {
        self.shape = shape
        self.dialect = dialect
        self.host = host
        self.port = port
        self.path = path
    }

    /// The name of a channel.
    public func channelName(_ index: Int) -> String {
        channelKind.prefix + (channels == 1 ? channelName : "\(channelName)\(index)")
    }

    /// The channel of a connection. Members of a presence channel follow each other, so that one loop has all of them.
    func channel(of connection: Int) -> Int {
        shape == .presence ? connection / membersPerChannel : connection % channels
    }

    /// Presence: members of each channel.
    var membersPerChannel: Int { max(1, connections / channels) }

    /// Whether words fill the texts: a row of one letter would compress to nothing.
    var isProse: Bool { extensionOffer != nil }

    /// Whether the subscription needs what only the server's greeting tells.
    var needsGreeting: Bool { dialect == .pusher && channelKind != .public }

    /// Positions in the ring of a channel.
    var frontierSpan: Int {
        var wanted = max(Self.ringMin, min(1 << 16, Self.ringCountersMax / channels))
        if case .window(let window) = pace { wanted = max(4, 2 * window) }
        var span = 4
        while span < wanted { span *= 2 }
        return span
    }

    /// Says why a plan cannot be carried out.
    public func validate() throws(BenchPlanError) {
        func require(_ holds: Bool, _ reason: String) throws(BenchPlanError) {
            if !holds { throw BenchPlanError(description: reason) }
        }
        let all = 1...Self.connectionsMax
        try require(all.contains(connections), "--connections must be 1 to \(Self.connectionsMax)")
        try require((1...Self.channelsMax).contains(channels), "--channels must be 1 to \(Self.channelsMax)")
        try require(
            channels <= connections,
            "\(channels) channels need at least as many connections, but there are \(connections)")
        try require((1...Self.loopsMax).contains(threads), "--threads must be 1 to \(Self.loopsMax)")
        try require(
            (0...Self.loopsMax).contains(processes), "--processes must be 0 (as many as needed) to \(Self.loopsMax)")
        let sizes = Marker.byteCount...Self.textBytesMax
        try require(
            sizes.contains(textBytes),
            "--size must be \(sizes.lowerBound) (a message carries its number and its time) to \(sizes.upperBound)")
        try require(durationNanoseconds > 0, "--duration must be longer than nothing")
        switch pace {
        case .window(let count):
            try require((1...Self.windowMax).contains(count), "--window must be 1 to \(Self.windowMax)")
            try require(shape.takesWindow || shape == .idle, "\(shape) needs --rate instead of --window")
            try require(
                frontierSpan * channels <= 8 * Self.ringCountersMax,
                "a --window of \(count) over \(channels) channels takes too much memory; take fewer of one of them")
        case .rate(let perSecond):
            try require(perSecond > 0 && perSecond <= 1e8, "--rate must be above 0 and at most 100 million a second")
            try require(!sendsBursts, "--burst needs --window instead of --rate")
        }
        try require(!sendsBursts || shape == .fanout || shape == .rooms, "only fanout and rooms can send in bursts")
        try require(
            (dialect == .raw) == (shape == .echo),
            "echo speaks the protocol raw, and the other scenarios one that can subscribe (json or pusher)")
        try require(
            channelKind == .public || dialect == .pusher, "only the protocol pusher has \(channelKind) channels")
        try require(
            (shape != .publish && shape != .presence) || dialect == .pusher, "\(shape) needs the protocol pusher")
        try require((shape == .presence) == (channelKind == .presence), "presence channels have their own scenario")
        try validateDetails(require)
    }

    private func validateDetails(
        _ require: (_ holds: Bool, _ reason: String) throws(BenchPlanError) -> Void
    ) throws(BenchPlanError) {
        func isShare(_ value: Double) -> Bool { value > 0 && value <= 1 }
        try require(
            connectRate >= 0 && connectRate <= 1e7, "--connect-rate must be 0 (as fast as possible) to 10 million")
        try require((0...1).contains(connectJitter), "--jitter must be 0 to 1")
        try require((0...1).contains(resumeShare), "--resume must be 0 to 100")
        if let offer = extensionOffer {
            try require(
                offer.hasPrefix("permessage-deflate") && offer.utf8.allSatisfy { (0x20..<0x7F).contains($0) },
                "--deflate takes an offer such as \"permessage-deflate; server_no_context_takeover\", or on")
        }
        try require(
            (1...Self.connectsInFlightLimit).contains(connectsInFlightMax),
            "--connects-in-flight must be 1 to \(Self.connectsInFlightLimit)")
        switch shape {
        case .publish:
            try require(publishers == channels, "every publisher has a channel of its own")
        case .churn:
            try require(churnRate > 0 && churnRate <= 1e7, "--churn-rate must be above 0 and at most 10 million")
            try require(isShare(churnShare) && churnShare < 1, "--out must be above 0 and below 100")
            try require(connections > 1, "churn needs at least two connections")
        case .presence:
            try require(churnRate > 0 && churnRate <= 1e7, "--churn-rate must be above 0 and at most 10 million")
            try require(connections >= 2 * channels, "presence needs at least two members for each channel")
            try require(connections % channels == 0, "presence needs equally many members in each channel")
        case .storm:
            try require(isShare(stormShare), "--drop must be above 0 and at most 100")
            try require(
                stormAfterNanoseconds < durationNanoseconds, "--after must lie within the measured --duration")
        case .slow:
            try require(isShare(slowShare) && slowShare < 1, "--slow must be above 0 and below 100")
            try require(slowBytesPerSecond >= 0, "--read-rate must not be negative")
            try require(slowCount > 0 && slowCount < connections, "--slow leaves no slow reader, or no other one")
        default: break
        }
    }

    /// Slow readers. They are spread evenly.
    var slowCount: Int { shape == .slow ? Int(Double(connections) * slowShare) : 0 }

    /// Whether a connection is one of them.
    func isSlow(_ connection: Int) -> Bool {
        shape == .slow && Int(Double(connection + 1) * slowShare) > Int(Double(connection) * slowShare)
    }

    /// The message that subscribes to a channel that needs no signature.
    func subscription(channel: Int) -> String? { dialect.subscription(channel: channelName(channel)) }
}

/// Splits a URL of the form `ws://host[:port][/path]`, or with `wss`.
public func splitURL(_ url: String, usualPath: String) throws(BenchPlanError) -> (
    host: String, port: UInt16, path: String, isSecure: Bool
) {
    let isSecure = url.hasPrefix("wss://")
    guard isSecure || url.hasPrefix("ws://") else {
        throw BenchPlanError(
            description: "the URL \(url) must start with ws:// or wss://, as in ws://127.0.0.1:8080/ws")
    }
    let rest = url.dropFirst(isSecure ? 6 : 5)
    let authority = rest.prefix { $0 != "/" }
    let path = rest.dropFirst(authority.count)
    var host = authority
    var port: UInt16 = isSecure ? 443 : 80
    let colon = authority.lastIndex(of: ":")
    let bracket = authority.lastIndex(of: "]")
    if let colon, bracket.map({ $0 < colon }) ?? true {
        guard let number = UInt16(authority[authority.index(after: colon)...]), number > 0 else {
            throw BenchPlanError(description: "the port in \(url) is no number from 1 to 65535")
        }
        port = number
        host = authority[..<colon]
    }
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard !host.isEmpty else { throw BenchPlanError(description: "the URL \(url) names no host") }
    return (String(host), port, path.isEmpty ? usualPath : String(path), isSecure)
}
