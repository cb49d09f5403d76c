extension SettingTable {
    /// Bounds on how many connections come, and how much they send. 0 is none.
    static let rateLimits: [SettingRow<Settings>] = [
        SettingRow(
            "limits.connections_per_address", \.limits.connectionsPerAddress, .integer(0...1_000_000),
            unit: "per node", reloads: true,
            "Connections of one address, IPv6 by networks of 64 bits; 0 is no bound. Not counted are those of "
                + "trusted_proxies themselves: theirs count for the clients whom they name.",
            cost: "Peers' addresses are asked for and kept: about 100 bytes for each connection, and a dearer accept.",
            reached: "A new connection is reset, or its upgrade answered with 429; the reason is addressFull.")
    ]
}
