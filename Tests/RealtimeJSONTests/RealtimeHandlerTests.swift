import ClarionBytes
import ClarionEngine
import ClarionWire
import Testing

@testable import ClarionRealtimeJSON

@Suite struct RealtimeHandlerTests {
    private static let space: UInt16 = 9

    private func handler(_ mode: RealtimeMode, publish: Bool = false) -> RealtimeHandler {
        var configuration = RealtimeConfiguration(space: RealtimeHandlerTests.space)
        configuration.mode = mode
        configuration.allowsPublish = publish
        return RealtimeHandler(configuration)
    }

    private func send(_ text: String, to handler: RealtimeHandler, _ peer: RecordingPeer, opcode: UInt8 = Opcode.text) {
        withView(text) { handler.handle($0, opcode: opcode, peer) }
    }

    private func answers(_ text: String, publish: Bool = false, opcode: UInt8 = Opcode.text) -> [String] {
        let peer = RecordingPeer()
        send(text, to: handler(.envelope, publish: publish), peer, opcode: opcode)
        return peer.replies
    }

    @Test func envelopeConfirmsOnceInForce() {
        let handler = handler(.envelope)
        let peer = RecordingPeer()
        send(#"{"action":"subscribe","channel":"news"}"#, to: handler, peer)
        #expect(peer.subscriptions == ["news"])
        #expect(peer.replies.isEmpty)
        withView(#"a"\b"#) { handler.confirm($0, peer) }
        #expect(peer.replies == [#"{"type":"subscribed","channel":"a\"\\b"}"#])
    }

    @Test func envelopeConfirmsEveryUnsubscribe() {
        let handler = handler(.envelope)
        let peer = RecordingPeer()
        send(#"{"action":"unsubscribe","channel":"news"}"#, to: handler, peer)
        #expect(peer.replies == [#"{"type":"unsubscribed","channel":"news"}"#])
    }

    @Test(arguments: [
        "hello", "[]", "5", #""text""#, #"{"action":5,"channel":"c"}"#, #"{"action":"subscribe","channel":["c"]}"#,
        #"{"action":"subscribe","channel":"c"} x"#, "", #"{"channel":7,"channel":"c","action":"subscribe"}"#,
        #"{"action":"subscribe","channel":"\ud800"}"#,
    ])
    func invalidMessages(_ text: String) {
        #expect(answers(text) == [#"{"type":"error","error":"invalid JSON message"}"#])
    }

    @Test(arguments: ["null", "{}", #"{"action":"x"}"#, #"{"action":"subscribe","channel":""}"#, #"{"channel":null}"#])
    func channelComesBeforeAction(_ text: String) {
        #expect(answers(text) == [#"{"type":"error","error":"channel must be specified"}"#])
    }

    @Test func unknownActions() {
        #expect(
            answers(#"{"action":"delete","channel":"c"}"#) == [#"{"type":"error","error":"unknown action: delete"}"#])
        #expect(answers(#"{"channel":"c"}"#) == [#"{"type":"error","error":"unknown action: "}"#])
        #expect(
            answers(#"{"action":"Subscribe","channel":"c"}"#) == [
                #"{"type":"error","error":"unknown action: Subscribe"}"#
            ])
        #expect(
            answers(#"{"action":"a\"b\n","channel":"c"}"#) == [#"{"type":"error","error":"unknown action: a\"b\n"}"#])
        let publish = #"{"action":"publish","channel":"c","message":"m"}"#
        #expect(answers(publish) == [#"{"type":"error","error":"unknown action: publish"}"#])
    }

    @Test(arguments: [
        #"{"Action":"subscribe","CHANNEL":"c"}"#, #"{"action":"x","action":"subscribe","channel":"a","Channel":"c"}"#,
        #"{"action":"subscribe","channel":"c","more":[1,{"channel":"d"}]}"#,
        #"{"\u0061ction":"subscr\u0069be","ch\u0041nnel":"\u0063"}"#,
        #"{"action":"subscribe","channel":"c","channel":null}"#,
    ])
    func membersAreFoundAsTheReferenceFindsThem(_ text: String) {
        let peer = RecordingPeer()
        send(text, to: handler(.raw), peer)
        #expect(peer.subscriptions == ["c"])
    }

    @Test func rawAnswersNothing() {
        let handler = handler(.raw)
        let peer = RecordingPeer()
        for text in ["x", "{}", #"{"action":"x","channel":"c"}"#, #"{"action":"unsubscribe","channel":"c"}"#] {
            send(text, to: handler, peer)
        }
        withView("c") { handler.confirm($0, peer) }
        #expect(peer.replies.isEmpty)
    }

    @Test func rawTakesTheEmptyChannel() {
        let peer = RecordingPeer()
        send(#"{"action":"subscribe"}"#, to: handler(.raw), peer)
        #expect(peer.subscriptions == [""])
    }

    @Test func binaryIsReadAsTextIfItIsUTF8() {
        let subscribe = #"{"action":"unsubscribe","channel":"é"}"#
        #expect(answers(subscribe, opcode: Opcode.binary) == [#"{"type":"unsubscribed","channel":"é"}"#])
        let peer = RecordingPeer()
        let broken = Array(#"{"action":"unsubscribe","channel":""#.utf8) + [0xFF] + Array(#""}"#.utf8)
        withView(broken) { handler(.envelope).handle($0, opcode: Opcode.binary, peer) }
        #expect(peer.replies == [#"{"type":"error","error":"invalid JSON message"}"#])
    }

    @Test func rawPublishDeliversTheTextItself() {
        let peer = RecordingPeer()
        send(#"{"action":"publish","channel":"c","message":"a\n\u2603 \"b\""}"#, to: handler(.raw, publish: true), peer)
        send(#"{"action":"publish","channel":"c","message":"plain"}"#, to: handler(.raw, publish: true), peer)
        #expect(
            peer.published == [
                .init(space: 9, name: "c", text: "a\n☃ \"b\""), .init(space: 9, name: "c", text: "plain"),
            ])
    }

    @Test(arguments: [
        (#"{\"a\": 1}"#, #"{"a": 1}"#), ("5", "5"), (" true ", "true"), ("text", #""text""#), ("", #""""#),
        (#"a\"b"#, #""a\"b""#), ("{", #""{""#),
    ])
    func envelopePublishEmbedsJSON(_ message: String, _ payload: String) {
        let peer = RecordingPeer()
        let text = #"{"action":"publish","channel":"c","message":""# + message + #""}"#
        send(text, to: handler(.envelope, publish: true), peer)
        let expected = #"{"type":"message","channel":"c","payload":"# + payload + "}"
        #expect(peer.published == [.init(space: 9, name: "c", text: expected)])
    }

    @Test func publishNeedsATextAsMessage() {
        let text = #"{"action":"publish","channel":"c","message":{"a":1}}"#
        #expect(answers(text, publish: true) == [#"{"type":"error","error":"invalid JSON message"}"#])
    }

    @Test(arguments: [#""#, #","message":null"#])
    func publishNeedsAMessage(_ rest: String) {
        let text = #"{"action":"publish","channel":"c""# + rest + "}"
        #expect(answers(text, publish: true) == [#"{"type":"error","error":"message must be specified"}"#])
        let peer = RecordingPeer()
        send(text, to: handler(.raw, publish: true), peer)
        #expect(peer.published.isEmpty && peer.replies.isEmpty)
    }

    @Test func gapsAreToldWhereThereIsAWordForThem() {
        let peer = RecordingPeer()
        withView(#"a"b"#) { handler(.envelope).tellGap(12, $0, peer) }
        withView("a") { handler(.raw).tellGap(12, $0, peer) }
        #expect(peer.replies == [#"{"type":"gap","channel":"a\"b","lost":12}"#])
    }

    @Test func boundsAreAnswered() {
        let long = String(repeating: "n", count: RealtimeConfiguration.channelNameBytesMax + 1)
        #expect(
            answers(#"{"action":"subscribe","channel":""# + long + #""}"#) == [
                #"{"type":"error","error":"channel name is too long"}"#
            ])
        let peer = RecordingPeer()
        peer.outcome = .tooMany
        send(#"{"action":"subscribe","channel":"c"}"#, to: handler(.envelope), peer)
        peer.outcome = .nodeFull
        send(#"{"action":"subscribe","channel":"c"}"#, to: handler(.envelope), peer)
        #expect(
            peer.replies == [
                #"{"type":"error","error":"too many subscriptions"}"#,
                #"{"type":"error","error":"the server cannot hold more channels"}"#,
            ])
    }

    @Test func closeCodesAreTheReferencesWhereItHasAny() {
        #expect(RealtimeHandler.farewell(.slowConsumer, mode: .raw) == nil)
        #expect(RealtimeHandler.farewell(.shutdown, mode: .envelope) == nil)
        #expect(RealtimeHandler.farewell(.pongTimeout, mode: .raw)?.code == 1001)
        #expect(RealtimeHandler.farewell(.shutdown, mode: .raw)?.code == 1012)
        #expect(RealtimeHandler.farewell(.messageTooBig, mode: .raw)?.code == 1009)
        #expect(RealtimeHandler.farewell(.protocolError, mode: .envelope)?.code == 1002)
    }
}
