import ClarionBytes
import ClarionEngine
import ClarionWire
import Testing

@testable import ClarionPusher

/// Stands for a connection: keeps what the protocol does with it.
@safe final class RecordingPeer: PusherPeer, PusherCaller {
    struct Publication: Equatable {
        var space: UInt16
        var name: String
        var text: String
        var excluded: UInt64?
        var keeps = false
    }

    struct Entry: Equatable {
        var name: String
        var member: String?
        var wantsKept: Bool
    }

    struct Response: Equatable {
        var status: Int
        var type = "application/json"
        var body: String
        var fields = ""
    }

    struct Close: Equatable {
        var reason: CloseReason
        var code: UInt16?
        var text: String
    }

    let state = UnsafeMutablePointer<SessionState>.allocate(capacity: 1)
    /// 1234.5678, as in the reference's vectors.
    var socketNumber: UInt64 = 1234 << 30 | 5678
    var nowTick: UInt32 = 100
    var replies: [String] = []
    var subscriptions: Set<String> = []
    var published: [Publication] = []
    var responses: [Response] = []
    var closes: [Close] = []
    var outcome: SubscribeOutcome?
    /// Subscribers of channels, for questions of the HTTP API.
    var occupancy: [String: Int] = [:]
    /// Users of presence channels, and last events of cache channels.
    var users: [String: [String]] = [:]
    var kept: [String: String] = [:]

    init(application: Int = 0, refusal: Refusal = .none) {
        unsafe state.initialize(to: PusherState(application: application, refusal: refusal).words)
    }

    deinit { unsafe state.deallocate() }

    func reply(_ text: ByteView) { replies.append(text.string) }

    func subscribe(space: UInt16, name: ByteView) -> SubscribeOutcome {
        if let outcome { return outcome }
        return subscriptions.insert("\(space) \(name.string)").inserted ? .joining : .already
    }

    /// What it has entered, and as whom: `id label info`.
    var entries: [Entry] = []

    func enter(space: UInt16, name: ByteView, as member: Member?, wantsKept: Bool) -> SubscribeOutcome {
        if let outcome { return outcome }
        if !subscriptions.insert("\(space) \(name.string)").inserted { return .already }
        let text = member.map { "\($0.id.string) \($0.label.string) \($0.info.string)" }
        entries.append(Entry(name: name.string, member: text, wantsKept: wantsKept))
        return .joining
    }

    func withMember(space: UInt16, name: ByteView, _ body: (Member) -> Void) -> Bool {
        guard let entry = entries.last(where: { $0.name == name.string }), let member = entry.member else {
            return false
        }
        let id = String(member.prefix { $0 != " " })
        withView(id) { body(Member(id: $0, label: $0, info: $0)) }
        return true
    }

    /// As whom it is signed in, and whom it watches.
    var user: (id: String, info: String)?
    var watched: [String] = []
    /// Users whose connections were ended.
    var ended: [String] = []

    func signIn(space: UInt16, user: ByteView, info: ByteView, watching: [[UInt8]]) -> Bool {
        if self.user != nil { return false }
        self.user = (user.string, info.string)
        watched = watching.map { String(decoding: $0, as: UTF8.self) }
        return true
    }

    func withUser(_ body: (_ id: ByteView, _ info: ByteView) -> Void) -> Bool {
        guard let user else { return false }
        withView(user.id) { id in withView(user.info) { info in body(id, info) } }
        return true
    }

    func end(connectionsOf user: [UInt8], space: UInt16, body: [UInt8]) {
        ended.append("\(space) \(String(decoding: user, as: UTF8.self))")
        finish(ChannelQueries.Answer(body: body))
    }

    func unsubscribe(space: UInt16, name: ByteView) -> Bool {
        subscriptions.remove("\(space) \(name.string)") != nil
    }

    func isSubscribed(space: UInt16, name: ByteView) -> Bool { subscriptions.contains("\(space) \(name.string)") }

    func publish(space: UInt16, name: ByteView, text: ByteView, excluding: UInt64?, keeps: Bool) {
        published.append(
            Publication(space: space, name: name.string, text: text.string, excluded: excluding, keeps: keeps))
    }

    func close(_ reason: CloseReason, code: UInt16?, text: StaticString) {
        closes.append(Close(reason: reason, code: code, text: ByteView(text).string))
    }

    var inputDelaySeconds = 0
    /// Keys of requests that were published.
    var keys: Set<[UInt8]> = []

    func publishOnce(_ key: [UInt8], _ body: [UInt8], isBatch: Bool, space: UInt16, _ api: PusherAPI) {
        if !keys.insert(key).inserted { return PusherAPI.refuseRepetition(self) }
        withView(String(decoding: body, as: UTF8.self)) { api.publish($0, isBatch: isBatch, space: space, self) }
    }

    func respond(status: Int, contentType: StaticString, body: ByteView, fields: StaticString) {
        responses.append(
            Response(
                status: status, type: ByteView(contentType).string, body: body.string, fields: ByteView(fields).string))
    }

    private func facts(_ name: [UInt8], _ space: UInt16) -> ChannelQueries.Facts {
        let text = String(decoding: name, as: UTF8.self)
        var facts = ChannelQueries.Facts(name: name, subscriptionCount: occupancy["\(space) \(text)"] ?? 0)
        facts.userCount = users["\(space) \(text)"]?.count ?? 0
        facts.kept = kept["\(space) \(text)"].map { Array($0.utf8) }
        facts.keptSeconds = 60
        return facts
    }

    func answer(
        space: UInt16, about names: [[UInt8]], _ attributes: ChannelAttributes,
        render: @escaping @Sendable ([ChannelQueries.Facts]) -> ChannelQueries.Answer
    ) {
        finish(render(names.map { facts($0, space) }))
    }

    func answer(
        space: UInt16, listing prefix: [UInt8], _ attributes: ChannelAttributes,
        render: @escaping @Sendable ([ChannelQueries.Facts]) -> ChannelQueries.Answer
    ) {
        let own = occupancy.keys.filter { $0.hasPrefix("\(space) ") }.map { Array($0.dropFirst(2).utf8) }
        let list = own.filter { $0.starts(with: prefix) }.sorted { $0.lexicographicallyPrecedes($1) }
        finish(render(list.map { facts($0, space) }))
    }

    func answer(
        space: UInt16, usersOf name: [UInt8], render: @escaping @Sendable ([[UInt8]]?) -> ChannelQueries.Answer
    ) {
        let key = "\(space) \(String(decoding: name, as: UTF8.self))"
        finish(render(occupancy[key] == nil ? nil : (users[key] ?? []).map { Array($0.utf8) }))
    }

    private func finish(_ answer: ChannelQueries.Answer) {
        responses.append(Response(status: answer.status, body: String(decoding: answer.body, as: UTF8.self)))
    }
}

/// Lends the bytes of a text for a call.
func withView<Outcome>(_ text: String, _ body: (ByteView) throws -> Outcome) rethrows -> Outcome {
    try unsafe Array(text.utf8).withUnsafeBufferPointer { buffer in
        try unsafe body(buffer.baseAddress.map { unsafe ByteView(base: $0, count: buffer.count) } ?? ByteView(""))
    }
}

/// Lends the head of a request.
func withHead<Outcome>(_ lines: String, _ body: (HTTPHead) -> Outcome) -> Outcome? {
    let text = lines.split(separator: "\n").joined(separator: "\r\n") + "\r\n\r\n"
    return withView(text) { view in
        guard case .head(let head) = unsafe HTTPHead.parse(view.base, count: view.count, limits: HTTPLimits()) else {
            Issue.record("not a request head: \(lines)")
            return nil
        }
        return body(head)
    }
}

/// The application of the reference's vectors.
func sampleApplication() -> ApplicationConfiguration {
    ApplicationConfiguration(id: "app-id", key: "app-key", secret: "app-secret")
}

func sampleNode(
    _ change: (inout ApplicationConfiguration) -> Void = { _ in },
    _ changeAll: (inout PusherConfiguration) -> Void = { _ in }
) throws -> PusherNode {
    var application = sampleApplication()
    change(&application)
    let second = ApplicationConfiguration(id: "app-two", key: "key-two", secret: "secret-two")
    var configuration = PusherConfiguration(applications: [application, second])
    changeAll(&configuration)
    return try PusherNode(configuration)
}

/// A connection that has been greeted; what it was told is dropped.
func openPeer(_ handler: PusherHandler, application: Int = 0) -> RecordingPeer {
    let peer = RecordingPeer(application: application)
    handler.open(peer)
    peer.replies = []
    return peer
}

extension PusherHandler {
    func send(_ text: String, _ peer: RecordingPeer, opcode: UInt8 = Opcode.text) {
        withView(text) { handle($0, opcode: opcode, peer) }
    }
}

/// The `pusher:error` of a fault.
func errorText(_ fault: PusherFault) -> String {
    var buffer = ByteBuffer()
    fault.appendMessage(to: &buffer)
    return buffer.view.string
}
