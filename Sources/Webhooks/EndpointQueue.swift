/// The events that wait for one endpoint, the request under way, and the circuit breaker.
///
/// At most one request is under way, so events arrive in order. Times are milliseconds of a clock that never goes back.
struct EndpointQueue {
    /// What the circuit breaker does.
    enum Breaker: Equatable {
        /// Requests go.
        case closed
        /// Too many failed: nothing goes before this time.
        case open(until: UInt64)
        /// One request goes, and decides.
        case halfOpen
    }

    private struct Waiting {
        let json: [UInt8]
        let since: UInt64
    }

    private(set) var breaker = Breaker.closed
    /// From `first` on; what lies before is gone.
    private var waiting: [Waiting] = []
    private var first = 0
    private var waitingBytes = 0
    /// The request under way, or to be sent again.
    private var batch: [Waiting] = []
    private(set) var isInFlight = false
    /// When the next request may go; nil: nothing to send.
    private var dueAt: UInt64?
    private var failures = 0
    private var restMilliseconds = UInt64(WebhookLimits.restSeconds) * 1_000

    /// Events that wait or are under way.
    var count: Int { waiting.count - first + batch.count }

    /// Adds an event; returns how many old ones it pushed out.
    mutating func add(_ json: [UInt8], at now: UInt64, _ limits: WebhookLimits) -> Int {
        waiting.append(Waiting(json: json, since: now))
        waitingBytes += json.count
        var dropped = 0
        while waiting.count - first > limits.queueEventsMax || waitingBytes > WebhookLimits.queueBytesMax {
            dropFirst()
            dropped += 1
        }
        if dueAt == nil && !isInFlight && waiting.count > first { dueAt = now + UInt64(limits.batchMilliseconds) }
        return dropped
    }

    /// The events of the request to send now, with the number of those given up; nil when it is not time.
    /// - Parameter hurries: batches and rests wait for nothing, since the node stops.
    mutating func take(
        at now: UInt64, _ limits: WebhookLimits, hurries: Bool
    ) -> (events: [[UInt8]]?, expired: Int) {
        if isInFlight { return (nil, 0) }
        let expired = expire(at: now, limits)
        if count == 0 {
            dueAt = nil
            return (nil, expired)
        }
        if case .open(let until) = breaker {
            if now < until { return (nil, expired) }
            breaker = .halfOpen
        }
        let isFull = batch.isEmpty && waiting.count - first >= limits.batchEventsMax
        guard let dueAt, now >= dueAt || hurries && failures == 0 || isFull else { return (nil, expired) }
        fillBatch(limits)
        isInFlight = true
        self.dueAt = nil
        return (batch.map(\.json), expired)
    }

    private mutating func fillBatch(_ limits: WebhookLimits) {
        if !batch.isEmpty { return }
        var bytes = 0
        while first < waiting.count, batch.count < limits.batchEventsMax {
            bytes += waiting[first].json.count
            if bytes > WebhookLimits.batchBytesMax && !batch.isEmpty { break }
            batch.append(waiting[first])
            dropFirst()
        }
    }

    /// Takes what has waited too long out of the queue.
    private mutating func expire(at now: UInt64, _ limits: WebhookLimits) -> Int {
        let longest = UInt64(limits.retrySeconds) * 1_000
        var expired = 0
        if let oldest = batch.first, now - oldest.since > longest {
            expired += batch.count
            batch = []
        }
        while first < waiting.count, now - waiting[first].since > longest {
            dropFirst()
            expired += 1
        }
        return expired
    }

    /// The request has ended. Returns how many events it confirmed.
    /// - Parameter jitter: 0 ..< 1, so that endpoints do not come back at the same moment.
    mutating func end(wasConfirmed: Bool, at now: UInt64, jitter: Double, _ limits: WebhookLimits) -> Int {
        isInFlight = false
        if wasConfirmed {
            let confirmed = batch.count
            batch = []
            failures = 0
            breaker = .closed
            restMilliseconds = UInt64(WebhookLimits.restSeconds) * 1_000
            dueAt = count > 0 ? now : nil
            return confirmed
        }
        failures += 1
        if breaker == .halfOpen || failures >= WebhookLimits.failuresMax {
            breaker = .open(until: now + UInt64(Double(restMilliseconds) * (1 + jitter / 4)))
            restMilliseconds = min(restMilliseconds * 2, UInt64(WebhookLimits.restSecondsMax) * 1_000)
            dueAt = now
        } else {
            let wait = min(
                WebhookLimits.backOffMilliseconds << min(failures - 1, 10), WebhookLimits.backOffMillisecondsMax)
            dueAt = now + UInt64(Double(wait) * (1 + jitter / 4))
        }
        return 0
    }

    /// When `take` is worth calling; nil: when an event comes or a request ends.
    func nextTime(_ limits: WebhookLimits) -> UInt64? {
        if isInFlight || count == 0 { return nil }
        if case .open(let until) = breaker { return until }
        return dueAt
    }

    private mutating func dropFirst() {
        waitingBytes -= waiting[first].json.count
        first += 1
        if first > 256 && first * 2 > waiting.count {
            waiting.removeFirst(first)
            first = 0
        }
    }
}
