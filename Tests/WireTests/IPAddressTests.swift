import ClarionWire
import Testing

@Suite struct IPAddressTests {
    @Test(arguments: ["1.2.3.4", "::1", "2001:db8::1", "::ffff:10.0.0.1"])
    func textsAreRead(_ text: String) { #expect(IPAddress(text)?.description == text) }

    @Test(arguments: ["", "1.2.3", "0x7f.1", "2130706433", "1.2.3.4.5", "::1%eth0", "[::1]", "localhost"])
    func othersAreNot(_ text: String) { #expect(IPAddress(text) == nil) }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.0", false), ("172.16.0.0/12", "172.31.9.9", true),
        ("172.16.0.0/12", "172.32.0.0", false), ("0.0.0.0/0", "8.8.8.8", true), ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7/32", "192.0.2.8", false), ("fc00::/7", "fdff::1", true), ("fc00::/7", "fe00::1", false),
        ("10.0.0.0/8", "::ffff:10.0.0.1", false),
    ])
    func networksContain(_ network: String, _ address: String, _ expected: Bool) throws {
        #expect(try #require(IPNetwork(network)).contains(try #require(IPAddress(address))) == expected)
    }

    @Test(arguments: ["10.0.0.0/33", "::/129", "10.0.0.0/-1", "a/8", "10.0.0.0/8/8", "", "10.0.0.0/"])
    func wrongNetworks(_ text: String) { #expect(IPNetwork(text) == nil) }
}

@Suite struct EndpointURLTests {
    @Test(arguments: [
        ("https://Example.org", "https://example.org/"), ("http://a.example:8080/x?y=z", "http://a.example:8080/x?y=z"),
        ("HTTPS://a.example:443/", "https://a.example/"), ("http://[2001:db8::1]:81/h", "http://[2001:db8::1]:81/h"),
        ("http://a.example?x", "http://a.example/?x"), ("http://10.0.0.1/", "http://10.0.0.1/"),
    ])
    func urlsAreTakenApartAndPutTogether(_ text: String, _ meant: String) {
        #expect(EndpointURL(text)?.description == meant)
    }

    @Test(arguments: [
        "", "example.org", "ftp://a", "http://", "http:///x", "http://u@a.example/", "http://u:p@a/", "http://a#b",
        "http://a b/",
        "http://a.example:0/", "http://a.example:65536/", "http://a.example:/", "http://a%2eb/", "http://é.example/",
        "http://a\\b/", "http://[::1", "http://[::1]x/", "http://[1.2.3.4]/", "http://a:1:2/", "http://a/\n",
    ])
    func whatCouldBeReadInTwoWaysIsRefused(_ text: String) { #expect(EndpointURL(text) == nil) }

    @Test func aLogDoesNotShowTheQuery() {
        #expect(EndpointURL("https://a.example/x?token=marker")?.shown == "https://a.example/x")
    }
}
