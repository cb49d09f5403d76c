extension SettingTable {
    /// The bounds, as settings of the node. docs/LIMITS.md is this table.
    public static let limits: [SettingRow<Settings>] = [
        SettingRow(
            "limits.connections_max", \.limits.connectionsMax, .integer(1...1_000_000), unit: "connections per worker",
            "Connections that one worker holds at a time.",
            cost: "A slot of the connection table each, reserved at start and touched at first use.",
            reached: "New connections wait in the listener's queue or are closed at once, and are counted."),
        SettingRow(
            "limits.channels_per_connection_max", \.limits.channelsPerConnectionMax, .integer(1...1_000_000),
            unit: "channels", "Channels that one connection may be subscribed to.",
            cost: "A cursor for each subscription.", reached: "The subscription is refused with an error; the connection stays."),
        SettingRow(
            "limits.log_bytes_max", \.limits.logBytesMax, .bytes(64 * 1_024...1 << 30), unit: "bytes per channel",
            "Messages that a channel keeps for readers that are behind.",
            cost: "This much for each busy channel, once; workers share the messages.",
            reached: "The oldest message leaves; readers that had not got it meet limits.slow_consumer_policy."),
        SettingRow(
            "limits.outbox_bytes_max", \.limits.outboxBytesMax, .bytes(4 * 1_024...1 << 30), unit: "bytes per connection",
            "Direct replies that wait for a connection that does not read.",
            cost: "Up to this much for each connection that asks and does not read.",
            reached: "The connection is closed as a slow reader."),
        SettingRow(
            "limits.mailbox_bytes_max", \.limits.mailboxBytesMax, .bytes(1 << 20...1 << 34), unit: "bytes per worker",
            "Messages between workers that wait for one of them.", cost: "Up to this much for each worker that is busy.",
            reached: "Publishing is refused until the worker has caught up."),
        SettingRow(
            "limits.slow_consumer_policy", \.limits.slowConsumerPolicy, .choice,
            "What happens to a reader that a channel's log has overtaken.", cost: "Nothing by itself.",
            reached: "close ends the connection, skip goes on with the newest and tells what was lost, conflate gives only the newest."),
        SettingRow(
            "limits.slow_consumer_seconds", \.limits.slowConsumerSeconds, .integer(1...3_600), unit: "seconds",
            "How long a send may wait for a reader.", cost: "A send in flight for as long.",
            reached: "The connection is closed as a slow reader."),
        SettingRow(
            "limits.head_seconds", \.limits.headSeconds, .integer(1...3_600), unit: "seconds",
            "The time from accepting a connection to the end of its request head.",
            cost: "A connection that says nothing holds its slot for as long.", reached: "The connection is answered with 408 and closed."),
        SettingRow(
            "limits.head_bytes_max", \.limits.headBytesMax, .bytes(1_024...64 * 1_024), unit: "bytes",
            "The largest request head, request line included.", cost: "This much for each head that arrives in pieces.",
            reached: "The request is answered with 431 and its connection closed."),
        SettingRow(
            "limits.message_fragments_max", \.limits.messageFragmentsMax, .integer(1...1_000_000), unit: "fragments",
            "Fragments of one message.", cost: "Time to join them.", reached: "The connection is closed with 1009."),
        SettingRow(
            "limits.message_seconds", \.limits.messageSeconds, .integer(1...3_600), unit: "seconds",
            "The time from the first byte of a message to its last.", cost: "The bytes so far are kept for as long.",
            reached: "The connection is closed with 1008."),
        SettingRow(
            "limits.close_seconds", \.limits.closeSeconds, .integer(1...3_600), unit: "seconds",
            "The time that a peer has to answer a close frame.", cost: "A closing connection holds its slot for as long.",
            reached: "The connection is cut."),
        SettingRow(
            "limits.drain_seconds", \.limits.drainSeconds, .integer(0...3_600), unit: "seconds",
            "The time that a stopping node gives its connections to take what waits for them.",
            cost: "A stop takes up to this long.", reached: "Connections that remain are cut, and the node ends."),
    ]
}
