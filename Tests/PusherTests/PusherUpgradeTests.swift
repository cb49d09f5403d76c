import ClarionBytes
import ClarionEngine
import ClarionWire
import Testing

@testable import ClarionPusher

@Suite struct PusherUpgradeTests {
    private func refusal(_ target: String, fields: String = "", _ node: PusherNode) -> Refusal? {
        let front = PusherFront(node, handlerIndex: 4)
        let decision = withHead("GET \(target) HTTP/1.1\nHost: h\(fields)") { front.upgrade($0) } ?? nil
        guard case .accept(handler: 4, let state, _, _) = decision else { return nil }
        return PusherState(words: state).refusal
    }

    @Test(
        arguments: [
            ("/app/app-key?protocol=7&client=js&version=8.4.0&flash=false", Refusal.none), ("/app/app-key", .none),
            ("/app/app-key?client=x", .none), ("/app/app-key?protocol=4", .none), ("/app/app-key?protocol=6", .none),
            ("/app/app-key?protocol=3", .unsupportedVersion), ("/app/app-key?protocol=8", .unsupportedVersion),
            ("/app/app-key?protocol=999", .unsupportedVersion), ("/app/app-key?protocol=9999", .badVersion),
            ("/app/app-key?protocol=", .badVersion), ("/app/app-key?protocol=x", .badVersion),
            ("/app/app-key?protocol=7.0", .badVersion), ("/app/app-key?protocol=-7", .badVersion),
            ("/app/no-such-key?protocol=7", .unknownApplication), ("/app/APP-KEY", .unknownApplication),
            ("/app/app%2Dkey", .none), ("/app/key-two", .none),
        ] as [(String, Refusal)])
    func versionsAndKeys(_ target: String, _ expected: Refusal) throws {
        #expect(refusal(target, try sampleNode()) == expected)
    }

    @Test func theVersionCheckCanBeOff() throws {
        let node = try sampleNode { _ in
        } _: {
            $0.checksProtocolVersion = false
        }
        #expect(refusal("/app/app-key?protocol=1", node) == Refusal.none)
    }

    @Test func origins() throws {
        let node = try sampleNode { $0.allowedOrigins = ["laravel.com", "*.example.org"] }
        #expect(refusal("/app/app-key", fields: "\nOrigin: https://a.b.example.org", node) == Refusal.none)
        #expect(refusal("/app/app-key", node) == .originRefused)
        #expect(refusal("/app/app-key", fields: "\nOrigin: https://evil", node) == .originRefused)
        let two = "\nOrigin: https://laravel.com\nOrigin: https://evil"
        #expect(refusal("/app/app-key", fields: two, node) == .originRefused)
        #expect(refusal("/app/key-two", node) == Refusal.none)
    }

    @Test func acceptedConnectionsGetTheApplicationsLimits() throws {
        let front = PusherFront(
            try sampleNode {
                $0.maxMessageBytes = 100
                $0.pingIntervalSeconds = 10
                $0.pongTimeoutSeconds = 5
            }, handlerIndex: 0)
        let decision = withHead("GET /app/app-key HTTP/1.1\nHost: h") { front.upgrade($0) } ?? nil
        guard case .accept(_, let state, messageBytesMax: 100, let liveness) = decision else {
            return #expect(Bool(false))
        }
        #expect(PusherState(words: state).application == 0)
        #expect(liveness.pingAfterSeconds == 10 && liveness.answerWithinSeconds == 5 && !liveness.onlyPongsCount)
    }

    @Test func pathsOfOthersAreLeftToThem() throws {
        let front = PusherFront(try sampleNode(), handlerIndex: 0)
        for path in ["/", "/ws", "/app/app-key/more", "/echo"] {
            #expect((withHead("GET \(path) HTTP/1.1\nHost: h") { front.upgrade($0) } ?? nil) == nil)
            #expect((withHead("GET \(path) HTTP/1.1\nHost: h") { front.admit($0) } ?? nil) == nil)
        }
    }

    @Test(arguments: ["/up", "/apps/app-id/events", "//app/app-key", "/app/a%2fb", "/app/app-key?a=%zz"])
    func refusedBeforeTheUpgrade(_ target: String) throws {
        let front = PusherFront(try sampleNode(), handlerIndex: 0)
        let decision = withHead("GET \(target) HTTP/1.1\nHost: h") { front.upgrade($0) } ?? nil
        guard case .refuse(status: 400, _) = decision else { return #expect(Bool(false)) }
    }

    @Test func theBoundHoldsForHeadAndBodyTogether() throws {
        let front = PusherFront(
            try sampleNode { _ in
            } _: {
                $0.requestBytesMax = 1_000
            }, handlerIndex: 0)
        let head = "POST /apps/app-id/events HTTP/1.1\nHost: h\nContent-Length: 900"
        let parsed = withHead(head) { ($0.headByteCount, front.admit($0)) }
        guard case (let headBytes, .atMost(let bodyMax)?)? = parsed else { return #expect(Bool(false)) }
        #expect(headBytes > 0 && bodyMax == 1_000 - headBytes)
        let other = withHead("POST /elsewhere HTTP/1.1\nHost: h") { front.admit($0) } ?? nil
        guard case nil = other else { return #expect(Bool(false)) }
    }
}
