import ClarionBytes
import ClarionEngine
import Testing

@testable import ClarionPusher

@Suite struct PusherSubscriptionsTests {
    private static let privateAuth = "app-key:d7d4254b75e2b60944b91bc92e916d56da84c4835011f5aa3c59a8e7f6e8b65d"

    private func subscribe(_ data: String, application: Int = 0) throws -> RecordingPeer {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler, application: application)
        handler.send(#"{"event":"pusher:subscribe","data":"# + data + "}", peer)
        return peer
    }

    @Test(arguments: [
        (#"{"channel":"room"}"#, "room"), (#"{"auth":"","channel":"room"}"#, "room"),
        (#"{"channel":"room","auth":["x"],"more":1}"#, "room"), (#""{\"channel\":\"room\"}""#, "room"),
        (#"{"channel":"ro\u006fm"}"#, "room"), (#"{"channel":"privateer"}"#, "privateer"),
        (#"{"channel":"room","channel_data":"{\"user_id\":\"1\"}"}"#, "room"),
        (#"{"channel":"presenceful"}"#, "presenceful"),
        (#"{"channel":"room","channel_data":null}"#, "room"),
    ])
    func publicChannels(_ data: String, _ name: String) throws {
        let peer = try subscribe(data)
        #expect(peer.subscriptions == ["1 \(name)"] && peer.replies.isEmpty && peer.closes.isEmpty)
    }

    @Test func eachApplicationHasItsOwnSpace() throws {
        #expect(try subscribe(#"{"channel":"room"}"#, application: 1).subscriptions == ["2 room"])
    }

    @Test func confirmedWhenInForce() throws {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler)
        withView("room") { handler.confirm($0, peer) }
        #expect(peer.replies == [#"{"event":"pusher_internal:subscription_succeeded","data":"{}","channel":"room"}"#])
    }

    @Test(arguments: [
        "{}", "null", "5", #"["room"]"#, #""room""#, #"{"auth":""}"#, #"{"channel":123}"#, #"{"channel":null}"#,
        #""{\"channel\":5}""#, #""""#, #"{"channel":"room","channel_data":5}"#,
    ])
    func malformed(_ data: String) throws {
        let peer = try subscribe(data)
        #expect(peer.replies == [errorText(.invalidMessage)] && peer.subscriptions.isEmpty)
    }

    @Test func aChannelBesideDataDoesNotCount() throws {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler)
        handler.send(#"{"event":"pusher:subscribe","channel":"a"}"#, peer)
        #expect(peer.replies == [errorText(.invalidMessage)] && peer.subscriptions.isEmpty)
    }

    @Test(arguments: ["", "with space", "with/slash", " private-x", "a\\u0000", "\\ud800", "é"])
    func invalidNames(_ name: String) throws {
        let peer = try subscribe(#"{"channel":""# + name + #""}"#)
        #expect(peer.replies == [errorText(.invalidChannelName)] && peer.subscriptions.isEmpty)
    }

    @Test func privateChannelsNeedTheRightSignature() throws {
        let auth = PusherSubscriptionsTests.privateAuth
        #expect(try subscribe(#"{"channel":"private-foo","auth":""# + auth + #""}"#).subscriptions == ["1 private-foo"])
        let escaped = auth.replacing("app", with: #"\u0061pp"#)
        #expect(
            try subscribe(#"{"channel":"private-foo","auth":""# + escaped + #""}"#).subscriptions == ["1 private-foo"])
        let withData =
            #"{"channel":"private-foo","channel_data":"{\"extra\":1}","auth":"app-key:"#
            + #"61dde3d638e5a530be87ea047353f1cee62e0fd29a67d2a20cb3d65f09d1d6f6"}"#
        #expect(try subscribe(withData).subscriptions == ["1 private-foo"])
        let encrypted =
            #"{"channel":"private-encrypted-foo","auth":"app-key:"#
            + #"d64478e9038bf061f1be2049fb8cf5796048b43a0a3d8c4e1361481beddd866b"}"#
        #expect(try subscribe(encrypted).subscriptions == ["1 private-encrypted-foo"])
    }

    @Test(arguments: [
        "", #","auth":"""#, #","auth":null"#, #","auth":12345"#, #","auth":"app-key:nonsense""#, #","auth":[]"#,
    ])
    func withoutItNobodyGetsIn(_ auth: String) throws {
        for name in ["private-foo", "private-encrypted-foo", "presence-foo", "private-cache-foo", "presence-cache-foo"]
        {
            let peer = try subscribe(#"{"channel":""# + name + #"","channel_data":"{\"user_id\":\"1\"}""# + auth + "}")
            #expect(peer.replies == [errorText(.unauthorized)] && peer.subscriptions.isEmpty && peer.closes.isEmpty)
        }
    }

    @Test func anotherApplicationsSignatureDoesNotCount() throws {
        let data = #"{"channel":"private-foo","auth":""# + PusherSubscriptionsTests.privateAuth + #""}"#
        #expect(try subscribe(data, application: 1).replies == [errorText(.unauthorized)])
    }

    @Test func cacheChannelsAreEntered() throws {
        let privateCache =
            #"{"channel":"private-cache-foo","auth":"app-key:"#
            + #"7d9ed75b58814d43fcb0dac6dd8200b9a99e8025f5dad49ec9643c903027df25"}"#
        let encrypted =
            #"{"channel":"private-encrypted-cache-foo","auth":"app-key:"#
            + #"28af27e5243fecc27e0ecd44d0c5ed41691db24164fa0e15a6f75c789047ef00"}"#
        for (data, name) in [
            (#"{"channel":"cache-foo"}"#, "cache-foo"), (privateCache, "private-cache-foo"),
            (encrypted, "private-encrypted-cache-foo"),
        ] {
            let peer = try subscribe(data)
            #expect(peer.entries == [RecordingPeer.Entry(name: name, member: nil, wantsKept: true)])
            #expect(peer.replies.isEmpty)
        }
        let presence =
            #"{"channel":"presence-cache-foo","channel_data":"{\"user_id\":\"10\"}","auth":"app-key:"#
            + #"793598e2bfdc57543ae18c5802c15f4b1a4e477224cb7330237688f71c021926"}"#
        let member = #"10 \"10\" "#
        #expect(
            try subscribe(presence).entries
                == [RecordingPeer.Entry(name: "presence-cache-foo", member: member, wantsKept: true)])
    }

    @Test(arguments: [
        (
            #"{\"user_id\":\"10\",\"user_info\":{\"name\":\"Ann\"}}"#,
            "a1d0133a82e096619f3e78e5a7798c3e7c0024c88e5d31dd3b23cef2044f0267", #"10 \"10\" {\"name\":\"Ann\"}"#
        ),
        (
            #"{\"user_id\":10,\"user_info\":{\"name\":\"Ann\"}}"#,
            "2a243eb224044d3a9ca9f99fdbdac420904696df4b81cfb30a1e46a332819ce9", #"10 \"10\" {\"name\":\"Ann\"}"#
        ),
        (
            #"{\"user_id\":\"12\",\"user_info\":{\"name\":\"Zo\u00eb ☃\"}}"#,
            "874e5008bc56c4b1207c0c98c5450d33001c7be8d3283777b69a516c6593945f",
            #"12 \"12\" {\"name\":\"Zoë ☃\"}"#
        ),
    ])
    func presenceChannelsAreJoinedAsTheUser(_ channelData: String, _ signature: String, _ member: String) throws {
        let data =
            #"{"channel":"presence-foo","channel_data":""# + channelData + #"","auth":"app-key:"# + signature + #""}"#
        let peer = try subscribe(data)
        #expect(peer.entries == [RecordingPeer.Entry(name: "presence-foo", member: member, wantsKept: false)])
        #expect(peer.replies.isEmpty)
    }

    /// 3.6: one byte more, and it was not signed.
    @Test func channelDataCountsByteForByte() throws {
        let data =
            #"{"channel":"presence-foo","channel_data":"{\"user_id\":\"10\",\"user_info\":{\"name\":\"Ann\"}} ","auth":""#
            + #"app-key:a1d0133a82e096619f3e78e5a7798c3e7c0024c88e5d31dd3b23cef2044f0267"}"#
        #expect(try subscribe(data).replies == [errorText(.unauthorized)])
    }

    @Test func theServersOwnNamesAreNobodys() throws {
        #expect(
            try subscribe(##"{"channel":"#server-to-user-12345","auth":""}"##).replies == [errorText(.unauthorized)])
    }

    @Test func whatAHomeRefusesIsToldOfTheChannel() throws {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler)
        withView("presence-foo") { handler.tellRefusal(.membersMax, $0, peer) }
        withView("presence-foo") { handler.tellRefusal(.nodeFull, $0, peer) }
        let told =
            #"{"event":"pusher:subscription_error","channel":"presence-foo","data":{"type":"LimitReached","error":"#
            + #""The channel has as many members as it may have","status":4100}}"#
        #expect(peer.replies == [told, errorText(.overCapacity)])
    }

    @Test func refusalsAreToldOfTheChannelWhereThatIsWanted() throws {
        let handler = PusherHandler(try sampleNode { $0.channels.sendsSubscriptionErrors = true })
        let peer = openPeer(handler)
        handler.send(#"{"event":"pusher:subscribe","data":{"channel":"private-foo","auth":"app-key:00"}}"#, peer)
        let told =
            #"{"event":"pusher:subscription_error","channel":"private-foo","data":{"type":"AuthError","error":"#
            + #""Connection is unauthorized","status":401}}"#
        #expect(peer.replies == [errorText(.unauthorized), told])
    }

    @Test func bounds() throws {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler)
        peer.outcome = .tooMany
        handler.send(#"{"event":"pusher:subscribe","data":{"channel":"a"}}"#, peer)
        peer.outcome = .nodeFull
        handler.send(#"{"event":"pusher:subscribe","data":{"channel":"a"}}"#, peer)
        #expect(peer.replies == [errorText(.tooManyChannels), errorText(.overCapacity)])
    }

    @Test func leavingIsNotAnswered() throws {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler)
        handler.send(#"{"event":"pusher:subscribe","data":{"channel":"a"}}"#, peer)
        handler.send(#"{"event":"pusher:unsubscribe","data":{"channel":"a"}}"#, peer)
        handler.send(#"{"event":"pusher:unsubscribe","data":{"channel":"a"}}"#, peer)
        #expect(peer.subscriptions.isEmpty && peer.replies.isEmpty)
        handler.send(#"{"event":"pusher:unsubscribe"}"#, peer)
        #expect(peer.replies == [errorText(.invalidMessage)])
    }

    @Test func anEnteredChannelIsNotEnteredAgain() throws {
        let handler = PusherHandler(try sampleNode())
        let peer = openPeer(handler)
        for _ in 0..<2 { handler.send(#"{"event":"pusher:subscribe","data":{"channel":"cache-a"}}"#, peer) }
        #expect(peer.entries.count == 1 && peer.replies == [errorText(.existingSubscription)])
    }
}
