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

    init(application: Int = 0, refusal: Refusal = .none) {
        unsafe state.initialize(to: PusherState(application: application, refusal: refusal).words)
    }

    deinit { unsafe state.deallocate() }

    func reply(_ text: ByteView) { replies.append(text.string) }

    func subscribe(space: UInt16, name: ByteView) -> SubscribeOutcome {
        if let outcome { return outcome }
        return subscriptions.insert("\(space) \(name.string)").inserted ? .joining : .already
    }

    func unsubscribe(space: UInt16, name: ByteView) -> Bool {
        subscriptions.remove("\(space) \(name.string)") != nil
    }

    func isSubscribed(space: UInt16, name: ByteView) -> Bool { subscriptions.contains("\(space) \(name.string)") }

    func publish(space: UInt16, name: ByteView, text: ByteView, excluding: UInt64?) {
        published.append(Publication(space: space, name: name.string, text: text.string, excluded: excluding))
    }

    func close(_ reason: CloseReason, code: UInt16?, text: StaticString) {
        closes.append(Close(reason: reason, code: code, text: ByteView(text).string))
    }

    func respond(status: Int, contentType: StaticString, body: ByteView, fields: StaticString) {
        responses.append(
            Response(
                status: status, type: ByteView(contentType).string, body: body.string, fields: ByteView(fields).string))
    }

    func answer(
        space: UInt16, counting names: [[UInt8]], render: @escaping @Sendable ([Int]) -> ChannelQueries.Answer
    ) {
        finish(render(names.map { occupancy["\(space) \(String(decoding: $0, as: UTF8.self))"] ?? 0 }))
    }

    func answer(
        space: UInt16, listing prefix: [UInt8],
        render: @escaping @Sendable ([ChannelQueries.Occupancy]) -> ChannelQueries.Answer
    ) {
        let own = occupancy.filter { $0.key.hasPrefix("\(space) ") }
        let named = own.map { (name: Array($0.key.dropFirst(2).utf8), count: $0.value) }
        let list = named.filter { $0.name.starts(with: prefix) }.sorted { $0.name.lexicographicallyPrecedes($1.name) }
        finish(render(list.map { ChannelQueries.Occupancy(name: $0.name, subscriptionCount: $0.count) }))
    }

    private func finish(_ answer: ChannelQueries.Answer) {
        responses.append(Response(status: answer.status, body: String(decoding: answer.body, as: UTF8.self)))
    }
}

/// Lends the bytes of a text for a call.
func withView<Outcome>(_ text: String, _ body: (ByteView) -> Outcome) -> Outcome {
    unsafe Array(text.utf8).withUnsafeBufferPointer { buffer in
        unsafe body(buffer.baseAddress.map { unsafe ByteView(base: $0, count: buffer.count) } ?? ByteView(""))
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
