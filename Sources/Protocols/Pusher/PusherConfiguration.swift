/// What holds for all applications of a node.
public struct PusherConfiguration: Sendable {
    public var applications: [ApplicationConfiguration]
    /// In front of all paths ("/ws"); empty for none. Not part of what signatures cover.
    public var pathPrefix = ""
    /// Bytes of one HTTP API request, head and body together; above it 413.
    public var requestBytesMax = 10_000
    /// Bytes of the data of one published event; above it 413.
    public var eventDataBytesMax = 10 << 10
    /// Seconds that the timestamp of a signed request may be off; nil: it is not looked at.
    public var timestampToleranceSeconds: Int? = 600
    /// Protocol versions other than 4 to 7 are refused; a missing one never is.
    public var checksProtocolVersion = true

    public init(applications: [ApplicationConfiguration]) { self.applications = applications }
}

/// Bounds of the Pusher protocol that are the same for every application.
public enum PusherLimits {
    /// Bytes of a channel name, as server SDKs have it.
    public static let channelNameBytesMax = 200
    /// Bytes of an event name.
    public static let eventNameBytesMax = 200
    /// Channels of one published event.
    public static let channelsPerEventMax = 100
    /// Events of one batch.
    public static let eventsPerBatchMax = 10
    /// How often one connection may join presence channels in a window of so many seconds. Who comes back after a break
    /// joins all its channels at once.
    public static let presenceJoinsMax = 200
    public static let presenceJoinSeconds = 10
    /// Seconds that a publishing request may have waited because the node is behind; one that waited longer is refused
    /// with 503.
    public static let publishDelaySecondsMax = 5
    /// Applications of one node: their numbers are name spaces, of which one is left to others.
    public static let applicationsMax = 65_534
}
