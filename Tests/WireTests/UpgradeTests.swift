import ClarionBytes
import ClarionWire
import Testing

@Suite struct UpgradeTests {
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="

    /// "accept KEY", "refuse STATUS", "none", or "not a head".
    private func judge(_ text: String) -> String {
        let owned = Owned(text)
        guard case .head(let head) = unsafe HTTPHead.parse(owned.base, count: owned.count, limits: HTTPLimits()) else {
            return "not a head"
        }
        switch Upgrade.judge(head) {
        case .notAnUpgrade: return "none"
        case .refuse(let status, _): return "refuse \(status)"
        case .accept(let key): return "accept " + String(decoding: key.indices.map { key[$0] }, as: UTF8.self)
        }
    }

    private func request(
        method: String = "GET", version: String = "1.1", upgrade: String? = "websocket",
        connection: String? = "Upgrade", keys: [String] = [UpgradeTests.key], versions: [String] = ["13"],
        more: String = ""
    ) -> String {
        var text = "\(method) /ws HTTP/\(version)\r\nHost: a\r\n"
        if let upgrade { text += "Upgrade: \(upgrade)\r\n" }
        if let connection { text += "Connection: \(connection)\r\n" }
        for key in keys { text += "Sec-WebSocket-Key: \(key)\r\n" }
        for version in versions { text += "Sec-WebSocket-Version: \(version)\r\n" }
        return text + more + "\r\n"
    }

    /// RFC 6455 section 1.3.
    static let accepted = "accept s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    @Test func rightRequests() {
        #expect(judge(request()) == UpgradeTests.accepted)
        #expect(judge(request(upgrade: "WebSocket", connection: "keep-alive, UPGRADE")) == UpgradeTests.accepted)
        #expect(judge(request(connection: "keep-alive", more: "connection: x,upgrade\r\n")) == UpgradeTests.accepted)
        #expect(judge(request(upgrade: "foo, websocket")) == UpgradeTests.accepted)
        #expect(judge(request(more: "Content-Length: 0\r\n")) == UpgradeTests.accepted)
        // The example of section 4.1 sets bits that no byte needs.
        #expect(judge(request(keys: ["AQIDBAUGBwgJCgsMDQ4PEC=="])).hasPrefix("accept "))
    }

    @Test func wrongRequests() {
        let wrong: [(String, Int)] = [
            (request(method: "POST"), 400), (request(method: "get"), 400), (request(version: "1.0"), 400),
            (request(upgrade: nil), 400), (request(upgrade: "h2c"), 400), (request(upgrade: "websockets"), 400),
            (request(upgrade: ""), 400), (request(connection: nil), 400), (request(connection: "keep-alive"), 400),
            (request(connection: "upgraded"), 400), (request(keys: []), 400), (request(keys: [""]), 400),
            (request(keys: [UpgradeTests.key, UpgradeTests.key]), 400),
            (request(keys: ["dGhlIHNhbXBsZSBub25jZQ="]), 400),
            (request(keys: ["dGhlIHNhbXBsZSBub25jZQ==="]), 400), (request(keys: ["dGhlIHNhbXBsZSBub25jZQAA"]), 400),
            (request(keys: ["dGhlIHNhbXBsZSBub25j===="]), 400), (request(keys: ["dGhlIHNhbXBsZSBub25jZ-=="]), 400),
            (request(keys: ["dGhlIHNhbXBsZS=ub25jZQ=="]), 400), (request(keys: ["dGhlIHNhbXBsZSBub25jZQ = ="]), 400),
            (request(versions: ["8"]), 426), (request(versions: ["013"]), 426), (request(versions: ["14"]), 426),
            (request(versions: [""]), 426), (request(versions: ["13, 8"]), 426), (request(versions: []), 400),
            (request(versions: ["13", "13"]), 400), (request(more: "Content-Length: 1\r\n"), 400),
            (request(more: "Transfer-Encoding: chunked\r\n"), 400),
        ]
        for (text, status) in wrong { #expect(judge(text) == "refuse \(status)", "\(text.debugDescription)") }
        #expect(judge("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n") == "none")
    }

    @Test func responses() throws {
        let key = Owned(UpgradeTests.key)
        let accept = try #require(Upgrade.acceptKey(for: key.view))
        let plain =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        #expect(written { Upgrade.appendResponse(accept: accept, to: &$0) } == Array((plain + "\r\n").utf8))
        let withProtocol = plain + "Sec-WebSocket-Protocol: wamp\r\n\r\n"
        #expect(
            written { Upgrade.appendResponse(accept: accept, subprotocol: ByteView("wamp"), to: &$0) }
                == Array(withProtocol.utf8))
        let short = Owned("short")
        #expect(Upgrade.acceptKey(for: short.view) == nil)
    }

    @Test func subprotocols() {
        let owned = Owned(request(more: "Sec-WebSocket-Protocol: a, wamp\r\nSec-WebSocket-Protocol: b\r\n"))
        guard case .head(let head) = unsafe HTTPHead.parse(owned.base, count: owned.count, limits: HTTPLimits()) else {
            Issue.record("not a head")
            return
        }
        #expect(Upgrade.offers("wamp", in: head) && Upgrade.offers("b", in: head))
        #expect(!Upgrade.offers("WAMP", in: head) && !Upgrade.offers("wam", in: head))
    }
}
