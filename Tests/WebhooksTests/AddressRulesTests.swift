import ClarionWebhooks
import ClarionWire
import Testing

@Suite struct AddressRulesTests {
    @Test(arguments: [
        "127.0.0.1", "127.255.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
        "0.0.0.0", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fd00::1", "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "::127.0.0.1", "2001:db8::1", "64:ff9b:1::1", "fec0::1",
    ])
    func whatIsNotPublicIsRefused(_ text: String) throws {
        #expect(!AddressRules().permits(try #require(IPAddress(text))))
    }

    @Test(arguments: [
        "8.8.8.8", "172.32.0.1", "193.0.0.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::",
    ])
    func whatIsPublicIsAllowed(_ text: String) throws { #expect(AddressRules().permits(try #require(IPAddress(text)))) }

    @Test func whatTheOperatorAllowsIsAllowed() throws {
        let rules = AddressRules(allowed: [try #require(IPNetwork("10.0.0.0/8")), try #require(IPNetwork("::1"))])
        #expect(rules.permits(try #require(IPAddress("10.9.9.9"))))
        #expect(rules.permits(try #require(IPAddress("::1"))))
        #expect(rules.permits(try #require(IPAddress("::ffff:10.0.0.1"))))
        #expect(!rules.permits(try #require(IPAddress("127.0.0.1"))))
    }
}
