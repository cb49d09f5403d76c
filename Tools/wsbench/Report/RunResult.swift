/// What a run found out: the one value that every output is made of. Its JSON is described in docs/WSBENCH.md.
///
/// Latencies in summaries are microseconds, histograms count nanoseconds, memory is bytes, shares of processors are 1
/// for one whole processor; nil means not measured, never zero.
public struct RunResult: Codable, Equatable, Sendable {
    /// The format of the JSON. The number grows when a reader of the old one would misunderstand; new keys do not.
    public static let schemaName = "wsbench/1"

    /// Which format this is.
    public var schema: String
    /// What was run.
    public var scenario: Scenario
    /// Where and with what it was run.
    public var environment: RunEnvironment
    /// The length of the measured part.
    public var seconds: Double
    /// Messages sent by publishers, and messages that reached a subscriber, in the measured part.
    public var published: UInt64
    public var delivered: UInt64
    /// The same per second.
    public var publishedPerSecond: Double
    public var deliveredPerSecond: Double
    /// What should have been delivered, where the scenario knows.
    public var expected: UInt64?
    /// From send to receipt.
    public var latency: Latencies
    /// How long a connection took until it could be used.
    public var connects: Latency?
    /// Other times that were taken, each with its name: answers of an HTTP API, confirmations of subscriptions, …
    public var timings: [Timing]
    /// What it cost the server and the load generator.
    public var cost: Cost
    /// Memory of the server.
    public var memory: Memory?
    /// Bytes received, where they are told apart: of frames on the wire and of the messages in them.
    public var wireBytes: UInt64?
    public var payloadBytes: UInt64?
    /// What went wrong over the whole run; all zero in a good one.
    public var checks: Checks
    /// How the load generator itself did.
    public var own: OwnMeasure?
    /// What the machine did to it.
    public var machine: MachineMeasure?
    /// The run cut into pieces, in order, from the first connection on.
    public var intervals: [Interval]
    /// Moments worth a mark, such as the drop of a storm.
    public var marks: [Mark]
    /// The steps of a search for the highest rate; empty without one.
    public var steps: [Step]
    /// Numbers that only this scenario has, in the order in which they are to be read.
    public var details: [Detail]
    /// Other loads of the same time: the parts of a mix. Their environment is empty, being the same.
    public var parts: [RunResult]
    /// Whether the numbers can be believed.
    public var verdict: Verdict

    /// An empty result of a scenario; fill in what is known.
    public init(scenario: Scenario, environment: RunEnvironment) {
        schema = Self.schemaName
        self.scenario = scenario
        self.environment = environment
        seconds = 0
        published = 0
        delivered = 0
        publishedPerSecond = 0
        deliveredPerSecond = 0
        latency = Latencies()
        timings = []
        cost = Cost()
        checks = Checks()
        intervals = []
        marks = []
        steps = []
        details = []
        parts = []
        verdict = Verdict()
    }
}

/// What was run, as far as it decides whether two results can be compared.
public struct Scenario: Codable, Equatable, Sendable {
    /// The subcommand: `fanout`, `echo`, …
    public var name: String
    /// The protocol spoken: `json`, `pusher`, `raw`, …
    public var dialect: String
    /// The server's address as it was given.
    public var url: String
    /// Connections and the channels they are dealt out to.
    public var connections: Int
    public var channels: Int
    /// Bytes of the text of each message.
    public var messageBytes: Int
    /// Closed loop: messages in flight. Open loop: messages a second. Nil both when nothing is sent.
    public var window: Int?
    public var perSecond: Double?
    /// Threads of the load generator, the seed of its choices, and seconds before the measured part.
    public var threads: Int
    public var seed: UInt64?
    public var warmupSeconds: Double
    /// A name that the user gave this run.
    public var label: String?

    /// A scenario with nothing sent.
    public init(
        name: String, dialect: String, url: String, connections: Int, channels: Int, messageBytes: Int, threads: Int
    ) {
        self.name = name
        self.dialect = dialect
        self.url = url
        self.connections = connections
        self.channels = channels
        self.messageBytes = messageBytes
        self.threads = threads
        warmupSeconds = 0
    }
}

/// Latencies from two starting points. Their difference is what coordinated omission hides.
public struct Latencies: Codable, Equatable, Sendable {
    /// From when the message should have been sent.
    public var intended: Latency?
    /// From when it was sent.
    public var service: Latency?

    /// Latencies that were measured.
    public init(intended: Latency? = nil, service: Latency? = nil) {
        self.intended = intended
        self.service = service
    }
}

/// A distribution of times: a summary in microseconds and the histogram it comes from.
public struct Latency: Codable, Equatable, Sendable {
    /// Values measured.
    public var count: UInt64
    /// The mean, percentiles and the extremes in microseconds.
    public var mean, min, p50, p90, p99, p999, p9999, max: Double
    /// All of them, in nanoseconds.
    public var histogram: HistogramSnapshot

    /// The summary of a histogram; nil when it is empty.
    public init?(_ histogram: HistogramSnapshot) {
        guard histogram.count > 0 else { return nil }
        func microseconds(_ quantile: Double) -> Double { Double(histogram.value(at: quantile)) / 1e3 }
        self.histogram = histogram
        count = histogram.count
        mean = histogram.mean / 1e3
        min = Double(histogram.minimum) / 1e3
        p50 = microseconds(0.5)
        p90 = microseconds(0.9)
        p99 = microseconds(0.99)
        p999 = microseconds(0.999)
        p9999 = microseconds(0.9999)
        max = Double(histogram.maximum) / 1e3
    }
}

/// A distribution of times that only some scenarios take.
public struct Timing: Codable, Equatable, Sendable {
    /// What was timed, in a few words.
    public var name: String
    /// The times.
    public var latency: Latency

    /// Times with their name.
    public init(name: String, latency: Latency) {
        self.name = name
        self.latency = latency
    }
}

/// How the load generator itself did: what a reader looks at before they believe a latency.
public struct OwnMeasure: Codable, Equatable, Sendable {
    /// The busiest loop's share of the time in which it was not waiting.
    public var busyShare: Double
    /// Messages sent ÷ messages that should have been, 1 in a closed loop.
    public var sentRatio: Double
    /// How long its loops needed for a turn, and how much too late messages were sent although the socket was free.
    public var turn: Latency?
    public var sendLag: Latency?

    /// What was measured.
    public init(busyShare: Double, sentRatio: Double, turn: Latency?, sendLag: Latency?) {
        self.busyShare = busyShare
        self.sentRatio = sentRatio
        self.turn = turn
        self.sendLag = sendLag
    }
}

/// What the machine did to a run.
public struct MachineMeasure: Codable, Equatable, Sendable {
    /// Share of all processors' time that the machine below this virtual one took (steal in /proc/stat).
    public var stolenShare: Double?
    /// Threads of the server, and of the load generator, that were ready to run and had no processor, in the mean.
    public var serverWaitShare: Double?
    public var ownWaitShare: Double?

    /// What was measured; nil each where the system does not tell.
    public init(stolenShare: Double?, serverWaitShare: Double?, ownWaitShare: Double?) {
        self.stolenShare = stolenShare
        self.serverWaitShare = serverWaitShare
        self.ownWaitShare = ownWaitShare
    }
}

/// What a run cost.
public struct Cost: Codable, Equatable, Sendable {
    /// CPU time (user and system) per delivery in microseconds, of the server and of the load generator itself.
    public var serverMicrosecondsPerDelivery: Double?
    public var ownMicrosecondsPerDelivery: Double?
    /// Processors used.
    public var serverCPUShare: Double?
    public var ownCPUShare: Double?

    /// Nothing measured yet.
    public init() {}
}

/// Resident memory of the server in bytes.
public struct Memory: Codable, Equatable, Sendable {
    /// Before the first connection, after the last (and, for idle, after settling), and at the end of the run.
    public var beforeBytes, connectedBytes, endBytes: Int64
    /// Growth per connection between the first two, of resident memory and of its proportional share.
    public var residentBytesPerConnection: Double
    public var proportionalBytesPerConnection: Double?

    /// Memory at three moments.
    public init(
        beforeBytes: Int64, connectedBytes: Int64, endBytes: Int64, residentBytesPerConnection: Double,
        proportionalBytesPerConnection: Double?
    ) {
        self.beforeBytes = beforeBytes
        self.connectedBytes = connectedBytes
        self.endBytes = endBytes
        self.residentBytesPerConnection = residentBytesPerConnection
        self.proportionalBytesPerConnection = proportionalBytesPerConnection
    }
}

/// What each subscriber's sequence check and the connections found.
public struct Checks: Codable, Equatable, Sendable {
    /// Messages of a subscriber's sequence that never came, came twice, or came after a later one.
    public var lost: UInt64 = 0
    public var doubled: UInt64 = 0
    public var reordered: UInt64 = 0
    /// Messages that took longer than a bound of the scenario. They came, so they are no fault.
    public var late: UInt64 = 0
    /// Frames that were no valid frames, and messages that nobody had sent.
    public var invalidFrames: UInt64 = 0
    public var foreign: UInt64 = 0
    /// Connections that failed to open, did not get subscribed, or ended before their time.
    public var connectFailures: UInt64 = 0
    public var unsubscribed: UInt64 = 0
    public var disconnected: UInt64 = 0
    /// Answers of an HTTP API that were no success.
    public var refused: UInt64 = 0

    /// Nothing found.
    public init() {}

    /// All faults together.
    public var total: UInt64 { faults.reduce(0) { $0 &+ $1.count } }

    /// Each fault with its name, for tables.
    public var faults: [(name: String, count: UInt64)] {
        [
            ("lost", lost), ("doubled", doubled), ("reordered", reordered),
            ("invalid frames", invalidFrames), ("foreign", foreign), ("not connected", connectFailures),
            ("not subscribed", unsubscribed), ("disconnected", disconnected), ("refused", refused),
        ]
    }
}

/// A piece of a run.
public struct Interval: Codable, Equatable, Sendable {
    /// The phase whose intervals count; others are shown only.
    public static let measuring = "measuring"

    /// When it began, in seconds since the first connection was opened, and how long it was.
    public var atSeconds: Double
    public var seconds: Double
    /// What the run was doing: `connecting`, `subscribing`, `warming up`, `measuring`, `draining`.
    public var phase: String
    /// Messages sent and received in it.
    public var published: UInt64
    public var delivered: UInt64
    /// Connections open at its end, and what went wrong in it.
    public var connections: Int
    public var errors: UInt64
    /// Processors used by the server and by the load generator.
    public var serverCPUShare: Double?
    public var ownCPUShare: Double?
    /// Share of all processors' time that the machine below took in it.
    public var stolenShare: Double?
    /// Memory and descriptors of the server at its end.
    public var serverResidentBytes: Int64?
    public var serverDescriptors: Int?
    /// Percentiles of the latency from the intended send time in it, in microseconds; nil without a delivery.
    public var p50, p99: Double?
    /// Latencies of messages that arrived in it, in nanoseconds.
    public var intended: HistogramSnapshot?
    public var service: HistogramSnapshot?

    /// An interval with its counts.
    public init(
        atSeconds: Double, seconds: Double, phase: String = measuring, published: UInt64, delivered: UInt64,
        connections: Int, errors: UInt64
    ) {
        self.atSeconds = atSeconds
        self.seconds = seconds
        self.phase = phase
        self.published = published
        self.delivered = delivered
        self.connections = connections
        self.errors = errors
    }
}

/// A moment that explains what the curves do.
public struct Mark: Codable, Equatable, Sendable {
    /// Seconds since the first connection was opened.
    public var atSeconds: Double
    /// A few words.
    public var text: String

    /// A mark.
    public init(atSeconds: Double, text: String) {
        self.atSeconds = atSeconds
        self.text = text
    }
}

/// One rate that a search tried.
public struct Step: Codable, Equatable, Sendable {
    /// Messages a second asked for, and deliveries a second seen.
    public var perSecond: Double
    public var deliveredPerSecond: Double
    /// The latency under the bound's percentile, in microseconds.
    public var latency: Double
    /// Whether the bound held, and why not.
    public var isKept: Bool
    public var reason: String?

    /// A step of a search.
    public init(perSecond: Double, deliveredPerSecond: Double, latency: Double, isKept: Bool, reason: String?) {
        self.perSecond = perSecond
        self.deliveredPerSecond = deliveredPerSecond
        self.latency = latency
        self.isKept = isKept
        self.reason = reason
    }
}

/// A number that only one scenario has.
public struct Detail: Codable, Equatable, Sendable {
    /// What it is, in a few words.
    public var name: String
    /// How much.
    public var value: Double
    /// Of what: `s`, `µs`, `bytes`, `/s`, or empty for a count.
    public var unit: String

    /// A number with its name.
    public init(name: String, value: Double, unit: String) {
        self.name = name
        self.value = value
        self.unit = unit
    }
}

/// Whether a result can be believed.
public struct Verdict: Codable, Equatable, Sendable {
    /// Every message reached every subscriber once, in order, every connection stood to the end, and the load generator
    /// was not itself the limit.
    public var isGood = true
    /// Why not, a sentence each; the first is the reason that matters most.
    public var reasons: [String] = []
    /// What a reader should know although the result is good.
    public var notes: [String] = []

    /// A good verdict.
    public init() {}
}

extension RunResult {
    /// The intervals that count.
    public var measured: [Interval] { intervals.filter { $0.phase == Interval.measuring } }

    /// Puts neighbouring intervals of a phase together until there are at most so many (or one for each phase): a run
    /// of an hour needs no point a second.
    public mutating func coarsen(intervalsMax: Int) {
        while intervals.count > intervalsMax {
            var coarse: [Interval] = []
            var isPaired = true
            for interval in intervals {
                if let last = coarse.last, !isPaired, last.phase == interval.phase {
                    coarse[coarse.count - 1] = last.joined(with: interval)
                    isPaired = true
                } else {
                    coarse.append(interval)
                    isPaired = false
                }
            }
            if coarse.count == intervals.count { return }
            intervals = coarse
        }
    }
}

extension Interval {
    /// This interval and the next one as one.
    func joined(with next: Interval) -> Interval {
        var both = next
        both.atSeconds = atSeconds
        both.seconds = seconds + next.seconds
        both.published = published + next.published
        both.delivered = delivered + next.delivered
        both.errors = errors + next.errors
        func share(_ first: Double?, _ second: Double?) -> Double? {
            guard let first, let second, both.seconds > 0 else { return second ?? first }
            return (first * seconds + second * next.seconds) / both.seconds
        }
        both.serverCPUShare = share(serverCPUShare, next.serverCPUShare)
        both.ownCPUShare = share(ownCPUShare, next.ownCPUShare)
        both.stolenShare = share(stolenShare, next.stolenShare)
        both.serverResidentBytes = next.serverResidentBytes ?? serverResidentBytes
        both.serverDescriptors = next.serverDescriptors ?? serverDescriptors
        both.intended = Self.sum(intended, next.intended)
        both.service = Self.sum(service, next.service)
        if let sum = both.intended.flatMap({ Latency($0) }) {
            both.p50 = sum.p50
            both.p99 = sum.p99
        } else {
            // Percentiles of both together cannot be had of those of each; the worse of the two hides nothing.
            both.p50 = [p50, next.p50].compactMap { $0 }.max()
            both.p99 = [p99, next.p99].compactMap { $0 }.max()
        }
        return both
    }

    private static func sum(_ first: HistogramSnapshot?, _ second: HistogramSnapshot?) -> HistogramSnapshot? {
        guard var sum = first else { return second }
        if let second { sum.add(second) }
        return sum
    }
}
