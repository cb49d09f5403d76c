/// Bounds and times of webhooks.
public struct WebhookLimits: Sendable, Equatable {
    /// Time for which events wait for others to go with them.
    public var batchMilliseconds = 50
    /// Events of one request.
    public var batchEventsMax = 100
    /// How long a channel must be empty, or a user gone, before that is told.
    public var graceSeconds = 3
    /// Events that wait for one endpoint; the oldest leave first.
    public var queueEventsMax = 10_000
    /// How long an event is tried.
    public var retrySeconds = 300
    /// Time for one request and its answer.
    public var timeoutSeconds = 10
    /// Where requests may go.
    public var addresses = AddressRules()

    public init() {}

    // What follows is fixed.

    /// Events on their way from the workers, and their bytes.
    static let mailEventsMax = 65_536
    static let mailBytesMax = 64 << 20
    /// Bytes of one request; an event that is larger by itself goes alone.
    static let batchBytesMax = 512 << 10
    /// Bytes that wait for one endpoint.
    static let queueBytesMax = 32 << 20
    /// Events that are held back to see whether they are taken back; more go at once.
    static let heldMax = 65_536
    /// Failures in a row after which an endpoint rests, and for how long at first and at most.
    static let failuresMax = 5
    static let restSeconds = 30
    static let restSecondsMax = 300
    /// Time before a failed request is sent again: doubled each time, and at most.
    static let backOffMilliseconds = 1_000
    static let backOffMillisecondsMax = 60_000
    /// Requests under way at a time, to all endpoints.
    static let requestsMax = 64
    /// Bytes of an answer that are read.
    static let answerBytesMax = 64 << 10
    /// Up to this many subscribers every change of their number is told; above, the number every few seconds.
    static let countedSubscribersMax = 100
    static let countSeconds = 5
    /// A cache miss of one channel is told once in this time.
    static let cacheMissMilliseconds = 1_000
}
