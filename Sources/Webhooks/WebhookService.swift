public import ClarionLog
import ClarionService
import ClarionWire
import Synchronization

/// Sends requests. `HTTPPoster` is the real one; tests have others.
public protocol WebhookPoster: Sendable {
    /// Sends `request` and waits for its end, at most `timeoutSeconds`.
    func post(_ request: WebhookRequest, timeoutSeconds: Int, addresses: AddressRules) async -> WebhookOutcome
    /// Lets go of connections; nothing is posted from now on.
    func close() async
}

/// Takes events from workers and sends them to the endpoints of their applications.
///
/// A thread of its own, a neighbour of the workers: they hand over events without waiting and without a lock, and what
/// does not fit is dropped and counted. Whatever an endpoint does, only what waits for it grows, up to its bound.
public final class WebhookService: Sendable {
    /// What is in the inbox.
    private enum Item: Sendable {
        case note(WebhookNote)
        case applications([(number: Int, application: WebhookApplication?)])
        case limits(WebhookLimits)
        case ended(endpoint: Int, WebhookOutcome)
        case statistics(@Sendable (WebhookStatistics) -> Void)
        case stop(withinSeconds: Int)
    }

    private let inbox = ServiceInbox<Item>()
    private let waitingEvents = Atomic<Int>(0)
    private let waitingBytes = Atomic<Int>(0)
    private let dropped = Atomic<UInt64>(0)
    private let isHandedOver = Atomic<Bool>(false)
    private let thread = Mutex<ServiceThread?>(nil)
    private let poster: any WebhookPoster
    private let log: Logger
    private let initial: WebhookLimits

    public init(limits: WebhookLimits, poster: any WebhookPoster, log: Logger) {
        initial = limits
        self.poster = poster
        self.log = log
    }

    // MARK: From other threads

    /// Hands over an event. From any thread; never waits.
    public func note(_ note: WebhookNote) {
        if isHandedOver.load(ordering: .relaxed), note.kind.tellsOfDeparture { return }
        let bytes = note.byteCount
        let events = waitingEvents.wrappingAdd(1, ordering: .relaxed).newValue
        let sum = waitingBytes.wrappingAdd(bytes, ordering: .relaxed).newValue
        if events > WebhookLimits.mailEventsMax || sum > WebhookLimits.mailBytesMax {
            release(bytes)
            dropped.wrappingAdd(1, ordering: .relaxed)
            return
        }
        inbox.post(.note(note))
    }

    /// From now on nothing is told of who leaves: another process serves them, and tells.
    public func handOver() { isHandedOver.store(true, ordering: .relaxed) }

    /// Sets what applications have, by their numbers; nil takes one away.
    public func set(_ applications: [(number: Int, application: WebhookApplication?)]) {
        if !applications.isEmpty { inbox.post(.applications(applications)) }
    }

    public func set(_ limits: WebhookLimits) { inbox.post(.limits(limits)) }

    /// Calls `body` with the statistics, on the service's thread.
    public func withStatistics(_ body: @escaping @Sendable (WebhookStatistics) -> Void) {
        inbox.post(.statistics(body))
    }

    /// Starts the thread. False when the system refuses one.
    public func start() -> Bool {
        guard let started = ServiceThread({ [self] in run() }) else { return false }
        thread.withLock { $0 = started }
        return true
    }

    /// Sends what waits, for at most `seconds`, and ends the thread.
    public func stop(withinSeconds seconds: Int) {
        inbox.post(.stop(withinSeconds: seconds))
        let started = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        started?.join()
    }

    private func release(_ bytes: Int) {
        waitingEvents.wrappingSubtract(1, ordering: .relaxed)
        waitingBytes.wrappingSubtract(bytes, ordering: .relaxed)
    }

    // MARK: The thread

    private func run() {
        var dispatcher = WebhookDispatcher(limits: initial)
        var stopAt: UInt64?
        while true {
            let isStopping = stopAt != nil
            while let item = inbox.pop() { take(item, &dispatcher, &stopAt) }
            if stopAt != nil && !isStopping { dispatcher.hurries = true }
            send(&dispatcher)
            if let stopAt, dispatcher.isIdle || serviceMilliseconds() >= stopAt { break }
            let next = [dispatcher.nextTime(), stopAt].compactMap { $0 }.min()
            inbox.sleep(untilMilliseconds: next)
        }
        dispatcher.abandon()
        let statistics = dispatcher.snapshot()
        if statistics.droppedEnded > 0 {
            log.warning("webhook events not delivered", ["events": LogValue(statistics.droppedEnded)])
        }
    }

    private func take(_ item: Item, _ dispatcher: inout WebhookDispatcher, _ stopAt: inout UInt64?) {
        switch item {
        case .note(let note):
            release(note.byteCount)
            dispatcher.take(note, at: serviceMilliseconds())
        case .applications(let list):
            for entry in list { dispatcher.set(entry.number, entry.application) }
        case .limits(let limits):
            dispatcher.limits = limits
        case .ended(let endpoint, let outcome):
            end(endpoint, outcome, &dispatcher)
        case .statistics(let body):
            var statistics = dispatcher.snapshot()
            statistics.droppedMail = dropped.load(ordering: .relaxed)
            body(statistics)
        case .stop(let seconds):
            stopAt = serviceMilliseconds() + UInt64(max(seconds, 0)) * 1_000
        }
    }

    private func send(_ dispatcher: inout WebhookDispatcher) {
        let limits = dispatcher.limits
        for request in dispatcher.due(at: serviceMilliseconds(), unixMilliseconds: unixMilliseconds()) {
            Task { [self] in
                let outcome = await poster.post(
                    request, timeoutSeconds: limits.timeoutSeconds, addresses: limits.addresses)
                inbox.post(.ended(endpoint: request.endpoint, outcome))
            }
        }
    }

    private func end(_ endpoint: Int, _ outcome: WebhookOutcome, _ dispatcher: inout WebhookDispatcher) {
        let before = dispatcher.breaker(endpoint)
        dispatcher.ended(endpoint, outcome, at: serviceMilliseconds(), jitter: Double.random(in: 0..<1))
        guard let url = dispatcher.url(endpoint), let after = dispatcher.breaker(endpoint) else { return }
        let fields: LogFields = ["endpoint": .text(url.shown), "outcome": .text(Self.text(outcome))]
        switch (before, after) {
        case (.closed, .closed) where outcome != .confirmed:
            log.sampled(.warning, reason: "webhook", "webhook failed", fields)
        case (.closed, .open): log.warning("webhook endpoint rests after too many failures", fields)
        case (.halfOpen, .closed), (.open, .closed): log.info("webhook endpoint is back", fields)
        default: break
        }
    }

    private static func text(_ outcome: WebhookOutcome) -> String {
        switch outcome {
        case .confirmed: "confirmed"
        case .status(let status): "status \(status)"
        case .timedOut: "no answer in time"
        case .unreachable(let reason): "unreachable: \(reason)"
        case .addressRefused: "its address is not public; see webhooks.allowed_networks"
        }
    }
}
