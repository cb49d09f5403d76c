import ClarionBytes
import ClarionEngine
import ClarionWire
import Testing

@testable import ClarionPusher

@Suite struct PusherHandlerTests {
    private static let pong = #"{"event":"pusher:pong"}"#

    @Test func greeting() throws {
        let node = try sampleNode()
        let handler = PusherHandler(node)
        let peer = RecordingPeer()
        handler.open(peer)
        #expect(
            peer.replies == [
                #"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1234.5678\","#
                    + #"\"activity_timeout\":30}"}"#
            ])
        #expect(node.counters.value(0) == 1)
        handler.end(peer)
        handler.end(peer)
        #expect(node.counters.value(0) == 0)
    }

    @Test(
        arguments: [
            (Refusal.unknownApplication, PusherFault.unknownApplication, CloseReason.unknownApplication),
            (.badVersion, .badVersion, .badProtocolVersion),
            (.unsupportedVersion, .unsupportedVersion, .badProtocolVersion),
            (.originRefused, .originRefused, .originRefused),
            (.disabled, .disabled, .applicationDisabled), (.undecided, .undecided, .applicationUndecided),
        ] as [(Refusal, PusherFault, CloseReason)])
    func refusedConnectionsAreToldTwice(_ refusal: Refusal, _ fault: PusherFault, _ reason: CloseReason) throws {
        let node = try sampleNode()
        let handler = PusherHandler(node)
        let peer = RecordingPeer(refusal: refusal)
        handler.open(peer)
        #expect(peer.replies == [errorText(fault)])
        #expect(peer.closes == [.init(reason: reason, code: fault.code, text: ByteView(fault.text).string)])
        handler.send(#"{"event":"pusher:subscribe","data":{"channel":"a"}}"#, peer)
        #expect(peer.subscriptions.isEmpty && peer.replies.count == 1)
        handler.end(peer)
        #expect(node.counters.value(0) == 0)
    }

    @Test func theQuotaHoldsAndPlacesBecomeFree() throws {
        let handler = PusherHandler(try sampleNode { $0.maxConnections = 1 })
        let first = openPeer(handler)
        let second = RecordingPeer()
        handler.open(second)
        #expect(second.replies == [errorText(.overQuota)])
        #expect(second.closes.map(\.code) == [4004])
        handler.end(second)
        handler.end(first)
        let third = RecordingPeer()
        handler.open(third)
        #expect(third.closes.isEmpty)
    }

    @Test(arguments: [
        #"{"event":"pusher:ping","data":{}}"#, #"{"event":"pusher:ping"}"#, #"{"event":"pusher:ping","data":""}"#,
        #"{"event":"pusher:ping","data":"{}"}"#, " \n{ \"event\" : \"pusher:ping\" } ",
        #"{"\u0065vent":"pusher\u003aping"}"#, #"{"event":"pusher:ping","data":{"i":123456789012345678901234567890}}"#,
        #"{"event":"x","event":"pusher:ping"}"#,
    ])
    func pings(_ text: String) throws {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler)
        handler.send(text, peer)
        #expect(peer.replies == [PusherHandlerTests.pong])
    }

    @Test(arguments: [
        "", " \n\t ", "hello", "42", "[]", #"[{"event":"pusher:ping"}]"#, #"{"data":{},"channel":"x"}"#,
        "{'event':'pusher:ping'}", #"{"event":"pusher:ping","data":{"n":NaN}}"#, #"{"event":5}"#, #"{"event":null}"#,
        #"{"event":"pusher:ping","event":5}"#, #"{"event":"PUSHER:ping","data":{}}"#, #"{"event":"pusher:ping "}"#,
        #"{"event":"pusher:error","data":{"code":4001,"message":"x"}}"#, #"{"event":"pusher:signin","data":{}}"#,
        #"{"event":"pusher_internal:subscription_succeeded","channel":"a","data":{}}"#, #"{"event":"my-event"}"#,
        #"{"event":"pusher:error","channel":"a","data":{}}"#, #"{"event":"e","channel":5,"data":{}}"#,
        #"{"event":"e","channel":"a","data":5}"#,
        #"{"event":"pusher:ping","data":"# + String(repeating: "[", count: 600) + String(repeating: "]", count: 600)
            + "}",
    ])
    func malformedMessages(_ text: String) throws {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler)
        handler.send(text, peer)
        #expect(peer.replies == [errorText(.invalidMessage)])
        #expect(peer.closes.isEmpty)
        handler.send(#"{"event":"pusher:ping"}"#, peer)
        #expect(peer.replies.last == PusherHandlerTests.pong)
    }

    @Test(arguments: [
        #"{"event":"pusher:pong"}"#, #"{"event":"pusher:pong","data":{}}"#, #"{"event":"e","channel":"a","data":{}}"#,
        #"{"event":"e","channel":"a"}"#,
    ])
    func silence(_ text: String) throws {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler)
        handler.send(text, peer)
        #expect(peer.replies.isEmpty && peer.published.isEmpty && peer.closes.isEmpty)
    }

    @Test func binaryIsNotSpoken() throws {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler)
        handler.send(#"{"event":"pusher:ping"}"#, peer, opcode: Opcode.binary)
        #expect(peer.replies.isEmpty && peer.closes.map(\.code) == [1003])
    }

    @Test func theRateLimitCountsEveryMessage() throws {
        let limit = MessageRateLimit(messagesMax: 3, windowSeconds: 60)
        let handler = PusherHandler(try sampleNode { $0.rateLimit = limit })
        let peer = openPeer(handler)
        let other = openPeer(handler)
        for _ in 0..<5 { handler.send(#"{"event":"pusher:ping"}"#, peer) }
        let pong = PusherHandlerTests.pong
        let limited = errorText(.rateLimited)
        #expect(peer.replies == [pong, pong, pong, limited, limited] && peer.closes.isEmpty)
        handler.send(#"{"event":"pusher:ping"}"#, other)
        #expect(other.replies == [pong])
        peer.nowTick += 60 * Clock.ticksPerSecond
        handler.send(#"{"event":"pusher:ping"}"#, peer)
        #expect(peer.replies.last == pong)
    }

    @Test func theRateLimitMayCloseTheConnection() throws {
        let limit = MessageRateLimit(messagesMax: 1, windowSeconds: 60, closesAtLimit: true)
        let handler = PusherHandler(try sampleNode { $0.rateLimit = limit })
        let peer = openPeer(handler)
        for _ in 0..<2 { handler.send("x", peer) }
        #expect(peer.replies == [errorText(.invalidMessage), errorText(.rateLimited)])
        #expect(peer.closes == [.init(reason: .rateLimited, code: 4301, text: "Rate limit exceeded")])
    }

    @Test func gapsAreTold() throws {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler)
        handler.tellGap(7, ByteView("news"), peer)
        #expect(peer.replies == [#"{"event":"clarion:gap","data":"{\"lost\":7}","channel":"news"}"#])
    }

    @Test(
        arguments: [
            (CloseReason.shutdown, 4200, [errorText(.serverClosed)]), (.pongTimeout, 4201, [errorText(.noPong)]),
            (.slowConsumer, 4100, []), (.outboxFull, 4100, []), (.nodeFull, 4100, []), (.messageTooBig, 1009, []),
            (.protocolError, 1002, []), (.invalidUTF8, 1007, []), (.idle, 4202, []), (.peerVanished, nil, []),
        ] as [(CloseReason, UInt16?, [String])])
    func leaveTaking(_ reason: CloseReason, _ code: UInt16?, _ messages: [String]) throws {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler)
        #expect(handler.takeLeave(reason, peer)?.code == code)
        #expect(peer.replies == messages)
    }
}
