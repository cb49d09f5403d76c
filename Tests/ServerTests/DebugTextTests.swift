import ClarionBytes
import Testing

@testable import ClarionServer

@Suite struct DebugTextTests {
    private func told(_ text: String) -> String {
        Array(text.utf8).withView { DebugText.message($0, indent: "") }
    }

    private let signature = String(repeating: "0a1B", count: 16)

    @Test func jsonIsTakenApartAlsoWithinStrings() {
        #expect(
            told(#"{"event":"e","data":"{\"a\":[1,true,{}],\"b\":\"{\"}"}"#)
                == """
                {
                    "event": "e",
                    "data": {
                        "a": [
                            1,
                            true,
                            {}
                        ],
                        "b": "{"
                    }
                }
                """)
        #expect(told("") == "(empty)")
        #expect(told(#""text""#) == #""text""#)
    }

    @Test func whatOpensDoorsIsMasked() {
        let shown = told(
            #"{"data":{"auth":"app-key:\#(signature)","Password":"a","secret":{"b":1},"token":7},"#
                + #""x":"v \#(signature)."}"#)
        #expect(shown.contains(#""auth": "app-key:***""#) && shown.contains(#""Password": "***""#))
        #expect(shown.contains(#""secret": "***""#) && shown.contains(#""token": "***""#))
        #expect(shown.contains(#""v ***.""#))
        #expect(!shown.contains(signature))
    }

    @Test(arguments: [
        #"{"data":"{\"auth\":\"k:SIGNATURE\"}"}"#, #"{"data":"{\"data\":\"{\\\"auth\\\":\\\"k:SIGNATURE\\\"}\"}"}"#,
        #"{"auth":"k:SIGNATURE"#, #"{"auth":"SIGNATURE"}"#, #"{"\u0061uth":"x:SIGNATURE"}"#,
        "auth_signature=SIGNATURE&a=b", #"{"SIGNATURE":1}"#,
    ])
    func signaturesAreMaskedWhereverTheyStand(_ pattern: String) {
        let shown = told(pattern.replacing("SIGNATURE", with: signature))
        #expect(!shown.contains(signature.prefix(40)), "\(shown)")
    }

    @Test func queriesAreMasked() {
        let query = Array("info=a&auth_signature=12&AUTH_SIGNATURE=34&x=\(signature)\u{1b}[1m".utf8)
        let shown = query.withView { DebugText.target(path: ByteView("/apps/1/events"), query: $0) }
        #expect(shown == #"/apps/1/events?info=a&auth_signature=***&AUTH_SIGNATURE=***&x=***\u001b[1m"#)
    }

    @Test func nothingSteersATerminalOrLeavesItsLine() {
        for text in ["\u{1b}[2J\r\n\u{7}", "{\"a\":\"\\u001b\\n\\u202e\"}", "\u{9b}x", "{\"\\u001b\":1}"] {
            let shown = told(text)
            let isHarmless = shown.unicodeScalars.allSatisfy { scalar in
                scalar == "\n"
                    || scalar.value >= 0x20 && !(0x7f..<0xa0).contains(scalar.value) && scalar.value != 0x202e
            }
            #expect(isHarmless)
            #expect(!shown.contains("\n") || text.hasPrefix("{"))
        }
        #expect([0xff, 0xfe, 0x41].withView { DebugText.message($0, indent: "  ") }.hasSuffix("A"))
    }

    @Test func longMessagesAreCut() {
        #expect(told("{\"a\":\"\(String(repeating: "x", count: 5_000))\"}").count < 300)
        #expect(told("[" + (0..<5_000).map(String.init).joined(separator: ",") + "]").count < 4_000)
        let large = told("{\"a\":\"\(String(repeating: "x", count: 50_000))\"}")
        #expect(large.count < 300 && large.hasSuffix("(50008 bytes)"))
    }
}
