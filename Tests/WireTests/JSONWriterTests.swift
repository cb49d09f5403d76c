import ClarionBytes
import ClarionWire
import Testing

@Suite struct JSONWriterTests {
    private func string(_ text: some Collection<UInt8>) -> [UInt8] {
        let owned = Owned(text)
        return written { JSONWriter.append(string: owned.view, to: &$0) }
    }

    @Test func everyByteThatMustBeEscaped() {
        let escapes: [UInt8: String] = [
            0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0C: "\\f", 0x0D: "\\r", 0x22: "\\\"", 0x5C: "\\\\",
        ]
        for byte in UInt8(0)...0x7F {
            var expected = escapes[byte] ?? String(UnicodeScalar(byte))
            if byte < 0x20 && escapes[byte] == nil {
                expected = "\\u00" + (byte < 0x10 ? "0" : "") + String(byte, radix: 16)
            }
            #expect(string([byte]) == Array("\"\(expected)\"".utf8), "\(byte)")
        }
        #expect(string("é€😀/".utf8) == Array("\"é€😀/\"".utf8))
        #expect(string([]) == [0x22, 0x22])
    }

    @Test func jsonInsideAString() {
        let owned = Owned(#"{"a":"\n"}"#)
        #expect(written { JSONWriter.append(stringified: owned.view, to: &$0) } == Array(#""{\"a\":\"\\n\"}""#.utf8))
        #expect(written { JSONWriter.append(string: "x", to: &$0) } == Array(#""x""#.utf8))
    }

    /// What is written reads back as itself, at every length around the width of a word.
    @Test func readsBackAsItself() {
        var random = Seeded(7)
        let pool = Array("abc\"\\\n\u{1}é€😀/".unicodeScalars)
        for round in 0..<5000 {
            var scalars = String.UnicodeScalarView()
            for _ in 0..<(round % 40) { scalars.append(pool.randomElement(using: &random) ?? "x") }
            let text = String(scalars)
            let json = Owned(string(text.utf8))
            #expect(JSON.parse(json.view)?.string() == text)
        }
    }
}
