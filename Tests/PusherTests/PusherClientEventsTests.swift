import ClarionBytes
import ClarionEngine
import Testing

@testable import ClarionPusher

@Suite struct PusherClientEventsTests {
    private func send(
        _ text: String, from source: ClientEventSource = .members, on channels: [String] = ["room", "private-a"]
    ) throws -> RecordingPeer {
        let handler = PusherHandler(try sampleNode { $0.acceptClientEventsFrom = source })
        let peer = openPeer(handler)
        for channel in channels { peer.subscriptions.insert("1 \(channel)") }
        handler.send(text, peer)
        return peer
    }

    @Test(
        arguments: [
            (
                #"{"event":"client-note","data":{"a":1},"channel":"room"}"#,
                #"{"event":"client-note","data":{"a":1},"channel":"room"}"#
            ),
            (
                #"{"channel":"room","event":"client-\u006eote","data":{"a":1.0,"e":9223372036854775807,"o":{}},"#
                    + #""user_id":"forged","x":1}"#,
                #"{"event":"client-\u006eote","data":{"a":1.0,"e":9223372036854775807,"o":{}},"channel":"room"}"#
            ),
            (
                #"{"event":"client-a","data":"{\"a\":1}","channel":"room"}"#,
                #"{"event":"client-a","data":"{\"a\":1}","channel":"room"}"#
            ),
            (
                #"{"event":"client-a","data":[1],"channel":"r\u006fom"}"#,
                #"{"event":"client-a","data":[1],"channel":"room"}"#
            ),
            (
                #"{"event":"client-a","data":null,"channel":"room"}"#,
                #"{"event":"client-a","data":null,"channel":"room"}"#
            ),
            (#"{"event":"client-a","channel":"room"}"#, #"{"event":"client-a","data":null,"channel":"room"}"#),
        ] as [(String, String)])
    func relayedToAllButTheSender(_ text: String, _ delivered: String) throws {
        let peer = try send(text)
        #expect(peer.published == [.init(space: 1, name: "room", text: delivered, excluded: 1234 << 30 | 5678)])
        #expect(peer.replies.isEmpty)
    }

    @Test(arguments: [
        #"{"event":"client-a","data":5,"channel":"room"}"#, #"{"event":"client-a","data":true,"channel":"room"}"#,
        #"{"event":"client-a","data":{}}"#, #"{"event":"client-a","data":{},"channel":5}"#,
        #"{"event":"client-a","data":{},"channel":null}"#,
    ])
    func malformed(_ text: String) throws {
        for source in ClientEventSource.allCases {
            let peer = try send(text, from: source)
            #expect(peer.replies == [errorText(.invalidMessage)] && peer.published.isEmpty)
        }
    }

    @Test func noneTakesNone() throws {
        let peer = try send(#"{"event":"client-a","data":{},"channel":"private-a"}"#, from: .none)
        #expect(peer.replies == [errorText(.clientEventsOff)] && peer.published.isEmpty)
    }

    @Test(arguments: ["room", "private-a", "presence-a", "no/name", ""])
    func membersMustBeOnTheChannel(_ name: String) throws {
        let peer = try send(#"{"event":"client-a","data":{},"channel":""# + name + #""}"#, on: [])
        #expect(peer.replies == [errorText(.notMember)] && peer.published.isEmpty)
    }

    @Test func allOpensPublicChannelsOnly() throws {
        #expect(try send(#"{"event":"client-a","data":{},"channel":"room"}"#, from: .all, on: []).published.count == 1)
        for name in ["private-a", "presence-a", "#server-to-user-1"] {
            let text = #"{"event":"client-a","data":{},"channel":""# + name + #""}"#
            let outside = try send(text, from: .all, on: [])
            #expect(outside.replies == [errorText(.notMember)] && outside.published.isEmpty)
        }
        let inside = try send(#"{"event":"client-a","data":{},"channel":"private-a"}"#, from: .all)
        #expect(inside.published.count == 1)
    }

    @Test func encryptedChannelsTakeNone() throws {
        let text = #"{"event":"client-a","data":{},"channel":"private-encrypted-a"}"#
        let peer = try send(text, from: .all, on: ["private-encrypted-a"])
        #expect(peer.replies == [errorText(.encryptedChannel)] && peer.published.isEmpty)
    }

    @Test func eventNamesHaveABound() throws {
        let fits = "client-" + String(repeating: "n", count: PusherLimits.eventNameBytesMax - 7)
        #expect(try send(#"{"event":""# + fits + #"","data":{},"channel":"room"}"#).published.count == 1)
        let peer = try send(#"{"event":""# + fits + #"n","data":{},"channel":"room"}"#)
        #expect(peer.replies == [errorText(.eventNameTooLong)] && peer.published.isEmpty)
    }
}
