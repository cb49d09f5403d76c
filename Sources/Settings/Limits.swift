/// The bounds that keep a node alive whatever its peers do. `SettingTable.limits` says of each what it costs and what happens at it.
public struct Limits: Sendable, Equatable {
    /// Connections of one worker.
    public var connectionsMax = 65_536
    /// Channels that one connection may be subscribed to.
    public var channelsPerConnectionMax = 100
    /// Bytes of messages that the log of one channel keeps, on each worker that has subscribers.
    public var logBytesMax = 1 << 20
    /// Bytes of direct replies that wait for one connection.
    public var outboxBytesMax = 1 << 20
    /// Bytes that wait in the mailbox of one worker.
    public var mailboxBytesMax = 64 << 20
    /// What happens to a reader that its channel's log has overtaken.
    public var slowConsumerPolicy = SlowConsumerPolicy.close
    /// Seconds that a send may take before its reader counts as slow.
    public var slowConsumerSeconds = 10
    /// Seconds from accepting a connection to the end of its request head.
    public var headSeconds = 5
    /// Bytes of a request head.
    public var headBytesMax = 8 * 1024
    /// Fragments of one message.
    public var messageFragmentsMax = 64
    /// Seconds from the first to the last fragment of a message.
    public var messageSeconds = 30
    /// Seconds that a peer has to answer a close frame.
    public var closeSeconds = 2
    /// Seconds that a stopping node gives its connections.
    public var drainSeconds = 10

    public init() {}
}

/// What happens to a reader that is so far behind that messages it has not seen leave the log.
public enum SlowConsumerPolicy: String, Sendable, CaseIterable {
    /// The connection is closed, with a reason that says so.
    case close
    /// The reader goes on with the newest message and, where its protocol can, is told what it lost.
    case skip
    /// The reader only ever gets the newest message.
    case conflate
}
