import ClarionBytes
import ClarionWire
import Testing

/// "needMore", "refused 400", or "head METHOD path count".
private func summary(_ result: HTTPHeadResult) -> String {
    switch result {
    case .needMore: return "needMore"
    case .refused(let status, _): return "refused \(status)"
    case .head(let head): return "head \(head.method.string) \(head.path.string) \(head.headByteCount)"
    }
}

private func judge(_ text: some Collection<UInt8>, limits: HTTPLimits = HTTPLimits()) -> String {
    let owned = Owned(text)
    return summary(unsafe HTTPHead.parse(owned.base, count: owned.count, limits: limits))
}

private func judge(_ text: String, limits: HTTPLimits = HTTPLimits()) -> String {
    judge(Array(text.utf8), limits: limits)
}

/// Parses `text` and hands the head to `body`; false when there is none.
private func withHead(_ text: String, _ body: (HTTPHead) -> Void) -> Bool {
    let owned = Owned(text)
    guard case .head(let head) = unsafe HTTPHead.parse(owned.base, count: owned.count, limits: HTTPLimits()) else {
        return false
    }
    body(head)
    return true
}

/// Whether every prefix says either "need more" or what the whole says.
private func isTheSameHoweverCut(_ text: String, limits: HTTPLimits = HTTPLimits()) -> Bool {
    let bytes = Array(text.utf8)
    let whole = judge(bytes, limits: limits)
    for cut in 0..<bytes.count {
        let part = judge(bytes[..<cut], limits: limits)
        if part != "needMore" && part != whole { return false }
    }
    return true
}

@Suite struct HTTPHeadTests {
    static let refusals: [(String, Int)] = [
        // Request line.
        ("GET /\r\n\r\n", 400), ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400), ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1x\r\nHost: a\r\n\r\n", 400), ("GET / HTTP/11\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1,1\r\nHost: a\r\n\r\n", 400), ("GET / HTTP/x.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505), ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/9.1\r\nHost: a\r\n\r\n", 505), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        // Target.
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /é HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        // Line ends and control characters.
        ("GET / HTTP/1.1\nHost: a\n\n", 400), ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\n\rx", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{7F}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n", 400), ("\u{16}\u{3}\u{1}\u{2}", 400),
        // Field lines.
        ("GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nNa me: b\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nNamé: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nN\tm: b\r\n\r\n", 400),
        // Host.
        ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        // Framing of the body.
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{B}chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417),
    ]

    @Test func refusalsHoweverCut() {
        for (text, status) in HTTPHeadTests.refusals {
            #expect(judge(text) == "refused \(status)", "\(text.debugDescription)")
            #expect(isTheSameHoweverCut(text), "\(text.debugDescription)")
        }
    }

    @Test func acceptedHeadsHoweverCut() {
        let texts = [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
            "GET /a?b=c&d HTTP/1.1\r\nhOsT:\t[::1]:8080 \r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\n",
            "GET / HTTP/1.7\r\nHost: a\r\nX: é\ty\r\nEmpty:\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\n",
        ]
        for text in texts {
            #expect(judge(text).hasPrefix("head "), "\(text.debugDescription)")
            #expect(isTheSameHoweverCut(text), "\(text.debugDescription)")
        }
    }

    @Test func viewsOfAHead() {
        let text =
            "POST /apps/1/events?auth_key=k&x=%20?y HTTP/1.1\r\nHost: node.example:8080\r\nContent-Length: 0042\r\n"
            + "X-One:  first \r\nx-one: second\r\nExpect: 100-Continue\r\nConnection: foo, Close\r\n\r\nBODY"
        let isHead = withHead(text) { head in
            #expect(head.method == "POST" && head.path == "/apps/1/events" && head.query == "auth_key=k&x=%20?y")
            #expect(head.target.string == "/apps/1/events?auth_key=k&x=%20?y" && head.minorVersion == 1)
            #expect(head.host == "node.example:8080" && head.contentLength == 42 && !head.isChunked)
            #expect(head.headByteCount == text.utf8.count - 4 && head.expectsContinue && !head.keepsAlive)
            #expect(head.field("x-one")?.string == "first" && head.fieldCount("x-one") == 2)
            #expect(head.field("x-two") == nil && head.fieldCount("x-two") == 0)
            var names: [String] = []
            head.forEachField { name, _ in
                names.append(name.string)
                return names.count < 3
            }
            #expect(names == ["Host", "Content-Length", "X-One"])
        }
        #expect(isHead)
    }

    @Test(arguments: [
        ("1.1", "", true), ("1.1", "Connection: close\r\n", false), ("1.1", "Connection: Upgrade\r\n", true),
        ("1.1", "Connection: upgrade\r\nConnection: x ,CLOSE\r\n", false), ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false), ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ])
    func persistence(version: String, fields: String, keepsAlive: Bool) {
        let isHead = withHead("GET / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n") {
            #expect($0.keepsAlive == keepsAlive)
        }
        #expect(isHead)
    }
}

@Suite struct HTTPLimitsTests {
    private func head(line: Int, fields: Int = 1, fieldLine: Int? = nil, total: Int? = nil) -> String {
        var text = "GET /" + String(repeating: "p", count: line - 14) + " HTTP/1.1\r\nHost: a\r\n"
        for index in 1..<max(fields, 1) { text += "X\(index): y\r\n" }
        if let fieldLine { text += "Y:" + String(repeating: "v", count: fieldLine - 2) + "\r\n" }
        if let total { text += "Z:" + String(repeating: "z", count: total - text.utf8.count - 6) + "\r\n" }
        return text + "\r\n"
    }

    @Test func theWholeHead() {
        var limits = HTTPLimits(headBytesMax: 600, fieldLineBytesMax: 10_000)
        for total in [599, 600] {
            let text = head(line: 20, total: total)
            #expect(text.utf8.count == total)
            #expect(judge(text, limits: limits) == judge(text))
            #expect(isTheSameHoweverCut(text, limits: limits))
        }
        let tooLarge = head(line: 20, total: 601)
        #expect(judge(tooLarge, limits: limits) == "refused 431")
        #expect(isTheSameHoweverCut(tooLarge, limits: limits))
        #expect(judge(Array(tooLarge.utf8)[..<600], limits: limits) == "refused 431")
        #expect(judge(Array(tooLarge.utf8)[..<599], limits: limits) == "needMore")
        limits = HTTPLimits()
        #expect(judge(head(line: 20, fieldLine: 4096, total: 8191)).hasPrefix("head"))
        #expect(judge(head(line: 20, fieldLine: 4096, total: 8192)).hasPrefix("head"))
        #expect(judge(head(line: 20, fieldLine: 4096, total: 8193)) == "refused 431")
    }

    @Test func theRequestLine() {
        #expect(judge(head(line: 4095)).hasPrefix("head"))
        #expect(judge(head(line: 4096)).hasPrefix("head"))
        #expect(judge(head(line: 4097)) == "refused 414")
        // Before its end arrived, and without any end.
        #expect(judge(head(line: 5000).utf8.prefix(4096)) == "needMore")
        #expect(judge(head(line: 5000).utf8.prefix(4097)) == "refused 414")
        #expect(judge([UInt8](repeating: 0x41, count: 4097)) == "refused 414")
        #expect(judge([UInt8](repeating: 0x41, count: 100_000)) == "refused 414")
        #expect(isTheSameHoweverCut(head(line: 120), limits: HTTPLimits(requestLineBytesMax: 119)))
    }

    @Test func oneFieldLine() {
        #expect(judge(head(line: 20, fieldLine: 4095)).hasPrefix("head"))
        #expect(judge(head(line: 20, fieldLine: 4096)).hasPrefix("head"))
        #expect(judge(head(line: 20, fieldLine: 4097)) == "refused 431")
        #expect(judge(head(line: 20, fieldLine: 7168)) == "refused 431")
        #expect(judge("GET / HTTP/1.1\r\n" + String(repeating: "x", count: 4097)) == "refused 431")
    }

    @Test func theNumberOfFields() {
        #expect(judge(head(line: 20, fields: 63)).hasPrefix("head"))
        #expect(judge(head(line: 20, fields: 64)).hasPrefix("head"))
        #expect(judge(head(line: 20, fields: 65)) == "refused 431")
        #expect(judge(head(line: 20, fields: 2000)) == "refused 431")
        // Certain with the first byte of the field too many.
        let full = head(line: 20, fields: 64).dropLast()  // CR LF is one character
        #expect(judge(full + "X") == "refused 431")
        #expect(judge(full + "\r") == "needMore")
        #expect(isTheSameHoweverCut(head(line: 20, fields: 65)))
    }
}

@Suite struct HTTPTokensTests {
    private func tokens(_ text: String) -> [String] {
        let owned = Owned(text)
        var tokens = HTTPTokens(owned.view)
        var found: [String] = []
        while let token = tokens.next() { found.append(token.string) }
        return found
    }

    @Test func elementsAreTrimmedAndEmptyOnesSkipped() {
        #expect(tokens("") == [])
        #expect(tokens(" , ,\t,,") == [])
        #expect(tokens("a") == ["a"])
        #expect(tokens(" a ,b\t,, c d ,") == ["a", "b", "c d"])
        #expect(tokens(String(repeating: " ,", count: 4000) + "x") == ["x"])
    }

    @Test func membershipIsByWholeElement() {
        let list = Owned("keep-alive, Upgrade")
        #expect(HTTPTokens.contains("upgrade", in: list.view))
        #expect(!HTTPTokens.contains("upgrad", in: list.view))
        #expect(!HTTPTokens.contains("alive", in: list.view))
    }
}
