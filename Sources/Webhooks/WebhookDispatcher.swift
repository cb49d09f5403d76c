import CCrypto
import ClarionBytes
public import ClarionWire

/// A request to an endpoint, ready to be sent.
public struct WebhookRequest: Sendable, Equatable {
    /// Names the endpoint to `WebhookDispatcher.ended`.
    public let endpoint: Int
    public let url: EndpointURL
    public let headers: [WebhookEndpoint.Header]
    public let body: [UInt8]
}

/// Decides what is sent to whom and when: filters, grace, batches, retries. Does no I/O and has no clock of its own, so
/// that tests can play both; `WebhookService` runs it on a thread. Times are milliseconds of a clock that never goes
/// back.
struct WebhookDispatcher {
    private struct Endpoint {
        let application: Int
        let settings: WebhookEndpoint
        var queue = EndpointQueue()
    }

    /// What an event is told apart by while it is held back.
    private struct HeldKey: Hashable {
        let kind: WebhookKind
        let application: Int
        let channel: [UInt8]
        let user: [UInt8]
    }

    private struct Held {
        var due: UInt64
        var count: Int
    }

    var limits: WebhookLimits
    private(set) var statistics = WebhookStatistics()
    private var applications: [Int: WebhookApplication] = [:]
    /// Endpoints by number; numbers are not used again.
    private var endpoints: [Int: Endpoint] = [:]
    private var endpointsOfApplication: [Int: [Int]] = [:]
    private var nextEndpoint = 0
    /// Endpoints for which something waits or is under way.
    private var active: Set<Int> = []
    private var inFlight = 0
    private var held: [HeldKey: Held] = [:]
    /// Keys in the order in which their times come, for each length of time (grace, count); some are gone already.
    private var graceOrder = TimedKeys<HeldKey>()
    private var countOrder = TimedKeys<HeldKey>()
    private var recentMisses: [HeldKey: UInt64] = [:]
    /// The node stops: nothing waits any more.
    var hurries = false

    init(limits: WebhookLimits) { self.limits = limits }

    // MARK: Configuration

    /// Sets or takes away what application number `number` has. Endpoints that stay the same keep what waits for them.
    mutating func set(_ number: Int, _ application: WebhookApplication?) {
        let old = endpointsOfApplication[number] ?? []
        var kept: [Int] = []
        for settings in application?.endpoints ?? [] {
            let match = old.first { !kept.contains($0) && endpoints[$0]?.settings == settings }
            if let match {
                kept.append(match)
            } else {
                endpoints[nextEndpoint] = Endpoint(application: number, settings: settings)
                kept.append(nextEndpoint)
                nextEndpoint += 1
            }
        }
        for gone in old where !kept.contains(gone) {
            statistics.droppedEnded += UInt64(endpoints[gone]?.queue.count ?? 0)
            inFlight -= endpoints[gone]?.queue.isInFlight == true ? 1 : 0
            endpoints[gone] = nil
            active.remove(gone)
        }
        endpointsOfApplication[number] = kept.isEmpty ? nil : kept
        applications[number] = application
        if application == nil { held = held.filter { $0.key.application != number } }
    }

    // MARK: Events

    mutating func take(_ note: WebhookNote, at now: UInt64) {
        statistics.noted += 1
        let key = HeldKey(kind: note.kind, application: note.application, channel: note.channel, user: note.user)
        switch note.kind {
        case .channelVacated, .memberRemoved:
            if limits.graceSeconds == 0 || held.count >= WebhookLimits.heldMax || hurries { break }
            let due = now + UInt64(limits.graceSeconds) * 1_000
            held[key] = Held(due: due, count: 0)
            return graceOrder.append(key, due)
        case .channelOccupied: if takeBack(.channelVacated, key) { return }
        case .memberAdded: if takeBack(.memberRemoved, key) { return }
        case .subscriptionCount:
            if hold(count: note.count, key, at: now) { return }
        case .cacheMiss:
            let isRecent = recentMisses[key].map { now - $0 < UInt64(WebhookLimits.cacheMissMilliseconds) } ?? false
            if isRecent { return }
            if recentMisses.count >= WebhookLimits.heldMax { recentMisses = [:] }
            recentMisses[key] = now
        case .clientEvent: break
        }
        queue(note, at: now)
    }

    /// True when the opposite was only held back: then nobody hears of either.
    private mutating func takeBack(_ opposite: WebhookKind, _ key: HeldKey) -> Bool {
        let other = HeldKey(kind: opposite, application: key.application, channel: key.channel, user: key.user)
        guard held.removeValue(forKey: other) != nil else { return false }
        statistics.cancelled += 2
        return true
    }

    /// Whether the count of a large channel waits for its time; the last one counts.
    private mutating func hold(count: Int, _ key: HeldKey, at now: UInt64) -> Bool {
        if count <= WebhookLimits.countedSubscribersMax || hurries {
            held[key] = nil
            return false
        }
        if let waiting = held[key] {
            held[key] = Held(due: waiting.due, count: count)
            return true
        }
        if held.count >= WebhookLimits.heldMax { return false }
        let due = now + UInt64(WebhookLimits.countSeconds) * 1_000
        held[key] = Held(due: due, count: count)
        countOrder.append(key, due)
        return true
    }

    private mutating func queue(_ note: WebhookNote, at now: UInt64) {
        var json: [UInt8]?
        for number in endpointsOfApplication[note.application] ?? [] {
            guard endpoints[number]?.settings.wants(note) == true else { continue }
            let text = json ?? Self.json(note)
            json = text
            let dropped = endpoints[number]?.queue.add(text, at: now, limits) ?? 0
            statistics.droppedQueue += UInt64(dropped)
            active.insert(number)
        }
    }

    // MARK: Requests

    /// What is to be sent now. The caller sends, and calls `ended` for each.
    /// - Parameter unixMilliseconds: the time of day.
    mutating func due(at now: UInt64, unixMilliseconds: Int64) -> [WebhookRequest] {
        releaseHeld(at: now)
        var requests: [WebhookRequest] = []
        for number in active where inFlight < WebhookLimits.requestsMax {
            guard let result = endpoints[number]?.queue.take(at: now, limits, hurries: hurries) else { continue }
            if endpoints[number]?.queue.count == 0 { active.remove(number) }
            statistics.droppedExpired += UInt64(result.expired)
            guard let events = result.events, let endpoint = endpoints[number],
                let application = applications[endpoint.application]
            else { continue }
            inFlight += 1
            requests.append(
                Self.request(number, endpoint.settings, application, events, unixMilliseconds: unixMilliseconds))
        }
        return requests
    }

    mutating func ended(_ endpoint: Int, _ outcome: WebhookOutcome, at now: UInt64, jitter: Double) {
        statistics.outcomes[outcome.name, default: 0] += 1
        if endpoints[endpoint] == nil { return }  // taken away meanwhile
        inFlight -= 1
        let confirmed = endpoints[endpoint]?.queue.end(
            wasConfirmed: outcome == .confirmed, at: now, jitter: jitter, limits)
        statistics.delivered += UInt64(confirmed ?? 0)
        if endpoints[endpoint]?.queue.count == 0 { active.remove(endpoint) }
    }

    /// The breaker of an endpoint, for the log line that tells of its change.
    func breaker(_ endpoint: Int) -> EndpointQueue.Breaker? { endpoints[endpoint]?.queue.breaker }

    func url(_ endpoint: Int) -> EndpointURL? { endpoints[endpoint]?.settings.url }

    /// When `due` is worth calling again; nil: when something happens.
    func nextTime() -> UInt64? {
        var next = [graceOrder.firstTime, countOrder.firstTime].compactMap { $0 }.min()
        for number in active {
            guard let time = endpoints[number]?.queue.nextTime(limits) else { continue }
            next = min(next ?? time, time)
        }
        return next
    }

    /// Nothing is held, waits or is under way.
    var isIdle: Bool { held.isEmpty && active.allSatisfy { endpoints[$0]?.queue.count == 0 } }

    /// Events that are left when the node gives up.
    mutating func abandon() {
        statistics.droppedEnded += UInt64(endpoints.values.reduce(held.count) { $0 + $1.queue.count })
    }

    /// The statistics with the numbers of this moment.
    func snapshot() -> WebhookStatistics {
        var snapshot = statistics
        for endpoint in endpoints.values {
            snapshot.queued += endpoint.queue.count
            snapshot.inFlight += endpoint.queue.isInFlight ? 1 : 0
            switch endpoint.queue.breaker {
            case .closed: snapshot.closed += 1
            case .open: snapshot.open += 1
            case .halfOpen: snapshot.halfOpen += 1
            }
        }
        return snapshot
    }

    private mutating func releaseHeld(at now: UInt64) {
        while let key = graceOrder.next(at: hurries ? UInt64.max : now) { release(key, at: now) }
        while let key = countOrder.next(at: hurries ? UInt64.max : now) { release(key, at: now) }
    }

    private mutating func release(_ key: HeldKey, at now: UInt64) {
        // An entry that was taken back and made again has a later time, and comes again under it.
        guard let entry = held[key], hurries || entry.due <= now else { return }
        held[key] = nil
        let note = WebhookNote(
            key.kind, application: key.application, channel: key.channel, user: key.user, count: entry.count)
        queue(note, at: now)
    }

    // MARK: Texts

    /// One event as a JSON object.
    static func json(_ note: WebhookNote) -> [UInt8] {
        var text = ByteBuffer(capacity: note.byteCount)
        text.append(#"{"name":""#)
        text.append(note.kind.rawValue)
        text.append(#"","channel":""#)
        text.append(String(decoding: note.channel, as: UTF8.self))
        text.append("\"")
        if !note.user.isEmpty {
            text.append(#","user_id":"#)
            note.user.withView { JSONWriter.append(string: $0, to: &text) }
        }
        if !note.details.isEmpty {
            text.append(",")
            note.details.withView { text.append($0) }
        }
        if note.kind == .subscriptionCount {
            text.append(#","subscription_count":"#)
            text.append(decimal: UInt64(max(note.count, 0)))
        }
        text.append("}")
        return text.view.array
    }

    private static func request(
        _ number: Int, _ endpoint: WebhookEndpoint, _ application: WebhookApplication, _ events: [[UInt8]],
        unixMilliseconds: Int64
    ) -> WebhookRequest {
        var body = Array("{\"time_ms\":\(unixMilliseconds),\"events\":[".utf8)
        body.append(contentsOf: events.joined(separator: [UInt8(ascii: ",")]))
        body.append(contentsOf: "]}".utf8)
        var headers = endpoint.headers
        headers.append(WebhookEndpoint.Header(name: "Content-Type", value: "application/json"))
        headers.append(WebhookEndpoint.Header(name: "X-Pusher-Key", value: application.key))
        let signature = sign(body, secret: application.secret)
        headers.append(WebhookEndpoint.Header(name: "X-Pusher-Signature", value: signature))
        return WebhookRequest(endpoint: number, url: endpoint.url, headers: headers, body: body)
    }

    /// HMAC-SHA256 in lower-case hexadecimal digits.
    static func sign(_ body: [UInt8], secret: String) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        let secret = Array(secret.utf8)
        precondition(
            unsafe ccrypto_hmac_sha256(secret, secret.count, body, body.count, &digest) == 1, "no HMAC to be had")
        return digest.withView { view in
            var hex = ByteBuffer(capacity: 64)
            Hex.append(view, to: &hex)
            return hex.view.string
        }
    }
}

/// Keys with times that come in order; taken from the front.
private struct TimedKeys<Key: Hashable> {
    private var keys: [(key: Key, time: UInt64)] = []
    private var first = 0

    var firstTime: UInt64? { first < keys.count ? keys[first].time : nil }

    mutating func append(_ key: Key, _ time: UInt64) { keys.append((key, time)) }

    /// The next key whose time has come.
    mutating func next(at now: UInt64) -> Key? {
        guard first < keys.count, keys[first].time <= now else { return nil }
        let key = keys[first].key
        first += 1
        if first == keys.count || first > 1_024 && first * 2 > keys.count {
            keys.removeFirst(first)
            first = 0
        }
        return key
    }
}

extension [UInt8] {
    /// Lends the bytes for a call.
    func withView<Outcome>(_ body: (ByteView) -> Outcome) -> Outcome {
        unsafe withUnsafeBufferPointer { buffer in
            unsafe body(buffer.baseAddress.map { unsafe ByteView(base: $0, count: buffer.count) } ?? ByteView(""))
        }
    }
}
