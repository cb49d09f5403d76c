/// What a run found out. Times are in microseconds, memory in bytes; nil where nothing could be measured.
public struct BenchReport: Encodable, Sendable {
    /// Latencies from the intended send time to the end of the read that brought the message.
    public struct Latency: Encodable, Sendable {
        /// Deliveries measured.
        public var count: UInt64
        /// Percentiles and the maximum.
        public var p50, p90, p99, p999, max: Double
    }

    /// Resident memory of the server.
    public struct Memory: Encodable, Sendable {
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
    public var latency: Latency?
    public var memory: Memory?

    /// What went wrong over the whole run; all zero in a good one.
    public var lost: UInt64 = 0
    public var doubled: UInt64 = 0
    public var reordered: UInt64 = 0
    public var connectFailures: Int = 0
    public var unsubscribed: Int = 0
    public var disconnected: UInt64 = 0
    public var invalidFrames: UInt64 = 0
    public var foreign: UInt64 = 0
    /// Nothing arrived for so long that the run was ended early.
    public var stalled = false
    /// Open loop: times that the generator had to hold messages back because the slowest subscriber was too far behind.
    public var heldBack: UInt64 = 0
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
        switch plan.pace {
        case .window(let count): window = count
        case .rate(let perSecond): rate = perSecond
        }
    }

    /// Whether every message reached every subscriber once, in order, and every connection stood to the end.
    public var isGood: Bool {
        lost == 0 && doubled == 0 && reordered == 0 && connectFailures == 0 && unsubscribed == 0 && disconnected == 0
            && invalidFrames == 0 && foreign == 0 && !stalled
    }
}
