import ClarionBytes
import ClarionEngine
import ClarionWire
import Testing

@testable import ClarionRealtimeJSON

/// Stands for a connection: keeps what the protocol does with it.
final class RecordingPeer: RealtimePeer {
    struct Publication: Equatable {
        var space: UInt16
        var name: String
        var text: String
    }

    struct Response: Equatable {
        var status: Int
        var body: String
        var fields: String
    }

    var replies: [String] = []
    var subscriptions: Set<String> = []
    var published: [Publication] = []
    var responses: [Response] = []
    var outcome: SubscribeOutcome?

    func reply(_ text: ByteView) { replies.append(text.string) }

    func subscribe(space: UInt16, name: ByteView) -> SubscribeOutcome {
        if let outcome { return outcome }
        return subscriptions.insert(name.string).inserted ? .joining : .already
    }

    func unsubscribe(space: UInt16, name: ByteView) -> Bool { subscriptions.remove(name.string) != nil }

    func publish(space: UInt16, name: ByteView, text: ByteView, excluding: UInt64?) {
        #expect(excluding == nil)
        published.append(Publication(space: space, name: name.string, text: text.string))
    }

    func respond(status: Int, contentType: StaticString, body: ByteView, fields: StaticString) {
        responses.append(Response(status: status, body: body.string, fields: ByteView(fields).string))
    }
}

/// Lends the bytes of a text for a call.
func withView<Outcome>(_ text: String, _ body: (ByteView) -> Outcome) -> Outcome { withView(Array(text.utf8), body) }

func withView<Outcome>(_ bytes: [UInt8], _ body: (ByteView) -> Outcome) -> Outcome {
    unsafe bytes.withUnsafeBufferPointer { buffer in
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
