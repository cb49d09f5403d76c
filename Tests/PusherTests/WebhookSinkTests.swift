import ClarionBytes
import Synchronization
import Testing

@testable import ClarionPusher

private final class Noted: WebhookSink {
    let events = Mutex<[WebhookEvent]>([])

    func note(_ event: WebhookEvent) { events.withLock { $0.append(event) } }
}

@Suite struct WebhookSinkTests {
    private func node(_ kinds: WebhookKinds, _ sink: Noted) throws -> PusherNode {
        var application = sampleApplication()
        application.webhookKinds = kinds
        var shared = PusherNode.Shared()
        shared.webhooks = sink
        return try PusherNode(PusherConfiguration(applications: [application]), shared)
    }

    @Test func countsBecomeEvents() throws {
        let sink = Noted()
        let observer = PusherChannelObserver(try node([.channelOccupied, .channelVacated, .subscriptionCount], sink))
        for (before, now) in [(0, 1), (1, 2), (2, 0)] {
            withView("c") { observer.subscriptionsChanged(space: 1, name: $0, from: before, to: now) }
        }
        // Presence channels count members; other spaces belong to others.
        withView("presence-c") { observer.subscriptionsChanged(space: 1, name: $0, from: 0, to: 1) }
        withView("c") { observer.subscriptionsChanged(space: 0, name: $0, from: 0, to: 1) }
        withView("c") { observer.subscriptionsChanged(space: 2, name: $0, from: 0, to: 1) }
        let seen = sink.events.withLock {
            $0.map { "\($0.kind.rawValue) \(String(decoding: $0.channel, as: UTF8.self)) \($0.count)" }
        }
        #expect(seen == ["1 c 0", "64 c 1", "64 c 2", "2 c 0", "1 presence-c 0"])
    }

    @Test func onlyWhatIsWantedLeaves() throws {
        let sink = Noted()
        let node = try node([.memberAdded, .clientEvent], sink)
        withView("presence-a") { channel in
            withView("7") { user in
                node.noteMemberAdded(space: 1, channel: channel, user: user)
                node.noteMemberRemoved(space: 1, channel: channel, user: user)
            }
            node.noteCacheMiss(space: 1, channel: channel)
            node.noteClientEvent(
                space: 1, channel: channel, event: ByteView(#""client-x""#), data: ByteView("{}"), socketNumber: 5,
                user: ByteView(#""7""#))
        }
        let events = sink.events.withLock { $0 }
        #expect(events.map(\.kind) == [.memberAdded, .clientEvent])
        #expect(events[0].user == Array("7".utf8))
        #expect(
            String(decoding: events[1].details, as: UTF8.self)
                == #""event":"client-x","data":{},"socket_id":"0.5","user_id":"7""#)
    }

    @Test func clientEventsThatArePassedOnAreNoted() throws {
        let sink = Noted()
        let handler = PusherHandler(try node(.clientEvent, sink))
        let peer = openPeer(handler)
        peer.subscriptions.insert("1 private-c")
        handler.send(#"{"event":"client-x","channel":"private-c","data":{"a":1}}"#, peer)
        handler.send(#"{"event":"client-x","channel":"private-other","data":{"a":1}}"#, peer)
        #expect(sink.events.withLock { $0.map(\.channel) } == [Array("private-c".utf8)])
    }
}
