/// Which of the two generations of the JSON realtime protocol an endpoint speaks. The requests are the same.
public enum RealtimeMode: String, Sendable, CaseIterable {
    /// Generation 1: subscribers receive the published text itself; requests are not answered.
    case raw
    /// Generation 2: subscribers receive `{"type":"message",…}`; requests are confirmed or refused.
    case envelope
}

/// How one JSON realtime endpoint behaves.
public struct RealtimeConfiguration: Sendable {
    public var mode = RealtimeMode.raw
    /// The name space of the endpoint's channels; no application may use the same number.
    public var space: UInt16
    /// The path of the WebSocket endpoint, compared exactly.
    public var path = "/ws"
    /// The path for publishing by HTTP, compared exactly.
    public var broadcastPath = "/internal/broadcast"
    /// Bytes of one message from a client; above it the connection is closed with 1009.
    public var messageBytesMax = 512
    /// Bytes of the body of one publish by HTTP; above it 413.
    public var broadcastBytesMax = 1 << 20
    /// Clients may publish: `{"action":"publish","channel":"c","message":"text"}`. Not part of the reference.
    public var allowsPublish = false
    /// Full origins (scheme://host[:port]) that may connect. "*" allows all, a missing Origin included. When empty:
    /// in raw mode `RealtimeOrigin.rawDefault`, in envelope mode the request's own host.
    public var allowedOrigins: [String] = []
    /// What `X-Broadcast-Secret` must hold. Without one, publishing by HTTP is refused.
    public var broadcastSecret: String?
    /// Publishing by HTTP is open to everybody as long as no secret is set.
    public var allowUnauthenticatedBroadcast = false
    /// Bounds how much is published over HTTP, on all workers together.
    public var gate = BroadcastGate()
    /// Seconds from one pong to the next ping.
    public var pingIntervalSeconds = 54
    /// Seconds without a pong after which a connection is dead; other messages do not count. More than the interval.
    public var pongTimeoutSeconds = 60

    /// Bytes of a channel name. The reference has no bound but that of the message.
    public static let channelNameBytesMax = 1024

    public init(space: UInt16) { self.space = space }
}
