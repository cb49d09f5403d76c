import ClarionBytes
import ClarionEngine
import ClarionWire
import Testing

@testable import ClarionRealtimeJSON

@Suite struct RealtimeFrontTests {
    private func front(
        _ mode: RealtimeMode = .raw, secret: String? = "s3cret",
        _ change: (inout RealtimeConfiguration) -> Void = { _ in }
    ) -> RealtimeFront {
        var configuration = RealtimeConfiguration(space: 3)
        configuration.mode = mode
        configuration.broadcastSecret = secret
        change(&configuration)
        return RealtimeFront(configuration, handler: RealtimeHandler(configuration), handlerIndex: 2)
    }

    private func broadcast(
        _ front: RealtimeFront, method: String = "POST", secret: String? = "s3cret",
        type: String? = "application/x-www-form-urlencoded", query: String = "", body: String, _ peer: RecordingPeer
    ) {
        withView(method) { method in
            withView(query) { query in
                withView(body) { body in
                    withView(secret ?? "") { secretText in
                        withView(type ?? "") { typeText in
                            front.broadcast(
                                method: method, secret: secret == nil ? nil : secretText,
                                contentType: type == nil ? nil : typeText, query: query, body: body, peer)
                        }
                    }
                }
            }
        }
    }

    private func status(
        _ front: RealtimeFront, method: String = "POST", secret: String? = "s3cret",
        type: String? = "application/x-www-form-urlencoded", query: String = "", body: String
    ) -> Int? {
        let peer = RecordingPeer()
        broadcast(front, method: method, secret: secret, type: type, query: query, body: body, peer)
        return peer.responses.count == 1 ? peer.responses[0].status : nil
    }

    @Test func publishesAndAccepts() {
        let peer = RecordingPeer()
        broadcast(front(), body: "channel=a+b&message=%7B%22x%22%3A1%7D%00%E2%98%83", peer)
        #expect(peer.published == [.init(space: 3, name: "a b", text: "{\"x\":1}\0☃")])
        #expect(peer.responses == [.init(status: 202, body: "", fields: "")])
    }

    @Test func envelopeWrapsTheMessage() {
        let peer = RecordingPeer()
        broadcast(front(.envelope), body: "channel=c&message=%7B%22x%22%3A1%7D", peer)
        broadcast(front(.envelope), body: "channel=c&message=plain", peer)
        #expect(
            peer.published.map(\.text) == [
                #"{"type":"message","channel":"c","payload":{"x":1}}"#,
                #"{"type":"message","channel":"c","payload":"plain"}"#,
            ])
    }

    @Test func checksComeInTheReferencesOrder() {
        let front = front()
        #expect(status(front, method: "GET", secret: "wrong", body: "") == 403)
        #expect(status(front, method: "GET", body: "") == 405)
        #expect(status(front, body: "channel=%zz&message=") == 400)
        #expect(status(front, secret: nil, body: "channel=c&message=m") == 403)
        #expect(status(front, secret: "s3cre", body: "channel=c&message=m") == 403)
        #expect(status(front, secret: "s3crex", body: "channel=c&message=m") == 403)
    }

    @Test(arguments: ["", "channel=c", "message=m", "channel=&message=m", "channel=c&message=", "Channel=c&message=m"])
    func missingFields(_ body: String) {
        let peer = RecordingPeer()
        broadcast(front(), body: body, peer)
        #expect(peer.responses == [.init(status: 400, body: "Missing channel or message", fields: "")])
        #expect(peer.published.isEmpty)
    }

    @Test func fieldsMayStandInTheQuery() {
        let peer = RecordingPeer()
        broadcast(front(), type: nil, query: "channel=q&message=m", body: "channel=x&message=y", peer)
        broadcast(front(), query: "channel=q", body: "message=m", peer)
        broadcast(front(), query: "channel=q", body: "channel=b&message=m", peer)
        #expect(peer.published.map(\.name) == ["q", "q", "b"])
    }

    @Test func textThatIsNotUTF8IsRefused() {
        let peer = RecordingPeer()
        broadcast(front(), body: "channel=c&message=%FF", peer)
        #expect(peer.responses.map(\.status) == [400])
        #expect(peer.responses[0].body.contains("UTF-8"))
    }

    @Test func withoutASecretTheDoorIsShutUnlessOpened() {
        #expect(status(front(secret: nil), secret: nil, body: "channel=c&message=m") == 403)
        #expect(status(front(secret: ""), secret: "", body: "channel=c&message=m") == 403)
        let open = front(secret: nil) { $0.allowUnauthenticatedBroadcast = true }
        #expect(status(open, secret: nil, body: "channel=c&message=m") == 202)
        let both = front { $0.allowUnauthenticatedBroadcast = true }
        #expect(status(both, secret: nil, body: "channel=c&message=m") == 403)
    }

    @Test func bodiesAreAdmittedOnlyWithTheSecret() {
        let front = front()
        let wrong = withHead("POST /internal/broadcast HTTP/1.1\nHost: a\nX-Broadcast-Secret: no") { front.admit($0) }
        guard case .refuse(status: 403, _) = wrong else { return #expect(Bool(false), "\(String(describing: wrong))") }
        let right = withHead("POST /internal/broadcast HTTP/1.1\nHost: a\nX-Broadcast-Secret: s3cret") {
            front.admit($0)
        }
        guard case .atMost(let bytes) = right else { return #expect(Bool(false)) }
        #expect(bytes == 1 << 20)
    }

    @Test func ownsItsTwoPathsOnly() {
        let front = front()
        for (path, isOwn) in [
            ("/ws", true), ("/ws?x=1", true), ("/ws/", false), ("/internal/broadcast", true), ("/", false),
        ] {
            #expect(withHead("GET \(path) HTTP/1.1\nHost: a") { front.owns($0) } == isOwn)
        }
    }

    @Test func upgradesFollowTheOriginRules() {
        func decide(_ front: RealtimeFront, _ origin: String) -> UpgradeDecision? {
            withHead("GET /ws HTTP/1.1\nHost: h:1\(origin)") { front.upgrade($0) }
        }
        guard case .abort = decide(front(), "") else { return #expect(Bool(false)) }
        guard case .refuse(status: 403, _) = decide(front(.envelope), "\nOrigin: http://x") else {
            return #expect(Bool(false))
        }
        guard case .accept(handler: 2, _, messageBytesMax: 512, let liveness) = decide(front(.envelope), "") else {
            return #expect(Bool(false))
        }
        #expect(liveness.pingAfterSeconds == 54 && liveness.answerWithinSeconds == 6 && liveness.onlyPongsCount)
        let two = "\nOrigin: http://localhost:8080\nOrigin: http://x"
        guard case .abort = decide(front(), two) else { return #expect(Bool(false)) }
    }
}
