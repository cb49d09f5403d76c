/// The bounds that keep a node alive whatever its peers do. `SettingTable.limits` says of each what it costs and what
/// happens at it.
public struct Limits: Sendable, Equatable {
    /// Connections of one worker.
    public var connectionsMax = 16_384
    /// Connections of one address on the whole node; 0: no bound.
    public var connectionsPerAddress = 0
    /// Connections of the whole node that have not said what they want; 0: three quarters of all.
    public var unidentifiedMax = 0
    /// New connections of one address in a second, 0: no bound; and how many may come at once.
    public var connectionsPerAddressPerSecond = 0
    public var connectionsPerAddressBurst = 50
    /// New connections of the whole node in a second, 0: no bound; and how many may come at once.
    public var acceptsPerSecond = 0
    public var acceptsBurst = 500
    /// Messages of one WebSocket in a second, 0: no bound; and how many may come at once.
    public var messagesPerSecond = 0
    public var messagesBurst = 100
    /// Bytes of one WebSocket in a second, 0: no bound; and how many may come at once.
    public var bytesPerSecond = 0
    public var bytesBurst = 256 << 10
    /// Channels that one worker knows.
    public var channelsMax = 1 << 20
    /// Subscriptions of one connection.
    public var subscriptionsPerConnectionMax = 100
    /// Bytes of one channel's log on one worker.
    public var logBytesMax = 1 << 20
    /// Bytes of all logs and waiting replies of one worker.
    public var blockBytesMax = 256 << 20
    /// Bytes of replies that wait for one connection.
    public var outboxBytesMax = 1 << 20
    /// Bytes of one message on `/echo`.
    public var echoMessageBytesMax = 16 << 20
    /// Batches of mail from other workers that wait for one worker.
    public var mailBatchesMax = 256
    /// What happens to a reader that its channel's log has overtaken.
    public var slowConsumerPolicy = SlowConsumerPolicy.close
    /// Seconds that a reader may take nothing before it counts as slow.
    public var slowConsumerSeconds = 10
    /// Seconds from accepting a connection to the end of its request.
    public var headSeconds = 5
    /// Seconds from accepting a connection to the end of its TLS handshake.
    public var handshakeSeconds = 5
    /// TLS handshakes that one worker begins in a second.
    public var handshakesPerSecond = 500
    /// Seconds that an HTTP connection may rest between requests.
    public var idleSeconds = 30
    /// Seconds from the first byte of a message to its last.
    public var messageSeconds = 30
    /// Frames of one message.
    public var fragmentsMax = 64
    /// Control frames that a connection may send at once.
    public var controlFramesBurst = 20
    /// Control frames a second that a connection may send in the long run.
    public var controlFramesPerSecond = 5
    /// Seconds that a peer has to answer a close frame.
    public var closeSeconds = 2
    /// Seconds that sent bytes may stay unacknowledged by the peer's kernel.
    public var unacknowledgedSeconds = 60
    /// Seconds that a stopping node gives its connections.
    public var drainSeconds = 10
    /// Seconds over which SIGTERM spreads the closes, and how many a second there are at the least, of the whole node.
    public var drainSpreadSeconds = 10
    public var drainPerSecondMin = 500
    /// Last messages of cache channels, of one worker: how many, their bytes, and for how long they are kept.
    public var cacheMessagesMax = 100_000
    public var cacheBytesMax = 64 << 20
    public var cacheSeconds = 1_800

    public init() {}
}

/// What happens to a reader that is so far behind that messages it has not seen leave the log.
public enum SlowConsumerPolicy: String, Sendable, CaseIterable {
    /// The connection is closed, with a reason that says so.
    case close
    /// The reader goes on with the newest message; what it lost is counted.
    case skip
    /// As `skip`, and from then on only the newest message waits for it.
    case conflate
}
