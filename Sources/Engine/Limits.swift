public import ClarionLoop

/// The bounds of an engine, all per worker or per connection. `docs/LIMITS.md` tells what each costs.
public struct EngineLimits: Sendable {
    /// Connections of one worker.
    public var connectionsMax = 16_384
    /// Channels with subscribers on one worker, and channels whose home it is.
    public var channelsMax = 1 << 20
    /// Subscriptions of one connection.
    public var subscriptionsPerConnectionMax = 100
    /// Bytes of a channel's log on one worker. A reader that falls back further is slow.
    public var logBytesMax = 1 << 20
    /// Bytes of all logs and waiting replies of one worker; over it, logs no longer grow.
    public var blockBytesMax = 256 << 20
    /// Bytes of replies that wait for one connection (a frame being sent does not count).
    public var outboxBytesMax = 1 << 20
    /// A reader that takes nothing for so long is slow.
    public var slowConsumerSeconds = 10
    /// What happens to a slow reader.
    public var slowConsumerPolicy = SlowConsumerPolicy.close
    /// From accept to the end of the request head, and of the body behind it.
    public var headSeconds = 5
    /// From accept to the end of the TLS handshake.
    public var handshakeSeconds = 5
    /// TLS handshakes that one worker begins in a second.
    public var handshakesPerSecond = 500
    /// New connections of the whole node in a second; over it they wait in the kernel's queue.
    public var accepts = BucketRule(perSecond: 0, burst: 1)
    /// Messages, and bytes, that one WebSocket may send; over it it is not read until there is a token again.
    public var messages = BucketRule(perSecond: 0, burst: 1)
    public var bytes = BucketRule(perSecond: 0, burst: 1)
    /// Connections that one address may have on the whole node; 0: no bound.
    public var connectionsPerAddress = 0
    /// New connections of one address in a second, on the whole node.
    public var newPerAddress = BucketRule(perSecond: 0, burst: 1)
    /// Connections of the whole node that have not said what they want; 0: three quarters of all that there may be.
    public var unidentifiedMax = 0
    /// Whose PROXY headers and X-Forwarded-For fields are believed.
    public var trustedProxies: [AddressRange] = []
    /// An HTTP connection between requests.
    public var idleSeconds = 30
    /// From our close frame, or the end of sending, to the end of TCP.
    public var closeSeconds = 2
    /// From the first byte of a message to its last.
    public var messageSeconds = 30
    /// Frames of one message.
    public var fragmentsMax = 64
    /// Control frames a connection may send at once, and for each second.
    public var controlFramesBurst = 20
    public var controlFramesPerSecond = 5
    /// Time for everything to leave after the order to stop.
    public var drainSeconds = 10
    /// Time over which clients are sent away before that order, and how many a second at the least, of the whole node.
    public var drainSpreadSeconds = 10
    public var drainPerSecondMin = 500
    /// Batches of mail that may wait for one worker before those who send to it rest.
    public var mailBatchesMax = 256
    /// permessage-deflate.
    public var deflate = DeflateOptions()

    /// Last messages that channels whose home is on one worker keep for newcomers: how many, their bytes together, and
    /// for how long. Over a bound the oldest goes.
    public var keptMessagesMax = 100_000
    public var keptBytesMax = 64 << 20
    public var keptSeconds = 1800

    public init() {}
}

/// Numbers of what homes tell subscribers.
enum KeepingLimits {
    /// Subscribers of a channel up to this number are told of every change of it.
    static let countedAtOnceMax = 100
    /// How often larger channels are told.
    static let countSeconds = 5
}

/// What happens to a reader that the channel's log has passed.
public enum SlowConsumerPolicy: String, Sendable, CaseIterable {
    /// The connection is closed; the close reason says why.
    case close
    /// It goes on with the newest message; what it lost is counted.
    case skip
    /// As `skip`, and from then on only the newest message waits for it.
    case conflate
}

/// Numbers that shape a worker's turn. What was measured of them is in docs/PERFORMANCE.md.
enum TurnLimits {
    /// Sends of one flush before the worker looks for new input: about 1.5 ms. Each pause lets a reader on the same
    /// machine go to sleep, and waking it costs: 256 were 4 to 10 % dearer, 1024 no cheaper.
    static let sendsPerSlice = 512
    /// Sends that a channel has at once when a circle over its subscribers begins.
    static let sendsOfBeginning = 64
    /// Completions of one turn.
    static let completionsMax = 512
    /// Subscribers of one channel that are looked at before the next channel has its turn.
    static let visitsPerTurn = 4096
    /// Batches of mail of one turn; more when more were there at its beginning.
    static let mailBatchesPerTurn = 64
    /// Bytes of one staged send, and of all staged sends of a slice.
    static let stagedSendBytesMax = 64 << 10
    static let stagingBytes = 1 << 20
    /// Buffered bytes of an HTTP connection that waits for its answer before reading rests.
    static let pipelinedBytesMax = 16 << 10
    /// A pause of the process longer than this does not count as silence of the peers.
    static let pauseTicks: UInt32 = 5 * Clock.ticksPerSecond
}

/// Time as workers count it.
public enum Clock {
    /// A tick is 1/16 s = 62.5 ms.
    public static let ticksPerSecond: UInt32 = 16
    static let nanosecondsPerTick: UInt64 = 62_500_000
}
