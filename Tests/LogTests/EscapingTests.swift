import Testing

@testable import ClarionLog

@Suite struct EscapingTests {
    @Test func jsonStringsStayOnTheirLine() {
        var line = ""
        appendJSONString("a\"b\\c\nd\re\u{1b}[31m\u{2028}\u{202e}\u{85}é", to: &line)
        #expect(line == #""a\"b\\c\nd\re\u001b[31m\u2028\u202e\u0085é""#)
    }

    @Test(arguments: [
        ("plain", "plain"), ("two words", #""two words""#), ("", #""""#), ("a=b", #""a=b""#),
        ("x\r\ny", #""x\r\ny""#),
    ])
    func readableTextIsQuotedWhenItMust(_ text: String, _ expected: String) {
        var line = ""
        appendReadable(text, to: &line)
        #expect(line == expected)
    }

    @Test func longTextIsCutBetweenCharacters() {
        let text = String(repeating: "é", count: logTextBytesMax)
        let cut = shortened(text)
        #expect(cut == String(repeating: "é", count: logTextBytesMax / 2) + "…")
        #expect(shortened("short") == "short")
    }
}
