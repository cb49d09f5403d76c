extension SettingTable {
    /// Bounds on how many connections come, and how much they send. 0 is none.
    static let rateLimits: [SettingRow<Settings>] = [
        SettingRow(
            "limits.connections_per_address", \.limits.connectionsPerAddress, .integer(0...1_000_000),
            unit: "per node", reloads: true,
            "Connections of one address, IPv6 by networks of 64 bits; 0 is no bound. Not counted are those of "
                + "trusted_proxies themselves: theirs count for the clients whom they name.",
            cost: "Peers' addresses are asked for and kept: about 100 bytes for each connection, and a dearer accept.",
            reached: "A new connection is reset, or its upgrade answered with 429; the reason is addressFull."),
        SettingRow(
            "limits.accepts_per_second", \.limits.acceptsPerSecond, .integer(0...1_000_000),
            unit: "connections a second and node", reloads: true,
            "New connections in the long run; 0 is no bound.",
            cost: "Each costs a worker about 20 µs, with TLS a handshake as well.",
            reached: "Further ones wait in the kernel's queue until their time; none is refused for it."),
        SettingRow(
            "limits.accepts_burst", \.limits.acceptsBurst, .integer(1...1_000_000), unit: "connections",
            reloads: true, "New connections that may come at once where limits.accepts_per_second is set.",
            cost: "As there, all at once.", reached: "As there."),
    ]
}
