/// What a run found out. Times are in microseconds, memory in bytes; nil where nothing could be measured.
public struct BenchReport: Codable, Sendable {
    /// Percentiles of a distribution of times.
    public struct Latency: Codable, Sendable {
        /// Times measured.
        public var count: UInt64
        /// Percentiles and the maximum.
        public var p50, p90, p99, p999, max: Double
        /// The whole distribution, from which the percentiles were read. It is not written with them: a result has it
        /// as a histogram.
        public var distribution = LatencyDistribution()

        private enum CodingKeys: String, CodingKey { case count, p50, p90, p99, p999, max }
    }

    /// What was seen at one moment of a run, over the interval since the sample before it.
    public struct Sample: Codable, Sendable {
        /// Since the first connection was opened.
        public var seconds: Double
        /// What the run was doing: connecting, subscribing, warming up, measuring, draining.
        public var phase: String
        /// Connections that stand, and how many of them are subscribed.
        public var connections: Int
        public var subscribed: Int
        /// Rates over the interval.
        public var publishedPerSecond: Double
        public var deliveredPerSecond: Double
        /// Latency from the intended send time over the interval, 0 without a delivery.
        public var p50: Double
        public var p99: Double
        /// Lost, doubled and reordered messages, and lost connections, so far.
        public var errors: UInt64
        /// Share of one processor that the server and wsbench used over the interval.
        public var serverCPUShare: Double?
        public var ownCPUShare: Double
        /// Share of all processors' time that the machine below took over the interval; nil where it is not told.
        public var stolenShare: Double?
        /// Resident bytes and open descriptors of the server now.
        public var serverResidentBytes: Int64?
        public var serverDescriptors: Int?
        /// Latencies of measured messages that came in the interval, from the intended send time and from the real one.
        public var latency: LatencyDistribution?
        public var service: LatencyDistribution?
    }

    /// How wsbench itself did. Past the bounds of `SelfCheck` a result is refused.
    public struct SelfMeasure: Codable, Sendable {
        /// The busiest loop: share of the measured time in which it was not waiting.
        public var busyShare: Double = 0
        /// How long a loop needed for one turn: what arrived during it was seen so much later at most.
        public var turn: Latency?
        /// How much later than intended messages were sent although the socket was free.
        public var sendLag: Latency?
        /// Share of all processors' time that the machine below this virtual one took; nil where it is not told.
        public var stolenShare: Double?
        /// How many threads of the server, and of wsbench, were ready to run and had no processor, in the mean.
        public var serverWaitShare: Double?
        public var ownWaitShare: Double?
        /// Share of the intended messages that were sent, 1 in a closed loop.
        public var sentRatio: Double = 1
    }

    /// A drop of many connections at once, and their return.
    public struct Storm: Codable, Sendable {
        /// Connections dropped, and those that came back before the run ended.
        public var dropped: Int = 0
        /// When, in seconds since the first connection was opened.
        public var atSeconds: Double?
        public var returned: Int = 0
        /// Attempts that failed on the way.
        public var failedAttempts: UInt64 = 0
        /// From the drop until the last connection was subscribed again.
        public var secondsUntilAllBack: Double?
        /// Handshakes a second while they came back.
        public var handshakesPerSecond: Double = 0
        /// Answers of the server's health path meanwhile, each over a connection of its own, and those that failed.
        public var up: Latency?
        public var upFailures: Int = 0
    }

    /// Readers that were slow on purpose; they do not count in the rest of the report.
    public struct SlowReaders: Codable, Sendable {
        /// How many there were, and how many the server gave up.
        public var readers: Int = 0
        public var closedByServer: UInt64 = 0
        /// Messages they got, and messages they were passed over for.
        public var delivered: UInt64 = 0
        public var lost: UInt64 = 0
        public var doubled: UInt64 = 0
        public var reordered: UInt64 = 0
    }

    /// Subscriptions that came and went.
    public struct Churn: Codable, Sendable {
        public var subscribed: UInt64 = 0
        public var unsubscribed: UInt64 = 0
        public var subscribedPerSecond: Double = 0
        /// From the request until the server confirmed, or until the first message where it does not confirm.
        public var subscribe: Latency?
        /// Messages sent long after the end of a subscription that still came.
        public var afterEnd: UInt64 = 0
    }

    /// Members of presence channels that came and went.
    public struct Presence: Codable, Sendable {
        public var joined: UInt64 = 0
        public var left: UInt64 = 0
        /// Notices that other members got of an arrival and of a departure, and those they should have got.
        public var added: UInt64 = 0
        public var removed: UInt64 = 0
        public var addedExpected: UInt64 = 0
        public var removedExpected: UInt64 = 0
    }

    /// One rate that the search for the highest one tried.
    public struct Step: Codable, Sendable {
        /// Messages a second that were asked for, and the deliveries a second that came of them.
        public var rate: Double
        public var deliveredPerSecond: Double
        /// The latency under the bound's percentile.
        public var latency: Double
        /// Whether the bound held, nothing was lost, and wsbench itself kept up.
        public var holds: Bool
        /// Why it did not.
        public var reason: String?
    }

    /// The highest rate under a bound of latency.
    public struct Maximum: Codable, Sendable {
        /// The bound: a percentile and its microseconds.
        public var percentile: Double
        public var bound: Double
        /// Published messages a second, verified by a second run; nil when even the lowest rate breaks the bound.
        public var rate: Double?
        /// Deliveries a second at that rate.
        public var deliveredPerSecond: Double?
        /// All that was tried, in order.
        public var steps: [Step] = []
    }

    /// Resident memory of the server.
    public struct Memory: Codable, Sendable {
        /// Before the first connection, after the last (and, for idle, after settling), and at the end of the run.
        public var beforeBytes, connectedBytes, endBytes: Int64
        /// Growth per connection between the first two.
        public var residentBytesPerConnection: Double
        /// The same of the proportional share.
        public var proportionalBytesPerConnection: Double
    }

    /// The run: its shape, its protocol, and its sizes.
    public var shape: String
    public var dialect: String
    public var connections: Int
    public var channels: Int
    public var textBytes: Int
    public var window: Int?
    public var rate: Double?
    public var burst: Bool
    public var threads: Int

    /// The measured interval and what happened in it.
    public var seconds: Double = 0
    public var published: UInt64 = 0
    public var delivered: UInt64 = 0
    public var publishedPerSecond: Double = 0
    public var deliveredPerSecond: Double = 0
    /// CPU time (user and system) per delivery of the server and of the load generator itself.
    public var serverMicrosecondsPerDelivery: Double?
    public var ownMicrosecondsPerDelivery: Double?
    /// Share of one processor that the server used.
    public var serverCPUShare: Double?
    /// From the intended send time to the end of the read that brought the message.
    public var latency: Latency?
    /// From the moment when the message was really sent. Where it is much lower than `latency`, messages waited to be
    /// sent: what a load generator that only looks at this hides is called coordinated omission.
    public var serviceLatency: Latency?
    /// What `publishedPerSecond` and `deliveredPerSecond` count, for people.
    public static let countsPublished = "messages that the publisher sent"
    public static let countsDelivered = "messages that subscribers received, each once for each subscriber"
    public var memory: Memory?
    /// Processes of wsbench, the controlling one among them.
    public var processes = 1
    /// Time from the first connection to the last, the handshakes a second in it, and how long each took from connect
    /// to the answer of the upgrade.
    public var rampSeconds: Double = 0
    public var handshakesPerSecond: Double = 0
    public var connectLatency: Latency?
    /// permessage-deflate: connections that agreed to it, bytes of the frames they received, and of their messages
    /// inflated; nil when it was not offered.
    public struct Compression: Codable, Sendable {
        public var connections: Int
        public var wireBytes: UInt64
        public var payloadBytes: UInt64
    }
    public var compression: Compression?
    /// TLS: handshakes that resumed a session; nil without TLS.
    public var resumedHandshakes: UInt64?
    /// From an HTTP request that published to its answer, and answers other than 200.
    public var publishLatency: Latency?
    public var publishFailures: UInt64 = 0
    /// About every half second.
    public var samples: [Sample] = []
    public var selfMeasure = SelfMeasure()
    public var storm: Storm?
    public var slow: SlowReaders?
    public var churn: Churn?
    public var presence: Presence?
    public var maximum: Maximum?
    /// Other loads of the same time: the parts of a mix, or the fairness probe.
    public var parts: [BenchReport] = []
    /// What this part is called.
    public var name: String?

    /// What went wrong over the whole run; all zero in a good one.
    public var lost: UInt64 = 0
    public var doubled: UInt64 = 0
    public var reordered: UInt64 = 0
    /// Deliveries that took longer than `BenchPlan.lateNanoseconds`. They are no fault, for they came.
    public var late: UInt64 = 0
    /// Messages received ÷ (received + lost), over the whole run.
    public var deliveryRatio: Double = 1
    /// Connections that failed, and those that were not even tried or got no answer before the run was given up.
    public var connectFailures: Int = 0
    public var unopened: Int = 0
    public var unsubscribed: Int = 0
    public var disconnected: UInt64 = 0
    public var invalidFrames: UInt64 = 0
    public var foreign: UInt64 = 0
    /// Nothing arrived for so long that the run was ended early.
    public var stalled = false
    /// Open loop: times that the generator had to hold messages back because the slowest subscriber was too far behind.
    public var heldBack: UInt64 = 0
    /// Why the numbers are not those of the server: a sentence each. Not empty: the result is refused.
    public var refusals: [String] = []
    /// What to keep in mind when reading the numbers: a sentence each.
    public var caveats: [String] = []
    /// A process of wsbench ended early, so some numbers are missing.
    public var isBroken = false
    /// The first reason why a connection failed, and the latest text of the server that was no message.
    public var failure: String?
    public var latestText: String?

    init(plan: BenchPlan) {
        shape = plan.shape.rawValue
        dialect = plan.dialect.rawValue
        connections = plan.connections
        channels = plan.channels
        textBytes = plan.textBytes
        threads = plan.threads
        burst = plan.sendsBursts
        name = plan.name
        switch plan.pace {
        case .window(let count): window = count
        case .rate(let perSecond): rate = perSecond
        }
    }

    /// Whether every message reached every subscriber once, in order, and every connection stood to the end, in all
    /// parts.
    public var isGood: Bool {
        let isComplete = lost == 0 && doubled == 0 && reordered == 0 && invalidFrames == 0 && foreign == 0
        let stands =
            connectFailures == 0 && unopened == 0 && unsubscribed == 0 && disconnected == 0 && !stalled && !isBroken
        let details =
            publishFailures == 0 && (churn?.afterEnd ?? 0) == 0 && (slow?.doubled ?? 0) == 0
            && (slow?.reordered ?? 0) == 0 && (storm.map { $0.returned == $0.dropped } ?? true)
        return isComplete && stands && details && parts.allSatisfy(\.isGood)
    }

    /// Whether the numbers are the server's and not those of an overloaded wsbench, in all parts.
    public var isTrusted: Bool { refusals.isEmpty && parts.allSatisfy(\.isTrusted) }
}
