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
            "limits.unidentified_max", \.limits.unidentifiedMax, .integer(0...1 << 28), unit: "per node",
            reloads: true,
            "Connections whose TLS handshake or first request head is not complete; 0 is three quarters of "
                + "limits.connections_max of all workers.",
            cost: "As any connection.",
            reached: "For each new one the oldest of its worker is reset, with the reason unidentified."),
        SettingRow(
            "limits.connections_per_address_per_second", \.limits.connectionsPerAddressPerSecond,
            .integer(0...1_000_000), unit: "connections a second and address", reloads: true,
            "New connections of one address in the long run, counted as limits.connections_per_address counts; 0 is no "
                + "bound, because a whole office or a network of telephones may share one address.",
            cost: "As there, and about 3 MiB for the 65 536 addresses that are remembered.",
            reached: "A new connection is reset, or its upgrade answered with 429; the reason is addressRate."),
        SettingRow(
            "limits.connections_per_address_burst", \.limits.connectionsPerAddressBurst, .integer(1...1_000_000),
            unit: "connections", reloads: true,
            "New connections of one address that may come at once where limits.connections_per_address_per_second is "
                + "set.", cost: "As there.", reached: "As there."),
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
        SettingRow(
            "limits.messages_per_second", \.limits.messagesPerSecond, .integer(0...1_000_000),
            unit: "messages a second and connection", reloads: true,
            "Messages that a WebSocket may send in the long run; 0 is no bound. Holds for those that are opened later.",
            cost: "What the protocol makes of a message, for each. The bound itself takes 24 bytes of a connection.",
            reached: "It is not read until there is a token again, so its peer has to wait; nothing is lost."),
        SettingRow(
            "limits.messages_burst", \.limits.messagesBurst, .integer(1...1_000_000), unit: "messages", reloads: true,
            "Messages that may come at once where limits.messages_per_second is set. What is in one receive buffer "
                + "(4 KiB) is let in as a whole, on credit.", cost: "As there.", reached: "As there."),
        SettingRow(
            "limits.bytes_per_second", \.limits.bytesPerSecond, .bytes(0...1 << 40),
            unit: "bytes a second and connection", reloads: true,
            "Bytes, with frame heads and TLS, that a WebSocket may send in the long run; 0 is no bound. Holds for "
                + "those that are opened later.",
            cost: "A worker reads 1 to 2 GiB a second.", reached: "As limits.messages_per_second."),
        SettingRow(
            "limits.bytes_burst", \.limits.bytesBurst, .bytes(1...1 << 32), unit: "bytes", reloads: true,
            "Bytes that may come at once where limits.bytes_per_second is set.", cost: "As there.",
            reached: "As there."),
    ]
}
