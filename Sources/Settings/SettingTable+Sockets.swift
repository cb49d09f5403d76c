extension SettingTable {
    /// Options of TCP sockets: all listeners have them, and every connection takes them over from its listener.
    static let sockets: [SettingRow<Settings>] = [
        SettingRow(
            "socket.no_delay", \.socket.hasNoDelay, .boolean,
            "Sends small messages at once (TCP_NODELAY) instead of waiting for what comes behind them."),
        SettingRow(
            "socket.keepalive_seconds", \.socket.keepaliveSeconds, .integer(0...32_767), unit: "seconds",
            "Silence after which the kernel asks a peer for a sign of life; 0: it never does."),
        SettingRow(
            "socket.keepalive_interval_seconds", \.socket.keepaliveIntervalSeconds, .integer(1...32_767),
            unit: "seconds", "The time between two such questions."),
        SettingRow(
            "socket.keepalive_probes", \.socket.keepaliveProbes, .integer(1...127), unit: "questions",
            "Questions without an answer after which the kernel ends a connection, unless "
                + "limits.unacknowledged_seconds is over first."),
        SettingRow(
            "socket.send_buffer_bytes", \.socket.sendBufferBytes, .bytes(0...1 << 30), unit: "bytes",
            "Bytes that the kernel takes for a peer that does not read (SO_SNDBUF); 0: it decides itself, which is "
                + "best for most. Bounded by net.core.wmem_max."),
        SettingRow(
            "socket.receive_buffer_bytes", \.socket.receiveBufferBytes, .bytes(0...1 << 30), unit: "bytes",
            "Bytes that the kernel takes from a peer and the node has not read (SO_RCVBUF); 0: it decides itself. "
                + "Bounded by net.core.rmem_max."),
        SettingRow(
            "socket.backlog", \.socket.backlog, .integer(1...65_535), unit: "connections per worker",
            "Connections that the kernel holds until they are accepted; bounded by net.core.somaxconn."),
    ]
}

/// Options of TCP sockets.
public struct SocketSettings: Sendable, Equatable {
    public var hasNoDelay = true
    /// Seconds of silence before the kernel asks, 0: never; between questions; and how many there are.
    public var keepaliveSeconds = 60
    public var keepaliveIntervalSeconds = 15
    public var keepaliveProbes = 4
    /// 0: the kernel decides.
    public var sendBufferBytes = 0
    public var receiveBufferBytes = 0
    /// Connections that wait to be accepted.
    public var backlog = 4_096

    public init() {}
}
