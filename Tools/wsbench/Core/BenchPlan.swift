/// What is measured.
public enum BenchShape: String, Sendable {
    /// One publisher, many subscribers.
    case fanout
    /// Every connection sends and gets its own back.
    case echo
    /// Nothing is sent: what does a subscribed connection cost in memory?
    case idle
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
    /// The reason, for people.
    public var description: String
}

/// Everything a run needs to know.
public struct BenchPlan: Sendable {
    /// What is measured.
    public var shape: BenchShape
    /// The protocol spoken.
    public var dialect: Dialect
    /// Host name or address of the server.
    public var host: String
    /// Its port.
    public var port: UInt16
    /// The path of its endpoint.
    public var path: String
    /// Subscribers (fan-out, idle) or echoing connections.
    public var connections: Int
    /// Channels; subscribers are dealt out to them in turn.
    public var channels: Int
    /// Bytes of the text in each message.
    public var textBytes: Int
    /// When the next message is sent.
    public var pace: BenchPace
    /// Fan-out in a closed loop: the next window is sent whole, when all of the last one is complete, instead of one
    /// message as each completes. It is how a publisher that writes in bursts looks to the server.
    public var sendsBursts: Bool
    /// How long the server warms up before anything is counted.
    public var warmupNanoseconds: UInt64
    /// How long is measured.
    public var durationNanoseconds: UInt64
    /// Threads with a loop each.
    public var threads: Int
    /// Processors to pin the threads to, in turn; empty to leave it to the kernel.
    public var processors: [Int32]
    /// Whether the threads look for arrivals without ever sleeping. On one machine the server pays for waking a
    /// sleeping reader, which a peer behind a network never costs it.
    public var busyPolls: Bool
    /// Processes of the server whose CPU time and memory are read.
    public var serverProcesses: [Int32]
    /// Whether a live line is shown on standard error.
    public var showsProgress: Bool

    /// The most channels: the publisher looks at each once a turn.
    public static let channelsMax = 1_024
    /// The largest window: positions between the slowest and the fastest subscriber are counted in a ring.
    public static let windowMax = 1 << 18
    /// The largest text.
    public static let textBytesMax = 1 << 24
    /// Connections from one source address, well below the number of ephemeral ports.
    public static let connectionsPerAddress = 20_000

    /// A plan with the usual values; set what differs.
    public init(shape: BenchShape, dialect: Dialect, host: String, port: UInt16, path: String) {
        self.shape = shape
        self.dialect = dialect
        self.host = host
        self.port = port
        self.path = path
        connections = 1_000
        channels = 1
        textBytes = 64
        pace = .window(1)
        sendsBursts = false
        warmupNanoseconds = 1_000_000_000
        durationNanoseconds = 5_000_000_000
        threads = 1
        processors = []
        busyPolls = false
        serverProcesses = []
        showsProgress = false
    }

    /// The name of a channel.
    public func channelName(_ index: Int) -> String { channels == 1 ? "c" : "c\(index)" }

    /// Says why a plan cannot be carried out.
    public func validate() throws(BenchPlanError) {
        func require(_ holds: Bool, _ reason: String) throws(BenchPlanError) {
            if !holds { throw BenchPlanError(description: reason) }
        }
        try require(connections > 0, "at least one connection is needed")
        try require((1...Self.channelsMax).contains(channels), "channels must be 1 to \(Self.channelsMax)")
        try require(channels <= connections, "more channels than connections leave a channel without a subscriber")
        try require((1...connections).contains(threads), "threads must be 1 to the number of connections")
        let sizes = Marker.byteCount...Self.textBytesMax
        try require(sizes.contains(textBytes), "the size must be \(sizes.lowerBound) to \(sizes.upperBound) bytes")
        try require(durationNanoseconds > 0, "the duration must be longer than nothing")
        switch pace {
        case .window(let count):
            try require((1...Self.windowMax).contains(count), "the window must be 1 to \(Self.windowMax)")
        case .rate(let perSecond):
            try require(perSecond > 0 && perSecond <= 1e8, "the rate must be above 0 and at most 100 million a second")
        }
        if case .rate = pace { try require(!sendsBursts, "bursts need a window") }
        try require(!sendsBursts || shape == .fanout, "only fanout can send in bursts")
        try require(
            (dialect == .raw) == (shape == .echo),
            "echo speaks the protocol raw, and fanout and idle one that can subscribe")
    }
}

/// Splits a URL of the form `ws://host[:port][/path]`.
public func splitURL(_ url: String, usualPath: String) throws(BenchPlanError) -> (
    host: String, port: UInt16, path: String
) {
    let scheme = "ws://"
    guard url.hasPrefix(scheme) else { throw BenchPlanError(description: "the URL must start with \(scheme)") }
    let rest = url.dropFirst(scheme.count)
    let authority = rest.prefix { $0 != "/" }
    let path = rest.dropFirst(authority.count)
    var host = authority
    var port: UInt16 = 80
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
    return (String(host), port, path.isEmpty ? usualPath : String(path))
}
