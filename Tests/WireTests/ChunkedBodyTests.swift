import ClarionBytes
import ClarionWire
import Testing

@Suite struct ChunkedBodyTests {
    /// Feeds `bytes` in pieces of `piece` bytes: "BODY|rest" when done, "more", or "refused STATUS".
    private func decode(
        _ text: String, piece: Int = Int.max, bodyBytesMax: Int = 64, extensionBytesMax: Int = 0
    ) -> String {
        var decoder = ChunkedBody(bodyBytesMax: bodyBytesMax, extensionBytesMax: extensionBytesMax)
        var body = ByteBuffer(capacity: 1)
        let bytes = Array(text.utf8)
        var position = 0
        while position < bytes.count {
            let part = Owned(bytes[position..<(position + min(piece, bytes.count - position))])
            switch unsafe decoder.decode(part.base, count: part.count, into: &body) {
            case .needMore: position += part.count
            case .refused(let status): return "refused \(status)"
            case .done(let consumed):
                return body.view.string + "|" + String(decoding: bytes[(position + consumed)...], as: UTF8.self)
            }
        }
        return "more"
    }

    static let cases: [(String, String)] = [
        ("0\r\n\r\n", "|"), ("5\r\nhello\r\n0\r\n\r\nGET", "hello|GET"),
        ("5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n", "hello world|"),
        ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789|"), ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789|"),
        ("0000000000000005\r\nhello\r\n0\r\n\r\n", "hello|"), ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n|"),
        ("1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\nrest", "x|rest"), ("", "more"), ("5", "more"),
        ("5\r\nhello\r\n0\r\n", "more"),
        ("\r\n", "refused 400"), ("+5\r\nhello\r\n0\r\n\r\n", "refused 400"),
        ("0x5\r\nhello\r\n0\r\n\r\n", "refused 400"),
        ("-1\r\n", "refused 400"), (" 5\r\nhello\r\n", "refused 400"), ("5 \r\nhello\r\n", "refused 400"),
        ("g\r\n", "refused 400"), ("5\nhello\n0\n\n", "refused 400"), ("5\r\nhello\n0\r\n\r\n", "refused 400"),
        ("5\rhello", "refused 400"), ("5\r\nhello0\r\n\r\n", "refused 400"), ("5\r\nhell\r\n0\r\n\r\n", "refused 400"),
        ("00000000000000005\r\nhello\r\n", "refused 400"), ("5;a=b\r\nhello\r\n0\r\n\r\n", "refused 400"),
        (";\r\n", "refused 400"), ("41\r\n", "refused 413"), ("ffffffffffffffff\r\n", "refused 413"),
        ("8000000000000000\r\n", "refused 413"), ("7fffffffffffffff\r\n", "refused 413"),
        ("0\r\nA: b\n\r\n", "refused 400"), ("0\r\nA: \u{0}\r\n\r\n", "refused 400"), ("0\r\n\rx", "refused 400"),
    ]

    @Test func casesHoweverCut() {
        for (text, expected) in ChunkedBodyTests.cases {
            for piece in [Int.max, 1, 2, 3, 5] {
                #expect(decode(text, piece: piece) == expected, "\(text.debugDescription) by \(piece)")
            }
        }
    }

    @Test func theBodyIsBoundedAsAWhole() {
        let chunk = "10\r\n0123456789abcdef\r\n"
        let four = String(repeating: chunk, count: 4)
        #expect(decode(four + "0\r\n\r\n").hasSuffix("|"))
        #expect(decode(four + "1\r\nx\r\n0\r\n\r\n") == "refused 413")
        #expect(decode(four + "1") == "refused 413")
        #expect(decode("40\r\n" + String(repeating: "x", count: 64) + "\r\n0\r\n\r\n").hasSuffix("|"))
        #expect(decode("1", bodyBytesMax: 0) == "refused 413")
        #expect(decode("0\r\n\r\n", bodyBytesMax: 0) == "|")
    }

    @Test func extensionsAreBoundedAsAWhole() {
        #expect(decode("1;a=bc\r\nx\r\n1;a=bc\r\ny\r\n0\r\n\r\n", extensionBytesMax: 10) == "xy|")
        #expect(decode("1;a=bc\r\nx\r\n1;a=bc\r\ny\r\n0\r\n\r\n", extensionBytesMax: 9) == "refused 400")
        #expect(decode("1;a\nb\r\nx\r\n", extensionBytesMax: 10) == "refused 400")
    }

    @Test func trailersAreBounded() {
        let fits = String(repeating: "t", count: ChunkedBody.trailerBytesMax - 1)
        #expect(decode("0\r\n" + fits + "\r\n\r\n") == "|")
        #expect(decode("0\r\n" + fits + "t\r\n\r\n") == "refused 431")
        #expect(decode("0\r\n" + String(repeating: "t\r\n", count: 10_000)) == "refused 431")
    }
}
