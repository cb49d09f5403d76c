import ClarionBytes
import Testing

@testable import ClarionPusher

@Suite struct ChannelNameTests {
    @Test(
        arguments: [
            ("room", ChannelKind.public), ("private-a", .private), ("private-", .private), ("private", .public),
            ("privateer", .public), ("Private-a", .public), ("foo-private-x", .public), ("presence-a", .presence),
            ("presenceful", .public), ("presence-cache-a", .presenceCache), ("cache-a", .cache), ("cache", .public),
            ("my-cache-x", .public), ("private-cache-a", .privateCache), ("private-encrypted-a", .privateEncrypted),
            ("private-encrypted", .private), ("private-encrypted-cache-a", .privateEncryptedCache),
            ("#server-to-user-1", .reserved), ("#x", .reserved), ("private-cache", .private),
            ("presence-encrypted-a", .presence),
        ] as [(String, ChannelKind)])
    func kinds(_ name: String, _ kind: ChannelKind) { #expect(withView(name) { ChannelKind($0) } == kind) }

    @Test(arguments: [
        "a", "private-my.channel_1@x=2;y,z", "#server-to-user-1", "Z-9", String(repeating: "a", count: 200),
    ])
    func valid(_ name: String) { #expect(withView(name) { ChannelName.isValid($0) }) }

    @Test(arguments: [
        "", "#", "with space", "with/slash", " private-x", "private-x%20", "a\0", "é", "a#", "##a", "a:b", "a\n",
        String(repeating: "a", count: 201),
    ])
    func invalid(_ name: String) { #expect(!withView(name) { ChannelName.isValid($0) }) }
}
