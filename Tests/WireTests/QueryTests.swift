import ClarionBytes
import ClarionWire
import Testing

@Suite struct QueryTests {
    private func pairs(_ text: String) -> [String] {
        let owned = Owned(text)
        var query = Query(owned.view)
        var found: [String] = []
        while let parameter = query.next() { found.append("\(parameter.name.string)=\(parameter.value.string)") }
        if query.hasTooMany { found.append("too many") }
        return found
    }

    @Test func parametersInOrder() {
        #expect(pairs("") == [])
        #expect(pairs("&&") == [])
        #expect(pairs("a=1&b=2&a=3") == ["a=1", "b=2", "a=3"])
        #expect(pairs("a&=b&c=d=e&") == ["a=", "=b", "c=d=e"])
    }

    @Test func atMostThirtyTwo() {
        let thirtyTwo = (0..<32).map { "p\($0)=v" }.joined(separator: "&")
        #expect(pairs(thirtyTwo).count == 32 && !pairs(thirtyTwo).contains("too many"))
        #expect(pairs(thirtyTwo + "&").count == 32)
        #expect(pairs(thirtyTwo + "&x").last == "too many" && pairs(thirtyTwo + "&x").count == 33)
        let (fits, over) = (Owned(thirtyTwo), Owned(thirtyTwo + "&x"))
        #expect(Query.isAcceptable(fits.view) && !Query.isAcceptable(over.view))
    }

    @Test func valuesByName() {
        let owned = Owned("protocol=7&client=js&protocol=8&flag")
        #expect(Query.value("protocol", in: owned.view)?.string == "7")
        #expect(Query.value("flag", in: owned.view)?.isEmpty == true)
        #expect(Query.value("proto", in: owned.view) == nil)
    }
}

@Suite struct PercentEncodingTests {
    private func decode(_ text: String, plusIsSpace: Bool = true) -> String? {
        let owned = Owned(text)
        let decoded = writtenText { PercentEncoding.appendDecoded(owned.view, plusIsSpace: plusIsSpace, to: &$0) }
        precondition(PercentEncoding.isDecodable(owned.view) == (decoded != nil))
        return decoded
    }

    private func path(_ text: String) -> String? {
        let owned = Owned(text)
        return writtenText { PercentEncoding.appendDecodedPath(owned.view, to: &$0) }
    }

    @Test func decoding() {
        #expect(decode("") == "")
        #expect(decode("a%20b+c%2Bd%c3%A9") == "a b c+dé")
        #expect(decode("a+b", plusIsSpace: false) == "a+b")
        #expect(decode("%2520") == "%20")
        for bad in ["%", "%2", "%zz", "%2z", "a%", "%00", "a%00b", "%+1", "%ff", "%C3", "%ED%A0%80", "%u0041"] {
            #expect(decode(bad) == nil, "\(bad)")
        }
    }

    @Test func paths() {
        #expect(path("/") == "/")
        #expect(path("/app/key") == "/app/key")
        #expect(path("/app/key/") == "/app/key/")
        #expect(path("/apps/1/channels/presence%2Da%40b;c") == "/apps/1/channels/presence-a@b;c")
        #expect(path("/a+b/...") == "/a+b/...")
        for bad in [
            "", "app", "//app/key", "/app//key", "/app/%2e%2e/", "/..", "/./a", "/%2E/a", "/app/%2Fkey", "/a%5cb",
            "/a\\b",
            "/%00", "/%0a", "/%7F", "/%", "/%f0",
        ] {
            #expect(path(bad) == nil, "\(bad)")
        }
    }
}
