import ClarionBytes
import ClarionEngine
import ClarionWire
import Testing

@testable import ClarionPusher

@Suite struct PusherAPITests {
    private static let now = 1_700_000_000

    /// Sends a request, signed unless `signed` is false, and returns what came of it.
    private func call(
        _ method: String, _ path: String, query: String = "", body: String = "", signed: Bool = true,
        secret: String = "app-secret", key: String = "app-key", occupancy: [String: Int] = [:],
        _ node: PusherNode? = nil, signedPath: String? = nil, inputDelaySeconds: Int = 0
    ) throws -> RecordingPeer {
        let node = try node ?? sampleNode()
        let peer = RecordingPeer()
        peer.occupancy = occupancy
        peer.inputDelaySeconds = inputDelaySeconds
        let api = PusherAPI(node, clock: { PusherAPITests.now }, monotonicClock: { 1_000_000_000_000 })
        var parameters = query
        if signed {
            parameters +=
                (query.isEmpty ? "" : "&") + "auth_key=\(key)&auth_timestamp=\(PusherAPITests.now)&auth_version=1.0"
            if !body.isEmpty {
                var md5 = ByteBuffer()
                _ = withView(body) { Signing.appendMD5($0, to: &md5) }
                parameters += "&body_md5=" + md5.view.string
            }
            parameters += "&auth_signature=" + sign(method, signedPath ?? path, parameters, secret)
        }
        var routePath = ByteBuffer()
        withView(method) { method in
            withView(path) { path in
                withView(parameters) { parameters in
                    withView(body) { body in
                        let route = PusherRoutes.match(path, prefix: ByteView(""), into: &routePath)
                        let request = PusherRequest(
                            method: method, path: path, query: parameters, body: body, byteCount: 300 + body.count)
                        api.answer(route, request, peer)
                    }
                }
            }
        }
        #expect(peer.responses.count == 1)
        return peer
    }

    private func sign(_ method: String, _ path: String, _ query: String, _ secret: String) -> String {
        withView(query) { text in
            guard let query = try? RequestQuery(text) else { return "" }
            var canonical = ByteBuffer()
            withView(method) { method in
                withView(path) {
                    RequestSignature.appendCanonical(method: method, path: $0, query: query, to: &canonical)
                }
            }
            var signature = ByteBuffer()
            _ = Signing.appendHMAC(canonical.view, secret: Array(secret.utf8), to: &signature)
            return signature.view.string
        }
    }

    private func post(_ body: String, batch: Bool = false, _ node: PusherNode? = nil) throws -> RecordingPeer {
        try call("POST", batch ? "/apps/app-id/batch_events" : "/apps/app-id/events", body: body, node)
    }

    private func json(_ peer: RecordingPeer) -> String { peer.responses[0].body }

    private func status(_ peer: RecordingPeer) -> Int { peer.responses[0].status }

    // MARK: - Who gets in

    @Test(arguments: [
        ("GET", "/apps/app-id/events", "POST"), ("GET", "/apps/app-id/batch_events", "POST"),
        ("POST", "/apps/app-id/channels", "GET"), ("DELETE", "/apps/app-id/channels", "GET"),
        ("PUT", "/apps/app-id/events", "POST"), ("POST", "/apps/app-id/connections", "GET"),
        ("GET", "/apps/app-id/users/1/terminate_connections", "POST"), ("OPTIONS", "/apps/app-id/events", "POST"),
        ("POST", "/up", "GET"), ("POST", "/app/app-key", "GET"), ("POST", "/apps/app-id/channels/a", "GET"),
    ])
    func wrongMethods(_ method: String, _ path: String, _ allowed: String) throws {
        let response = try call(method, path, signed: false).responses[0]
        #expect(response.status == 405 && response.fields == "Allow: \(allowed)\r\n")
    }

    @Test func health() throws {
        #expect(try call("GET", "/up", signed: false).responses == [.init(status: 200, body: #"{"health":"OK"}"#)])
        #expect(status(try call("HEAD", "/up", signed: false)) == 200)
    }

    @Test func unknownApplicationsAreNamed() throws {
        let response = try call("GET", "/apps/no-such-app/channels").responses[0]
        #expect(response.status == 404 && response.body == "No matching application for ID [no-such-app].")
    }

    @Test(arguments: [
        ("GET", "/apps/app-id/channels"), ("GET", "/apps/app-id/channels/a"), ("GET", "/apps/app-id/connections"),
        ("GET", "/apps/app-id/channels/presence-a/users"), ("POST", "/apps/app-id/events"),
        ("POST", "/apps/app-id/batch_events"), ("POST", "/apps/app-id/users/1/terminate_connections"),
    ])
    func everyRouteIsSigned(_ method: String, _ path: String) throws {
        #expect(status(try call(method, path, signed: false)) == 401)
        #expect(status(try call(method, path, secret: "secret-two")) == 401)
        #expect(status(try call(method, path, secret: "secret-two", key: "key-two")) == 401)
        #expect(status(try call(method, path, signedPath: "/ws" + path)) == 401)
        #expect(status(try call(method, path, query: "a=1&a=2")) == 401)
        #expect(status(try call(method, path, query: "a=%zz")) == 401)
        #expect(status(try call(method, path)) != 401)
    }

    @Test func sizesAreNamed() throws {
        let node = try sampleNode { _ in
        } _: {
            $0.requestBytesMax = 1_000
        }
        let response = try post(String(repeating: "x", count: 800), node).responses[0]
        #expect(response.status == 413 && response.body.contains("1100") && response.body.contains("1000"))
    }

    @Test func pathsThatAreAmbiguous() throws { #expect(status(try call("GET", "/apps//channels")) == 400) }

    @Test func socketsNeedAnUpgrade() throws {
        let response = try call("GET", "/app/app-key", signed: false).responses[0]
        #expect(response.status == 426 && response.fields.contains("Upgrade: websocket"))
    }

    // MARK: - Publishing

    @Test func eventsArePassedOnCharacterForCharacter() throws {
        let peer = try post(
            #"{"name":"my-event","channel":"room","data":"{ \"b\" : 1.0, \u0000 a\/b é}","user_id":"1","tags":{}}"#)
        #expect(json(peer) == "{}" && status(peer) == 200)
        let text = #"{"event":"my-event","data":"{ \"b\" : 1.0, \u0000 a\/b é}","channel":"room"}"#
        #expect(peer.published == [.init(space: 1, name: "room", text: text, excluded: nil)])
    }

    @Test func channelsGetTheirOwnNames() throws {
        let peer = try post(
            ##"{"name":"e","channels":["a","presence-b","#server-to-user-1","\u0063"],"data":"{}","##
                + ##""socket_id":"1234.5678"}"##
        )
        #expect(peer.published.map(\.name) == ["a", "presence-b", "#server-to-user-1", "c"])
        #expect(peer.published[3].text == #"{"event":"e","data":"{}","channel":"c"}"#)
        #expect(peer.published.allSatisfy { $0.excluded == 1234 << 30 | 5678 })
    }

    @Test func publishingAnswersWhatWasAsked() throws {
        let body = #"{"name":"e","channels":["a","b"],"data":"{}","info":"subscription_count,user_count,x"}"#
        let peer = try call("POST", "/apps/app-id/events", body: body, occupancy: ["1 a": 3, "2 b": 9])
        #expect(json(peer) == #"{"channels":{"a":{"subscription_count":3},"b":{"subscription_count":0}}}"#)
        #expect(peer.published.count == 2)
        #expect(
            json(try post(#"{"name":"e","channel":"a","data":"{}","info":"user_count"}"#)) == #"{"channels":{"a":{}}}"#)
    }

    @Test func batchesKeepTheirOrder() throws {
        let body =
            #"{"batch":[{"name":"e1","channel":"c","data":"1","socket_id":"1.2"},{"name":"e2","channel":"c","#
            + #""data":"2"}]}"#
        let peer = try post(body, batch: true)
        #expect(json(peer) == #"{"batch":{}}"#)
        #expect(
            peer.published.map(\.text) == [
                #"{"event":"e1","data":"1","channel":"c"}"#, #"{"event":"e2","data":"2","channel":"c"}"#,
            ])
        #expect(peer.published.map(\.excluded) == [1 << 30 | 2, nil])
    }

    @Test func batchesAnswerItemByItem() throws {
        let body =
            #"{"batch":[{"name":"e","channel":"a","data":"1","info":"subscription_count"},{"name":"e","#
            + #""channel":"b","data":"2"}]}"#
        let peer = try call("POST", "/apps/app-id/batch_events", body: body, occupancy: ["1 a": 2])
        #expect(json(peer) == #"{"batch":[{"subscription_count":2},{}]}"#)
    }

    @Test(
        arguments: [
            (#"{"channel":"a","data":"{}"}"#, #"{"name":["The name field is required."]}"#),
            (#"{"name":"","channel":"a","data":"{}"}"#, #"{"name":["The name field is required."]}"#),
            (#"{"name":5,"channel":"a","data":"{}"}"#, #"{"name":["The name field must be a string."]}"#),
            (#"{"name":"e","channel":"a"}"#, #"{"data":["The data field is required."]}"#),
            (#"{"name":"e","channel":"a","data":""}"#, #"{"data":["The data field is required."]}"#),
            (#"{"name":"e","channel":"a","data":{"a":1}}"#, #"{"data":["The data field must be a string."]}"#),
            (#"{"name":"e","channel":"a","data":{}}"#, #"{"data":["The data field is required."]}"#),
            (#"{"name":"e","channels":"a","data":"{}"}"#, #"{"channels":["The channels field must be an array."]}"#),
            (#"{"name":"e","channel":["a"],"data":"{}"}"#, #"{"channel":["The channel field must be a string."]}"#),
            (
                #"{"name":"e","data":"{}"}"#,
                #"{"channels":["The channels field is required when channel is not present."],"#
                    + #""channel":["The channel field is required when channels is not present."]}"#
            ),
            (
                "[]",
                #"{"name":["The name field is required."],"data":["The data field is required."],"#
                    + #""channels":["The channels field is required when channel is not present."],"#
                    + #""channel":["The channel field is required when channels is not present."]}"#
            ),
            (
                #"{"name":"e","channels":[5],"data":"{}"}"#,
                #"{"channels":["The channels field must hold valid channel names."]}"#
            ),
            (
                #"{"name":"e","channel":"a b","data":"{}"}"#,
                #"{"channel":["The channel field must be a valid channel name."]}"#
            ),
            (
                #"{"name":"e","channel":"a","data":"{}","socket_id":5}"#,
                #"{"socket_id":["The socket_id field must be a string."]}"#
            ),
            (
                #"{"name":"e","channel":"a","data":"{}","socket_id":"x"}"#,
                #"{"socket_id":["The socket_id field must be a socket id."]}"#
            ),
            (#"{"name":"e","channel":"a","data":"{}","info":[]}"#, #"{"info":["The info field must be a string."]}"#),
            (
                #"{"name":"pusher:error","channel":"a","data":"{}"}"#,
                #"{"name":["The name field must not begin with pusher: or pusher_internal:."]}"#
            ),
            (
                #"{"name":"pusher_intern\u0061l:x","channel":"a","data":"{}"}"#,
                #"{"name":["The name field must not begin with pusher: or pusher_internal:."]}"#
            ),
        ] as [(String, String)])
    func validation(_ body: String, _ errors: String) throws {
        let peer = try post(body)
        #expect(peer.responses == [.init(status: 422, body: errors)] && peer.published.isEmpty)
    }

    @Test(
        arguments: [
            (#"{"batch":[]}"#, #"{"batch":["The batch field is required."]}"#),
            ("{}", #"{"batch":["The batch field is required."]}"#),
            (#"{"batch":"e"}"#, #"{"batch":["The batch field must be an array."]}"#),
            (
                #"{"batch":["e"]}"#,
                #"{"batch.0.name":["The batch.0.name field is required."],"#
                    + #""batch.0.data":["The batch.0.data field is required."],"#
                    + #""batch.0.channel":["The batch.0.channel field is required when channels is not present."]}"#
            ),
            (
                #"{"batch":[{"name":"e","channel":"a","data":"1"},{"name":"e","channel":"a"}]}"#,
                #"{"batch.1.data":["The batch.1.data field is required."]}"#
            ),
        ] as [(String, String)])
    func batchValidation(_ body: String, _ errors: String) throws {
        let peer = try post(body, batch: true)
        #expect(peer.responses == [.init(status: 422, body: errors)] && peer.published.isEmpty)
    }

    @Test(arguments: ["x", "", "{", #"{"name":"e"}x"#, "\u{FEFF}{}", String(repeating: "[", count: 600)])
    func bodiesThatAreNotJSON(_ body: String) throws {
        let peer = try post(body)
        #expect(status(peer) == 400 && peer.published.isEmpty)
    }

    @Test func bounds() throws {
        func list(_ count: Int) -> String { (0..<count).map { "\"c\($0)\"" }.joined(separator: ",") }
        #expect(try post(#"{"name":"e","data":"1","channels":["# + list(100) + "]}").published.count == 100)
        #expect(status(try post(#"{"name":"e","data":"1","channels":["# + list(101) + "]}")) == 422)
        let item = #"{"name":"e","channel":"a","data":"1"}"#
        func batch(_ count: Int) -> String {
            #"{"batch":["# + Array(repeating: item, count: count).joined(separator: ",") + "]}"
        }
        #expect(try post(batch(10), batch: true).published.count == 10)
        let eleven = try post(batch(11), batch: true)
        #expect(status(eleven) == 422 && eleven.published.isEmpty)
        let name = String(repeating: "n", count: 201)
        #expect(status(try post(#"{"name":""# + name + #"","channel":"a","data":"1"}"#)) == 422)
        let small = try sampleNode { _ in
        } _: {
            $0.eventDataBytesMax = 10
        }
        #expect(status(try post(#"{"name":"e","channel":"a","data":"\u0061123456789"}"#, small)) == 200)
        let large = try post(#"{"name":"e","channel":"a","data":"\u00611234567890"}"#, small)
        #expect(status(large) == 413 && json(large).contains("11 bytes") && json(large).contains("10"))
        #expect(large.published.isEmpty)
    }

    // MARK: - Questions

    @Test func listsOfChannels() throws {
        let occupancy = ["1 room-b": 2, "1 room-a": 1, "1 private-x": 1, "2 room-c": 1]
        func list(_ query: String) throws -> String {
            json(try call("GET", "/apps/app-id/channels", query: query, occupancy: occupancy))
        }
        #expect(try list("") == #"{"channels":{"private-x":{},"room-a":{},"room-b":{}}}"#)
        #expect(
            try list("filter_by_prefix=room-&info=subscription_count")
                == #"{"channels":{"room-a":{"subscription_count":1},"room-b":{"subscription_count":2}}}"#)
        #expect(try list("filter_by_prefix=ROOM-") == #"{"channels":{}}"#)
        #expect(json(try call("GET", "/apps/app-id/channels")) == #"{"channels":{}}"#)
    }

    @Test func singleChannels() throws {
        func one(_ name: String, _ query: String = "") throws -> RecordingPeer {
            try call("GET", "/apps/app-id/channels/\(name)", query: query, occupancy: ["1 a": 2])
        }
        #expect(json(try one("a")) == #"{"occupied":true}"#)
        #expect(
            json(try one("a", "info=subscription_count%2Cuser_count")) == #"{"occupied":true,"subscription_count":2}"#)
        #expect(json(try one("b", "info=subscription_count")) == #"{"occupied":false}"#)
        #expect(status(try one("a%20b")) == 400)
        #expect(status(try one("a/users")) == 400)
        #expect(status(try one("b/users")) == 404)
    }

    @Test func connections() throws {
        let node = try sampleNode()
        #expect(json(try call("GET", "/apps/app-id/connections", node)) == #"{"connections":0}"#)
        let handler = PusherHandler(node)
        let peers = [openPeer(handler), openPeer(handler)]
        #expect(json(try call("GET", "/apps/app-id/connections", node)) == #"{"connections":2}"#)
        handler.end(peers[0])
        #expect(json(try call("GET", "/apps/app-id/connections", node)) == #"{"connections":1}"#)
    }

    /// Rows 4.10 and 4.11: over the application's rate 429, and 503 when the node is behind; then nothing is published.
    @Test func tooMuchAndTooLate() throws {
        let event = #"{"name":"e","channels":["c","d"],"data":"x"}"#
        let node = try sampleNode { $0.publishes = BucketRule(perSecond: 1, burst: 4) }
        for _ in 0..<2 {
            let peer = try call("POST", "/apps/app-id/events", body: event, node)
            #expect(peer.responses[0].status == 200 && peer.published.count == 2)
        }
        let refused = try call("POST", "/apps/app-id/events", body: event, node)
        #expect(refused.responses[0].status == 429 && refused.published.isEmpty)
        #expect(refused.responses[0].fields == "Retry-After: 1\r\n")
        #expect(refused.responses[0].body.contains("1 messages a second. Nothing was published"))
        // What is wrong is said first, and counts for nothing.
        let many = #"{"name":"e","data":"x","channels":[\#((0...100).map { "\"c\($0)\"" }.joined(separator: ","))]}"#
        for (body, status) in [("{", 400), (many, 422), (#"{"name":"e"}"#, 422)] {
            #expect(try call("POST", "/apps/app-id/events", body: body, node).responses[0].status == status)
        }
        #expect(node.publishing.overRateCount == 1 && node.publishing.behindCount == 0)
        // Neither do questions count, nor does another application.
        #expect(try call("GET", "/apps/app-id/channels", node).responses[0].status == 200)
        let other = try call(
            "POST", "/apps/app-two/events", body: event, secret: "secret-two", key: "key-two", node)
        #expect(other.responses[0].status == 200)
        let late = try call(
            "POST", "/apps/app-two/events", body: event, secret: "secret-two", key: "key-two", node,
            inputDelaySeconds: PusherLimits.publishDelaySecondsMax)
        #expect(late.responses[0].status == 503 && late.responses[0].fields == "Retry-After: 1\r\n")
        #expect(late.published.isEmpty && node.publishing.behindCount == 1)
    }
}
