import ClarionBytes
import ClarionWire
import Testing

@Suite struct JSONValueTests {
    /// Parses `text`, which must be valid, and hands the value to `body`.
    private func read<Result>(_ text: String, _ body: (JSONValue) -> Result) -> Result? {
        let owned = Owned(text)
        return JSON.parse(owned.view).map(body)
    }

    private func raw(_ text: String, member name: StaticString) -> String? {
        read(text) { $0.member(name)?.raw.string } ?? nil
    }

    @Test func membersByName() {
        let text = #" { "event" : "x" , "data":{"a":[1,"}",{"b":"\"}"}]}, "n":-1.5e3 ,"t":true,"event":"last"} "#
        #expect(raw(text, member: "data") == #"{"a":[1,"}",{"b":"\"}"}]}"#)
        #expect(raw(text, member: "n") == "-1.5e3" && raw(text, member: "t") == "true")
        #expect(raw(text, member: "even") == nil && raw(text, member: "events") == nil && raw(text, member: "a") == nil)
        // The last of several wins.
        #expect(raw(text, member: "event") == #""last""#)
        #expect(raw(#"{"a":1,"\u0061":2}"#, member: "a") == "2")
        #expect(raw(#"{"\u0061":2,"a":1}"#, member: "a") == "1")
        #expect(raw(#"{"":7}"#, member: "") == "7")
        #expect(raw(#"["a"]"#, member: "a") == nil && raw(#""a""#, member: "a") == nil && raw("{}", member: "a") == nil)
        #expect(read(text) { $0.raw.string } == String(text.dropFirst().dropLast()))
    }

    @Test func membersWithoutRegardToCase() {
        let text = #"{"Action":1,"ACTION":2,"\u0041ction":3,"actions":4}"#
        #expect(read(text) { $0.member(ignoringCase: "action")?.raw.string } == "3")
        #expect(read(text) { $0.member(ignoringCase: "actio") == nil } == true)
    }

    @Test func walking() {
        let text = #"{"a":1,"b":[ "x" , [] ,{} , null ],"c":true}"#
        var seen: [String] = []
        _ = read(text) { value in
            value.forEachMember { key, member in
                seen.append("\(key.raw.string) \(member.kind)")
                return true
            }
            value.member("b")?.forEachElement {
                seen.append($0.raw.string)
                return $0.kind != .object
            }
            value.forEachElement { _ in
                seen.append("an element of an object")
                return true
            }
        }
        #expect(seen == [#""a" number"#, #""b" array"#, #""c" true"#, #""x""#, "[]", "{}"])
    }

    @Test(arguments: [
        ("{}", true), ("[]", true), ("{ \n}", true), ("[\t]", true), ("[0]", false), (#"{"a":0}"#, false),
        ("\"\"", false),
        ("null", false), ("0", false),
    ])
    func emptyContainers(text: String, isEmpty: Bool) {
        #expect(read(text) { $0.isEmptyContainer } == isEmpty)
    }

    @Test func integers() {
        func integer(_ text: String) -> Int64? { read(text) { $0.integer } ?? nil }
        #expect(integer("0") == 0 && integer("-0") == 0 && integer("42") == 42 && integer("-7") == -7)
        #expect(integer("9223372036854775807") == Int64.max && integer("-9223372036854775808") == Int64.min)
        #expect(integer("9223372036854775808") == nil && integer("-9223372036854775809") == nil)
        #expect(integer("99999999999999999999999999999999") == nil)
        #expect(integer("1.0") == nil && integer("1e2") == nil && integer("\"1\"") == nil && integer("null") == nil)
    }
}

@Suite struct JSONStringTests {
    private func read<Result>(_ text: String, _ body: (JSONValue) -> Result) -> Result? {
        let owned = Owned(text)
        return JSON.parse(owned.view).map(body)
    }

    private func text(_ json: String) -> String? {
        let owned = Owned(json)
        guard let value = JSON.parse(owned.view) else { return nil }
        let unescaped = writtenText { value.appendUnescaped(to: &$0) }
        precondition(unescaped == value.string())
        precondition(unescaped == nil || unescaped?.utf8.count == value.unescapedCount)
        return unescaped
    }

    @Test func unescaping() {
        #expect(text(#""""#) == "")
        #expect(text(#""plain é""#) == "plain é")
        #expect(text(#""\"\\\/\b\f\n\r\t""#) == "\"\\/\u{8}\u{C}\n\r\t")
        #expect(text(#""a\u0041\u00e9\u20AC\uD83D\uDE00z""#) == "aAé€😀z")
        #expect(text(#""\u0000""#) == "\u{0}")
        #expect(text(#""\uDBFF\uDFFF\uD800\uDC00""#) == "\u{10FFFF}\u{10000}")
        #expect(text("1") == nil && text("null") == nil && text("[]") == nil)
    }

    @Test(arguments: [
        #""\ud800""#, #""\udc00""#, #""\ud800x""#, #""\ud800\n""#, #""\ud800\u0041""#, #""\ud800\ud800""#,
        #""\udc00\ud800""#, #""a\udfff""#, #""\ud83d\ude00\ud83d""#,
    ])
    func loneSurrogates(json: String) {
        #expect(text(json) == nil)
        #expect(read(json) { $0.equals("\u{FFFD}") } == false)
        #expect(read(json) { $0.unescapedCount }.map { $0 > 0 } == true)
    }

    @Test func comparing() {
        #expect(read(#""pusher:ping""#) { $0.equals("pusher:ping") } == true)
        #expect(read(#""pusher\u003aping""#) { $0.equals("pusher:ping") } == true)
        #expect(read(#""pusher:pin""#) { $0.equals("pusher:ping") } == false)
        #expect(read(#""pusher:pings""#) { $0.equals("pusher:ping") } == false)
        #expect(read(#""\u00e9\ud83d\ude00""#) { $0.equals("é😀") } == true)
        #expect(read(#""\u00e9""#) { $0.equals("Ã") } == false)
        #expect(read(#""""#) { $0.equals("") && $0.hasPrefix("") } == true)
        #expect(read("1") { $0.equals("1") || $0.hasPrefix("") } == false)
    }

    @Test func prefixes() {
        #expect(read(#""client-event""#) { $0.hasPrefix("client-") } == true)
        #expect(read(#""client-""#) { $0.hasPrefix("client-") } == true)
        #expect(read(#""client""#) { $0.hasPrefix("client-") } == false)
        #expect(read(#""\u0063lient\u002d\u0065""#) { $0.hasPrefix("client-") } == true)
        #expect(read(#""Client-x""#) { $0.hasPrefix("client-") } == false)
        #expect(read(#""client-\ud800""#) { $0.hasPrefix("client-") } == true)
        #expect(read(#""cli\ud800nt-""#) { $0.hasPrefix("client-") } == false)
    }

    @Test func contentAndEscapes() {
        #expect(read(#""a\nb""#) { $0.hasEscapes && $0.content.string == #"a\nb"# } == true)
        #expect(read(#""ab""#) { !$0.hasEscapes && $0.content == "ab" } == true)
        #expect(read("12") { !$0.hasEscapes && $0.content.isEmpty && $0.unescapedCount == 0 } == true)
    }
}
