import Testing

@testable import WSBenchCore

@Suite struct SigningTests {
    let application = PusherApplication(id: "app-id", key: "app-key", secret: "app-secret")

    // Computed with Python's hmac and hashlib.
    @Test func aChannelIsSignedFor() {
        #expect(
            application.authorization(socket: "1234.5678", channel: "private-foo")
                == "app-key:d7d4254b75e2b60944b91bc92e916d56da84c4835011f5aa3c59a8e7f6e8b65d")
        #expect(
            application.authorization(
                socket: "1234.5678", channel: "presence-foo",
                channelData: #"{"user_id":"10","user_info":{"name":"Ann"}}"#)
                == "app-key:a1d0133a82e096619f3e78e5a7798c3e7c0024c88e5d31dd3b23cef2044f0267")
    }

    @Test func aDigestOfNothingIsKnown() {
        #expect(Digest.md5([]) == "d41d8cd98f00b204e9800998ecf8427e")  // RFC 1321, section A.5
    }

    @Test func aRequestNamesItsBodyAndIsSigned() {
        let body = Array(#"{"name":"m","channel":"c","data":"x"}"#.utf8)
        let request = String(
            decoding: application.request(prefix: "/ws", host: "h:1", body: body, unixSeconds: 1_700_000_000),
            as: UTF8.self)
        #expect(request.hasPrefix("POST /ws/apps/app-id/events?auth_key=app-key&auth_timestamp=1700000000&"))
        #expect(request.contains("body_md5=\(Digest.md5(body))&auth_signature="))
        #expect(request.contains("\r\nContent-Length: \(body.count)\r\n"))
        #expect(request.hasSuffix("\r\n\r\n" + String(decoding: body, as: UTF8.self)))
        let query = "auth_key=app-key&auth_timestamp=1700000000&auth_version=1.0&body_md5=\(Digest.md5(body))"
        let signed = Digest.hmac(Array("POST\n/apps/app-id/events\n\(query)".utf8), secret: Array("app-secret".utf8))
        #expect(request.contains("auth_signature=\(signed) "))
    }

    @Test func anAnswerIsWholeOrNot() throws {
        let text = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 3\r\nConnection: close\r\n\r\nabc"
        for count in 0..<text.utf8.count { #expect(HTTPAnswer(Array(text.utf8.prefix(count))) == nil) }
        let answer = try #require(HTTPAnswer(Array(text.utf8)))
        #expect(answer.status == 401)
        #expect(answer.closes)
        #expect(Array(answer.body) == Array("abc".utf8))
        #expect(HTTPAnswer(Array("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n".utf8)) == nil)
    }
}
