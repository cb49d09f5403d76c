/// What became of events and requests so far.
public struct WebhookStatistics: Sendable, Equatable {
    /// Events that workers have told.
    public var noted: UInt64 = 0
    /// Events that did not fit on the way to the service.
    public var droppedMail: UInt64 = 0
    /// Events pushed out of a full queue by newer ones, one for each endpoint.
    public var droppedQueue: UInt64 = 0
    /// Events given up after the time in which they are tried.
    public var droppedExpired: UInt64 = 0
    /// Events of endpoints that were taken away, or that the node did not get rid of before it stopped.
    public var droppedEnded: UInt64 = 0
    /// Events that were taken back before their time: a channel occupied again, a user who returned.
    public var cancelled: UInt64 = 0
    /// Events that an endpoint has confirmed.
    public var delivered: UInt64 = 0
    /// Requests, by how they ended.
    public var outcomes: [WebhookOutcome.Name: UInt64] = [:]
    /// Events that wait, of all endpoints.
    public var queued = 0
    /// Requests under way.
    public var inFlight = 0
    /// Endpoints by the state of their circuit breaker.
    public var closed = 0
    public var open = 0
    public var halfOpen = 0

    public init() {}
}

/// How a request to an endpoint ended.
public enum WebhookOutcome: Sendable, Equatable {
    /// A status from 200 to 299.
    case confirmed
    case status(Int)
    case timedOut
    /// No connection, or it broke.
    case unreachable(String)
    /// The host has no address that requests may go to.
    case addressRefused

    /// A closed set, for metrics.
    public enum Name: String, Sendable, CaseIterable {
        case confirmed
        case redirect
        case clientError = "client_error"
        case serverError = "server_error"
        case timedOut = "timed_out"
        case unreachable
        case addressRefused = "address_refused"
    }

    public var name: Name {
        switch self {
        case .confirmed: .confirmed
        case .status(let status) where status >= 300 && status < 400: .redirect
        case .status(let status) where status >= 500: .serverError
        case .status: .clientError
        case .timedOut: .timedOut
        case .unreachable: .unreachable
        case .addressRefused: .addressRefused
        }
    }
}
