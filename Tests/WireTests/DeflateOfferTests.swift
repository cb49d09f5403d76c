import ClarionBytes
import ClarionWire
import Testing

/// Offers and answers of permessage-deflate (RFC 7692 section 7.1; hardening 1.5 and 2.18).
@Suite struct DeflateOfferTests {
    /// The answer to fields of an upgrade, "" when nothing is acceptable.
    private func shared(_ fields: String...) -> String {
        guard let offer = offer(fields) else { return "" }
        return text(DeflateAgreement.shared(offer, windows: [8, 9, 12, 15]))
    }

    private func dedicated(_ fields: String..., windowBits: Int = 12) -> String {
        guard let offer = offer(fields) else { return "" }
        return text(DeflateAgreement.dedicated(offer, windowBits: windowBits))
    }

    private func offer(_ fields: [String]) -> DeflateOffer? {
        let lines = fields.map { "Sec-WebSocket-Extensions: \($0)\r\n" }.joined()
        let owned = Owned("GET / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n")
        let limits = HTTPLimits(headBytesMax: 16_384, fieldLineBytesMax: 16_000)
        guard case .head(let head) = unsafe HTTPHead.parse(owned.base, count: owned.count, limits: limits) else {
            preconditionFailure("not a head")
        }
        return DeflateOffer.first(in: head)
    }

    private func text(_ agreement: DeflateAgreement) -> String {
        let name = "permessage-deflate"
        let text = String(decoding: written { agreement.append(to: &$0) }, as: UTF8.self)
        precondition(text.hasPrefix(name))
        return text == name ? "yes" : String(text.dropFirst(name.count + 2))
    }

    static let usual = "server_no_context_takeover; client_no_context_takeover"

    @Test func plainOffers() {
        let usual = DeflateOfferTests.usual
        #expect(shared("permessage-deflate") == usual)
        #expect(shared("permessage-deflate; client_max_window_bits") == usual)
        #expect(shared("permessage-deflate; client_max_window_bits=10") == usual)
        #expect(shared("permessage-deflate; server_no_context_takeover; client_no_context_takeover") == usual)
        #expect(shared("permessage-deflate;server_max_window_bits=15") == usual + "; server_max_window_bits=15")
        #expect(shared(" permessage-deflate\t; client_max_window_bits ,\t") == usual)
        #expect(shared("permessage-deflate; client_max_window_bits = 9") == usual)
    }

    @Test func windowsAreOneOfFew() {
        let answers = [8: 8, 9: 9, 10: 9, 11: 9, 12: 12, 13: 12, 14: 12, 15: 15]
        for (offered, answered) in answers {
            let answer = shared("permessage-deflate; server_max_window_bits=\(offered)")
            #expect(answer == DeflateOfferTests.usual + "; server_max_window_bits=\(answered)")
        }
    }

    @Test func ownContexts() {
        #expect(dedicated("permessage-deflate") == "server_max_window_bits=12")
        #expect(dedicated("permessage-deflate", windowBits: 15) == "yes")
        let both = "server_max_window_bits=12; client_max_window_bits=12"
        #expect(dedicated("permessage-deflate; client_max_window_bits") == both)
        #expect(
            dedicated("permessage-deflate; client_max_window_bits=9; server_max_window_bits=8")
                == "server_max_window_bits=8; client_max_window_bits=9")
        #expect(
            dedicated("permessage-deflate; client_no_context_takeover; client_max_window_bits")
                == "client_no_context_takeover; server_max_window_bits=12")
        #expect(
            dedicated("permessage-deflate; server_no_context_takeover", windowBits: 15) == "server_no_context_takeover")
    }

    @Test func illegalValuesAreDeclined() {
        let values = [
            "7", "16", "99", "-1", "abc", "0", "00", "08", "010", "1", "100", "+9", "9.0", "0x9", "\"\"", "\"7\"",
            "\"9", "9\"", "\"9\"9", "''", "'9'", "", "\"1 0\"", "\"09\"", "\"\\\"", "9 9",
        ]
        for value in values {
            for name in ["server_max_window_bits", "client_max_window_bits"] {
                #expect(shared("permessage-deflate; \(name)=\(value)") == "", "\(name)=\(value)")
            }
        }
        for name in ["server_no_context_takeover", "client_no_context_takeover"] {
            for value in ["true", "1", "\"\"", "\"x\"", ""] {
                #expect(shared("permessage-deflate; \(name)=\(value)") == "", "\(name)=\(value)")
            }
            #expect(shared("permessage-deflate; \(name); \(name)") == "")
        }
        #expect(shared("permessage-deflate; server_max_window_bits") == "")
        #expect(shared("permessage-deflate; server_max_window_bits=9; server_max_window_bits=9") == "")
        #expect(shared("permessage-deflate; client_max_window_bits; client_max_window_bits=9") == "")
        #expect(shared("permessage-deflate; unknown") == "")
        #expect(shared("permessage-deflate; Server_No_Context_Takeover") == "")
        #expect(shared("Permessage-Deflate") == "")
        #expect(shared("permessage-deflate2") == "")
        #expect(shared("x-webkit-deflate-frame") == "")
    }

    @Test func quotedValues() {
        #expect(shared("permessage-deflate; client_max_window_bits=\"10\"") == DeflateOfferTests.usual)
        #expect(shared("permessage-deflate; client_max_window_bits=\"1\\0\"") == DeflateOfferTests.usual)
        #expect(
            shared("permessage-deflate; server_max_window_bits=\"9\"")
                == DeflateOfferTests.usual + "; server_max_window_bits=9")
        #expect(shared("foo; bar=\"b\\az\", permessage-deflate") == DeflateOfferTests.usual)
    }

    @Test func theFirstAcceptableOfferWins() {
        let eight = (8...15).map { "permessage-deflate; server_max_window_bits=\($0)" }.joined(separator: ", ")
        #expect(shared(eight) == DeflateOfferTests.usual + "; server_max_window_bits=8")
        let nine = DeflateOfferTests.usual + "; server_max_window_bits=9"
        #expect(
            shared(
                "permessage-deflate; x=1, permessage-deflate; server_max_window_bits=7, "
                    + "permessage-deflate; server_max_window_bits=9, permessage-deflate") == nine)
        #expect(shared("foo", "bar; x=\"y\"", "permessage-deflate; server_max_window_bits=10") == nine)
        #expect(shared("permessage-deflate; server_max_window_bits=6", "permessage-deflate") == DeflateOfferTests.usual)
    }

    @Test func malformedFieldsOfferNothing() {
        let wrong = [
            "permessage-deflate;", "permessage-deflate; ;", "permessage-deflate; =1", "permessage-deflate=1",
            "permessage-deflate; a=\"", "permessage-deflate; a=\"b", "permessage-deflate; a=\"\"",
            "permessage-deflate; a=\"b\\", "permessage-deflate client_max_window_bits", "\"permessage-deflate\"",
            "permessage-deflate, foo; a=\"b", "permessage-deflate, ;", "permessage-deflate, (",
            "permessage-deflate; a=\"b c\"", "permessage-deflate; a=\"b\"c",
        ]
        for field in wrong { #expect(shared(field) == "", "\(field)") }
        #expect(shared("permessage-deflate", "foo; =") == "")
        #expect(shared("") == "" && shared(",,, ,") == "")
    }

    /// Values of thousands of bytes are read once, from front to back (hardening 1.5).
    @Test func longFieldsAreReadOnce() {
        let count = 7_000
        let long = [
            String(repeating: ",", count: count), String(repeating: " ,", count: count / 2),
            String(repeating: "a,", count: count / 2), String(repeating: "permessage-deflate;x,", count: count / 21),
            "a" + String(repeating: ";b", count: count / 2), "a;b=\"" + String(repeating: "\\c", count: count / 2),
            "a;b=\"" + String(repeating: "c", count: count) + "\"", String(repeating: "\"", count: count),
            "permessage-deflate" + String(repeating: "; server_no_context_takeover", count: count / 28),
        ]
        let clock = ContinuousClock()
        for field in long {
            let time = clock.measure { for _ in 0..<100 { _ = shared(field) } }
            // A millisecond each is far more than a linear reader needs, also in a debug build on a busy machine.
            #expect(time < .seconds(5), "\(field.prefix(20)): \(time)")
            #expect(shared(field) == "")
        }
        #expect(shared(String(repeating: " ", count: count) + "permessage-deflate") == DeflateOfferTests.usual)
    }
}
