import ClarionLoop
import Testing

@Suite("Addresses of peers")
struct PeerAddressTests {
    private func address(_ text: String) -> PeerAddress? {
        var text = text
        return text.withUTF8 { unsafe PeerAddress(text: $0) }
    }

    @Test("text to address and back", arguments: ["192.0.2.1", "2001:db8::1", "::1", "0.0.0.0", "ffff::"])
    func text(_ text: String) { #expect(address(text)?.description == text) }

    @Test("what is no address", arguments: ["", "1.2.3", "1.2.3.4.5", "::g", "1.2.3.4 ", "host", "1.2.3.4\u{0}"])
    func noAddress(_ text: String) { #expect(address(text) == nil) }

    @Test("IPv4 in IPv6 is IPv4")
    func mapped() {
        #expect(address("::ffff:192.0.2.1") == address("192.0.2.1"))
        #expect(address("::ffff:192.0.2.1")?.isVersion4 == true)
    }

    @Test(
        "networks",
        arguments: [
            ("10.0.0.0/8", "10.255.1.2", true), ("10.0.0.0/8", "11.0.0.1", false), ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false), ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true), ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true), ("::/0", "10.0.0.1", true), ("2001:db8::/65", "2001:db8::8000:0:0:1", false),
            ("2001:db8::/65", "2001:db8::7fff:0:0:1", true), ("::1", "::1", true), ("127.0.0.8/29", "127.0.0.15", true),
            ("127.0.0.8/29", "127.0.0.16", false), ("192.0.2.77/24", "192.0.2.1", true),
        ])
    func networks(_ range: String, _ text: String, _ isInside: Bool) throws {
        let range = try #require(AddressRange(range))
        #expect(range.contains(try #require(address(text))) == isInside)
        #expect(!range.contains(.local) && !range.contains(.unknown))
    }

    @Test("what is no network", arguments: ["", "/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/x", "::/129", "host"])
    func noNetwork(_ text: String) { #expect(AddressRange(text) == nil) }
}
