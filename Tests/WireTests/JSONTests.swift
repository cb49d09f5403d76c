import ClarionBytes
import ClarionWire
import Testing

/// The outcome of parsing: the kind, or the failure.
private func verdict(_ bytes: some Collection<UInt8>, depthMax: Int = JSON.depthMaxDefault) -> String {
    let owned = Owned(bytes)
    switch JSON.parseResult(owned.view, depthMax: depthMax) {
    case .value(let value): return "\(value.kind)"
    case .failure(let failure): return "\(failure)"
    }
}

private func verdict(_ text: String, depthMax: Int = JSON.depthMaxDefault) -> String {
    verdict(Array(text.utf8), depthMax: depthMax)
}

private func nested(_ depth: Int, open: String = "[", close: String = "]", inner: String = "") -> String {
    String(repeating: open, count: depth) + inner + String(repeating: close, count: depth)
}

@Suite struct JSONTests {
    static let valid: [(String, String)] = [
        ("null", "null"), ("true", "true"), ("false", "false"), ("0", "number"), ("-0", "number"),
        ("-1.5e+10", "number"),
        ("1E9", "number"), ("10.01", "number"), ("123456789", "number"), ("\"\"", "string"), ("\"a\"", "string"),
        (" \t\r\n1 \t\r\n", "number"), ("[]", "array"), ("{}", "object"), ("[ ]", "array"), ("{ }", "object"),
        ("[1,2]", "array"), ("[[],{},[[]]]", "array"), (#"{"a":1,"b":[true,null],"a":"x"}"#, "object"),
        (#" { "a" : [ 1 , { "b" : { } } ] } "#, "object"), (#""\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00""#, "string"),
        (#""\ud800""#, "string"), (#""\u0000""#, "string"), ("\"\u{7F}é€😀\u{2028}\"", "string"), (#"{"":0}"#, "object"),
        ("0.1234567890123456789012345678901", "number"),
    ]

    static let invalid: [String] = [
        "", " ", "nul", "nulll", "True", "NaN", "Infinity", "-Infinity", "-", "+1", "01", "-01", "00", "1.", ".5",
        "1.e5",
        "1e", "1e+", "0x10", "1 2", "1,", "--1", "1-", "\"", "\"a", "\"\\\"", "'a'", "\"\\x41\"", "\"\\u12\"",
        "\"\\u123g\"",
        "\"\\", "\"\\u", "\"a\nb\"", "\"a\tb\"", "\"a\u{0}b\"", "\"a\u{1F}b\"", "\"a\"b", "[", "]", "[1", "[1,", "[1,]",
        "[,1]",
        "[1 2]", "[1,,2]", "[1}", "{", "}", "{]", "[}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}",
        "{,}",
        "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\"::1}", "{\"a\":1 \"b\":2}", "{\"a\",1}", "{\"a\":}", "[1]]", "{}}",
        "{}{}",
        "[]//c", "/* c */1", "1/**/", "\u{FEFF}1", "\u{FEFF}{}", "1\u{0}", "\u{0}", "[1]\u{0}", "\u{B}1", "1\u{C}",
        "\u{A0}1",
        "[\"a\":1]", "{null:1}", "tru", "[tru]", "[true false]", "\"\\u\u{660}000\"",
        "123456789012345678901234567890123", "0.12345678901234567890123456789012", "1e00000000000000000000000000000000",
    ]

    @Test func accepted() {
        for (text, kind) in JSONTests.valid { #expect(verdict(text) == kind, "\(text)") }
    }

    @Test func refused() {
        for text in JSONTests.invalid { #expect(verdict(text) == "malformed", "\(text.debugDescription)") }
    }

    /// No proper prefix of a container or a string is a value, wherever it is cut.
    @Test func prefixesAreRefused() {
        let text = Array(#"{"event":"a\u00e9\\","data":{"list":[1,-2.5e3,true,false,null,"x"],"empty":{}}}"#.utf8)
        for cut in 0..<text.count { #expect(verdict(text[..<cut]) == "malformed", "\(cut)") }
        #expect(verdict(text) == "object")
    }

    @Test func depthIsBounded() {
        #expect(verdict(nested(31)) == "array")
        #expect(verdict(nested(32)) == "array")
        #expect(verdict(nested(33)) == "tooDeep")
        #expect(verdict(nested(32, open: "{\"a\":", close: "}", inner: "1")) == "object")
        #expect(verdict(nested(33, open: "{\"a\":", close: "}", inner: "1")) == "tooDeep")
        #expect(verdict(nested(100_000)) == "tooDeep")
        #expect(verdict(String(repeating: "[{\"a\":", count: 100_000)) == "tooDeep")
        #expect(verdict("[" + String(repeating: "[],", count: 1000) + "[]]", depthMax: 2) == "array")
        #expect(verdict("[[]]", depthMax: 1) == "tooDeep")
        #expect(verdict("1", depthMax: 0) == "number" && verdict("[]", depthMax: 0) == "tooDeep")
        #expect(verdict("[]", depthMax: -1) == "tooDeep")
        #expect(verdict(nested(64), depthMax: 1000) == "array" && verdict(nested(65), depthMax: 1000) == "tooDeep")
        #expect(verdict(nested(32, open: "[{\"a\":", close: "}]", inner: "0"), depthMax: 64) == "array")
        #expect(verdict(nested(32, open: "[{\"a\":", close: "]}", inner: "0"), depthMax: 64) == "malformed")
    }

    @Test func aMillionKeys() {
        var text = ByteBuffer(capacity: 1 << 24)
        text.append("{")
        for index in 0..<1_000_000 {
            if index > 0 { text.append(",") }
            text.append("\"k")
            text.append(decimal: UInt64(index))
            text.append("\":0")
        }
        text.append("}")
        let value = JSON.parse(text.view)
        #expect(value?.member("k999999")?.integer == 0)
        #expect(value?.member("k1000000") == nil)
    }

    /// Nothing traps on bytes that are not UTF-8, and the readers stay inside what was parsed.
    @Test func anyBytes() {
        var random = Seeded(6)
        let pool = Array("{}[]\",:\\u0019eE+-. \ntruefalsn".utf8) + [0x00, 0x80, 0xFF, 0xC3, 0xD8]
        for _ in 0..<30_000 {
            let count = Int.random(in: 0..<24, using: &random)
            let bytes = (0..<count).map { _ in pool.randomElement(using: &random) ?? 0 }
            let owned = Owned(bytes)
            guard let value = JSON.parse(owned.view) else { continue }
            _ = value.member("a")
            value.forEachElement { $0.string() != nil }
            _ = value.unescapedCount
        }
        #expect(verdict([0x22, 0xFF, 0x80, 0x22]) == "string")
    }
}
