extension SettingTable {
    /// permessage-deflate (RFC 7692), as settings of the node.
    static let deflate: [SettingRow<Settings>] = [
        SettingRow(
            "deflate.mode", \.deflate.mode, .choice, flags: ["deflate"],
            "What clients that offer permessage-deflate get: nothing; messages that each stand alone and are "
                + "compressed once for all; or a context of their own, in which messages refer to earlier ones."),
        SettingRow(
            "deflate.channels", \.deflate.channels, .list(channelRulesAllowed, where: isChannelRule),
            "The most that channels of some names allow; the first rule that fits holds. End-to-end encrypted channels "
                + "(private-encrypted-) are never compressed."),
        SettingRow("deflate.level", \.deflate.level, .integer(1...9), "How hard to compress; 1 is fastest."),
        SettingRow(
            "deflate.min_bytes", \.deflate.messageBytesMin, .bytes(1...1 << 30), unit: "bytes",
            "Messages below this size are sent as they are."),
        SettingRow(
            "deflate.window_bits", \.deflate.contextWindowBits, .integer(9...15), unit: "bits",
            "How far a message may refer back in a context: 2 to this power, in bytes."),
        SettingRow(
            "deflate.memory_level", \.deflate.contextMemoryLevel, .integer(1...9),
            "zlib's memory level in a context: its hash table takes 2 to the power of 9 more, in bytes."),
        SettingRow(
            "deflate.contexts_bytes_max", \.deflate.contextBytesMax, .bytes(0...1 << 40), unit: "bytes of the node",
            "Memory of the contexts of all connections together.",
            cost: contextCost, reached: "Further connections get shared compression, which costs them nothing."),
        SettingRow(
            "deflate.idle_seconds", \.deflate.contextIdleSeconds, .integer(1...86_400), unit: "seconds",
            "How long a context may go unused before its compressing half gives its memory back."),
    ]

    private static let contextCost =
        "Per connection with a context, from its first message on: 38 KiB to compress and 12 KiB to inflate (40 KiB if "
        + "the client does not let its window be bounded); both windows 12 bits, memory level 5. None in mode shared."

    private static let channelRulesAllowed = "rules such as market-*=dedicated or secret-*=off; * stands for any text"

    /// The pattern and the mode of a rule; nil when it is none.
    public static func channelRule(_ text: String) -> (pattern: String, mode: DeflateMode)? {
        guard let equals = text.lastIndex(of: "="), equals != text.startIndex else { return nil }
        guard let mode = DeflateMode(rawValue: String(text[text.index(after: equals)...])) else { return nil }
        return (String(text[..<equals]), mode)
    }

    private static let isChannelRule: @Sendable (String) -> Bool = { channelRule($0) != nil }
}
