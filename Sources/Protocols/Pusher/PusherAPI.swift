import ClarionBytes
import ClarionEngine
import ClarionWire
import Glibc

/// The HTTP API: publishing events, and questions about channels.
///
/// Order of the checks, as in Reverb: method (405), size (413), application (404), signature (401), then the rest: what
/// is wrong with the request (400, 413, 422), and last whether its application may publish now (429).
final class PusherAPI {
    private let node: PusherNode
    /// The message being published.
    private var output = ByteBuffer()
    /// Unix seconds.
    private let clock: () -> Int
    /// Nanoseconds that only go forward.
    private let monotonicClock: () -> UInt64

    init(
        _ node: PusherNode, clock: @escaping () -> Int = { time(nil) },
        monotonicClock: @escaping () -> UInt64 = PusherAPI.monotonicNanoseconds
    ) {
        self.node = node
        self.clock = clock
        self.monotonicClock = monotonicClock
    }

    private static func monotonicNanoseconds() -> UInt64 {
        var now = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }

    private static let json: StaticString = "application/json"
    private static let plainText: StaticString = "text/plain; charset=utf-8"

    func answer(_ route: PusherRoute, _ request: PusherRequest, _ caller: some PusherCaller) {
        if case .malformed = route { return refuse(400, "Bad request.", caller) }
        if !PusherAPI.allows(request.method, route) {
            return caller.respond(
                status: 405, contentType: PusherAPI.plainText, body: ByteView("Method not allowed."),
                fields: PusherAPI.isPost(route) ? "Allow: POST\r\n" : "Allow: GET\r\n")
        }
        let limit = node.configuration.requestBytesMax
        if request.byteCount > limit {
            let text = "Payload too large: the request has \(request.byteCount) bytes, the limit is \(limit)."
            return explain(413, text, caller)
        }
        switch route {
        case .malformed, .unknown: refuse(404, "Not found.", caller)
        case .up: reply(ByteView(#"{"health":"OK"}"#), caller)
        case .socket:
            caller.respond(
                status: 426, contentType: PusherAPI.plainText, body: ByteView("Upgrade required."),
                fields: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
        case .events(let app), .batch(let app), .channels(let app), .channel(let app, _), .channelUsers(let app, _),
            .terminate(let app, _), .connections(let app):
            guard let index = node.table.index(id: app) else {
                return explain(404, "No matching application for ID [\(app.string)].", caller)
            }
            if !node.table.applications[index].configuration.isEnabled {
                return refuse(403, "Application disabled.", caller)
            }
            answer(route, request, application: index, caller)
        }
    }

    private static func isPost(_ route: PusherRoute) -> Bool {
        switch route {
        case .events, .batch, .terminate: return true
        default: return false
        }
    }

    /// HEAD is taken as GET is; the engine leaves out the body of the answer.
    private static func allows(_ method: ByteView, _ route: PusherRoute) -> Bool {
        isPost(route) ? method == "POST" : method == "GET" || method == "HEAD"
    }

    private func answer(
        _ route: PusherRoute, _ request: PusherRequest, application: Int, _ caller: some PusherCaller
    ) {
        do throws(RequestQuery.Fault) {
            let query = try RequestQuery(request.query)
            let fault = RequestSignature.check(
                method: request.method, path: request.path, query: query, body: request.body,
                node.table.applications[application], unixSeconds: clock(),
                toleranceSeconds: node.configuration.timestampToleranceSeconds)
            if let fault { return refuse(401, fault.text, caller) }
            answer(route, query, request, application: application, caller)
        } catch {
            switch error {
            case .repeatedParameter: refuse(401, RequestSignature.Fault.repeated.text, caller)
            case .unreadable, .tooManyParameters: refuse(401, RequestSignature.Fault.query.text, caller)
            }
        }
    }

    private func answer(
        _ route: PusherRoute, _ query: borrowing RequestQuery, _ request: PusherRequest, application: Int,
        _ caller: some PusherCaller
    ) {
        let space = AppTable.space(of: application)
        let attributes = query.value("info").map { ChannelAttributes($0) } ?? []
        switch route {
        case .events: take(request, isBatch: false, space: space, caller)
        case .batch: take(request, isBatch: true, space: space, caller)
        case .channels:
            let prefix = query.value("filter_by_prefix")?.array ?? []
            caller.answer(space: space, listing: prefix, attributes) { list in
                ChannelQueries.Answer(body: ChannelAnswers.channels(list, attributes))
            }
        case .channel(_, let name):
            if !ChannelName.isValid(name) { return refuse(400, "Invalid channel name.", caller) }
            caller.answer(space: space, about: [name.array], attributes) { channels in
                ChannelQueries.Answer(body: ChannelAnswers.channel(channels[0], attributes))
            }
        case .channelUsers(_, let name):
            // Only presence channels have users: 404 when vacant, else 400.
            if !ChannelName.isValid(name) { return refuse(400, "Invalid channel name.", caller) }
            let isPresence = ChannelKind(name).isPresence
            caller.answer(space: space, usersOf: name.array) { users in
                guard let users, isPresence else {
                    return ChannelQueries.Answer(status: users == nil ? 404 : 400, body: Array("{}".utf8))
                }
                return ChannelQueries.Answer(body: ChannelAnswers.users(users))
            }
        case .terminate(_, let user): caller.end(connectionsOf: user.array, space: space, body: Array("{}".utf8))
        case .connections:
            output.removeAll()
            output.append(#"{"connections":"#)
            output.append(decimal: UInt64(max(node.counters.value(application), 0)))
            output.append("}")
            reply(output.view, caller)
        case .socket, .up, .malformed, .unknown: refuse(404, "Not found.", caller)
        }
    }

    // MARK: - Publishing

    /// A request to publish, signed. With a key it is checked whole before the key counts as used.
    private func take(_ request: PusherRequest, isBatch: Bool, space: UInt16, _ caller: some PusherCaller) {
        if caller.inputDelaySeconds >= PusherLimits.publishDelaySecondsMax {
            node.publishing.noteBehind()
            return caller.respond(
                status: 503, contentType: PusherAPI.plainText,
                body: ByteView("The node is behind. Nothing was published; please try again."),
                fields: "Retry-After: 1\r\n")
        }
        let body = request.body
        guard unsafe UTF8Stream.isValid(body.base, count: body.count), let root = JSON.parse(body) else {
            return refuse(400, "Bad request: the body is not valid JSON.", caller)
        }
        let key = idempotencyKey(request, root)
        if let key, key.isEmpty || key.count > IdempotencyTable.keyBytesMax {
            let text = "The idempotency key has \(key.count) bytes, it may have 1 to \(IdempotencyTable.keyBytesMax)."
            return explain(400, text, caller)
        }
        var reader = EventReader(bodyBytes: body.count, dataBytesMax: node.configuration.eventDataBytesMax)
        guard let events = read(root, isBatch: isBatch, &reader, caller) else { return }
        // What is wrong with a request is said first: waiting would not mend it. Only who may sign gets here.
        if isOverRate(space, caller) { return }
        if let key {
            caller.publishOnce(key, body.array, isBatch: isBatch, space: space, self)
        } else {
            publish(events, isBatch: isBatch, space, caller)
        }
        withExtendedLifetime(reader) {}  // names of channels lie in it
    }

    private func publishRule(_ space: UInt16) -> BucketRule {
        node.table.applications[AppTable.index(ofSpace: space)].configuration.publishes
    }

    /// Whether the application has published as much as it may; then the answer says when to come back.
    private func isOverRate(_ space: UInt16, _ caller: some PusherCaller) -> Bool {
        let rule = publishRule(space)
        guard rule.isOn else { return false }
        let index = AppTable.index(ofSpace: space)
        guard let wait = node.publishing.secondsToWait(index, rule, now: monotonicClock()) else { return false }
        let seconds = RetryAfter.rounded(wait)
        node.publishing.noteOverRate()
        output.removeAll()
        output.append("The application may publish ")
        output.append(decimal: UInt64(rule.perSecond))
        output.append(" messages a second. Nothing was published; please try again in ")
        output.append(decimal: UInt64(seconds))
        output.append(seconds == 1 ? " second." : " seconds.")
        caller.respond(
            status: 429, contentType: PusherAPI.plainText, body: output.view, fields: RetryAfter.field(seconds))
        return true
    }

    /// The key of a request; the field of the head counts before that of the body.
    private func idempotencyKey(_ request: PusherRequest, _ root: JSONValue) -> [UInt8]? {
        if let key = request.idempotencyKey { return key.array }
        guard let key = root.member("idempotency_key"), key.kind != .null else { return nil }
        output.removeAll()
        return key.appendUnescaped(to: &output) ? output.view.array : []
    }

    /// What a request gets whose first try is not answered yet.
    static func refuseRepetition(_ caller: some PusherCaller) {
        caller.respond(
            status: 503, contentType: plainText, body: ByteView("A request with this key is under way."),
            fields: "Retry-After: 1\r\n")
    }

    /// What a request gets whose key belongs to another one (draft-ietf-httpapi-idempotency-key-header, section 2.7).
    static func refuseOtherRequest(_ caller: some PusherCaller) {
        caller.respond(
            status: 422, contentType: plainText,
            body: ByteView(
                "The idempotency key was used with another body. Nothing was published; a new request has a new key."),
            fields: "")
    }

    /// Publishes the events of a body that was checked before.
    func publish(_ body: ByteView, isBatch: Bool, space: UInt16, _ caller: some PusherCaller) {
        guard let root = JSON.parse(body) else { return }
        var reader = EventReader(bodyBytes: body.count, dataBytesMax: node.configuration.eventDataBytesMax)
        guard let events = read(root, isBatch: isBatch, &reader, caller) else { return }
        publish(events, isBatch: isBatch, space, caller)
        withExtendedLifetime(reader) {}  // names of channels lie in it
    }

    private func publish(_ events: [EventRequest], isBatch: Bool, _ space: UInt16, _ caller: some PusherCaller) {
        let rule = publishRule(space)
        if rule.isOn {
            let count = events.reduce(0) { $0 + $1.channels.count }
            node.publishing.take(count, of: AppTable.index(ofSpace: space), rule, now: monotonicClock())
        }
        for event in events { publish(event, space: space, caller) }
        if isBatch { confirmBatch(events, space: space, caller) } else { confirm(events[0], space: space, caller) }
    }

    /// The events of a body, which lie in it and in `reader`; nil, and an answer, when something is wrong with them.
    private func read(
        _ root: JSONValue, isBatch: Bool, _ reader: inout EventReader, _ caller: some PusherCaller
    ) -> [EventRequest]? {
        let events = isBatch ? reader.batch(root) : reader.event(root).map { [$0] } ?? []
        if !reader.errors.isEmpty {
            reader.errors.finish().withView {
                caller.respond(status: 422, contentType: PusherAPI.json, body: $0, fields: "")
            }
            return nil
        }
        if let size = reader.oversizedDataBytes {
            let limit = node.configuration.eventDataBytesMax
            explain(413, "Payload too large: the data of the event has \(size) bytes, the limit is \(limit).", caller)
            return nil
        }
        return events
    }

    private func publish(_ event: EventRequest, space: UInt16, _ caller: some PusherCaller) {
        output.removeAll()
        output.append(#"{"event":"#)
        output.append(event.name.raw)
        output.append(#","data":"#)
        output.append(event.data.raw)
        output.append(#","channel":""#)
        let channelStart = output.count
        for channel in event.channels {
            output.truncate(to: channelStart)
            output.append(channel)  // a valid name needs no escapes
            output.append(#""}"#)
            caller.publish(
                space: space, name: channel, text: output.view, excluding: event.excluded,
                keeps: ChannelKind(channel).isCached)
        }
    }

    private func confirm(_ event: EventRequest, space: UInt16, _ caller: some PusherCaller) {
        if event.attributes.isEmpty { return reply(ByteView("{}"), caller) }
        let attributes = event.attributes
        let names = event.channels.map { $0.array }
        caller.answer(space: space, about: names, attributes) { channels in
            ChannelQueries.Answer(body: ChannelAnswers.channels(channels, attributes))
        }
    }

    private func confirmBatch(_ events: [EventRequest], space: UInt16, _ caller: some PusherCaller) {
        if events.allSatisfy({ $0.attributes.isEmpty }) { return reply(ByteView(#"{"batch":{}}"#), caller) }
        let attributes = events.map { $0.attributes }
        let asked = attributes.reduce(ChannelAttributes(rawValue: 0)) { $0.union($1) }
        caller.answer(space: space, about: events.map { $0.channels[0].array }, asked) { channels in
            ChannelQueries.Answer(body: ChannelAnswers.batch(attributes, channels))
        }
    }

    // MARK: - Answers

    private func reply(_ json: ByteView, _ caller: some PusherCaller) {
        caller.respond(status: 200, contentType: PusherAPI.json, body: json, fields: "")
    }

    private func refuse(_ status: Int, _ text: StaticString, _ caller: some PusherCaller) {
        caller.respond(status: status, contentType: PusherAPI.plainText, body: ByteView(text), fields: "")
    }

    private func explain(_ status: Int, _ text: String, _ caller: some PusherCaller) {
        output.removeAll()
        output.append(text)
        caller.respond(status: status, contentType: PusherAPI.plainText, body: output.view, fields: "")
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3). Seconds are rounded up to one of a few values, which need no memory.
enum RetryAfter {
    private static let values = [1, 2, 5, 10, 30, 60]

    /// The value that stands for so many seconds.
    static func rounded(_ seconds: Int) -> Int { values.first { seconds <= $0 } ?? 60 }

    static func field(_ seconds: Int) -> StaticString {
        switch seconds {
        case ...1: "Retry-After: 1\r\n"
        case 2: "Retry-After: 2\r\n"
        case 3...5: "Retry-After: 5\r\n"
        case 6...10: "Retry-After: 10\r\n"
        case 11...30: "Retry-After: 30\r\n"
        default: "Retry-After: 60\r\n"
        }
    }
}
