extension SettingTable {
    /// The bounds, as settings of the node. docs/LIMITS.md is this table.
    public static let limits: [SettingRow<Settings>] = memoryLimits + rateLimits + timeLimits

    private static let memoryLimits: [SettingRow<Settings>] = [
        SettingRow(
            "limits.connections_max", \.limits.connectionsMax, .integer(1...1_000_000), unit: "per worker",
            "Connections that one worker holds at a time.",
            cost: "A slot of the connection table each, touched at first use. On io_uring a worker takes no "
                + "descriptors for as many as ulimit -n says, and one for each beyond; on epoll one for each.",
            reached: "A new connection is closed at once, with the reason nodeFull."),
        SettingRow(
            "limits.channels_max", \.limits.channelsMax, .integer(1...1 << 28), unit: "per worker",
            "Channels that one worker knows: those with subscribers on it, and those whose home it is.",
            cost: "A record and the name of each channel that is in use.",
            reached: "The subscription or the message is refused with an error."),
        SettingRow(
            "limits.subscriptions_per_connection_max", \.limits.subscriptionsPerConnectionMax, .integer(1...1_000_000),
            unit: "per connection", reloads: true, "Channels that one connection may be subscribed to.",
            cost: "A cursor for each subscription.",
            reached: "The subscription is refused with an error; the connection stays."),
        SettingRow(
            "limits.log_bytes_max", \.limits.logBytesMax, .bytes(64 * 1_024...1 << 30),
            unit: "bytes per channel and worker",
            "Messages that a channel keeps for readers that are behind.",
            cost: "Up to this much for each channel that is busy.",
            reached: "The oldest message leaves; a reader that had not got it meets limits.slow_consumer_policy."),
        SettingRow(
            "limits.block_bytes_max", \.limits.blockBytesMax, .bytes(1 << 20...1 << 40), unit: "bytes per worker",
            "All logs and waiting replies of one worker together.", cost: "Up to this much for each worker.",
            reached: "Logs no longer grow: their oldest messages leave earlier."),
        SettingRow(
            "limits.outbox_bytes_max", \.limits.outboxBytesMax, .bytes(4 * 1_024...1 << 30),
            unit: "bytes per connection",
            reloads: true, "Replies that wait for a connection that does not read; at least twice its largest message.",
            cost: "Up to this much for each connection that asks and does not read.",
            reached: "The connection is closed, with the reason outboxFull."),
        SettingRow(
            "limits.echo_message_bytes_max", \.limits.echoMessageBytesMax, .bytes(1_024...256 << 20), unit: "bytes",
            "The largest message that /echo sends back.",
            cost: "Up to twice this much waits for each connection that sends to /echo and does not read.",
            reached: "The connection is closed with 1009."),
        SettingRow(
            "limits.cache_messages_max", \.limits.cacheMessagesMax, .integer(1...1 << 28), unit: "per worker",
            "Cache channels whose last event one worker keeps.", cost: "The event, and about 200 bytes.",
            reached: "The oldest event is forgotten before its time."),
        SettingRow(
            "limits.cache_bytes_max", \.limits.cacheBytesMax, .bytes(64 * 1_024...1 << 40), unit: "bytes per worker",
            "The last events of all cache channels of one worker.", cost: "Up to this much for each worker.",
            reached: "The oldest event is forgotten before its time."),
        SettingRow(
            "limits.mail_batches_max", \.limits.mailBatchesMax, .integer(2...1 << 20), unit: "batches per worker",
            "Mail from other workers that waits for one worker.", cost: "The messages in it.",
            reached: "Workers that send to it read nothing more from their publishers until it has caught up."),
        SettingRow(
            "limits.fragments_max", \.limits.fragmentsMax, .integer(1...1_000_000), unit: "frames per message",
            reloads: true,
            "Frames that one message may come in; where messages may be large, one for every 64 bytes of the bound.",
            cost: "Time to join them.", reached: "The connection is closed with 1009."),
        SettingRow(
            "limits.control_frames_burst", \.limits.controlFramesBurst, .integer(1...1_000_000), unit: "frames",
            reloads: true, "Pings and pongs that a connection may send at once.", cost: "A pong for each ping.",
            reached: "The connection is closed with 1008."),
        SettingRow(
            "limits.control_frames_per_second", \.limits.controlFramesPerSecond, .integer(1...1_000_000),
            unit: "frames a second", reloads: true, "Pings and pongs that a connection may send in the long run.",
            cost: "A pong for each ping.", reached: "The connection is closed with 1008."),
    ]

    private static let timeLimits: [SettingRow<Settings>] = [
        SettingRow(
            "limits.slow_consumer_policy", \.limits.slowConsumerPolicy, .choice,
            reloads: true, "What happens to a reader that a channel's log has overtaken.", cost: "Nothing by itself.",
            reached: "close ends the connection; skip goes on with the newest message and tells the reader how many it "
                + "lost, except on /ws in raw mode; conflate then keeps only the newest message for it."),
        SettingRow(
            "limits.slow_consumer_seconds", \.limits.slowConsumerSeconds, .integer(1...3_600), unit: "seconds",
            reloads: true, "How long a reader may take nothing of what is sent to it.",
            cost: "A send in flight for as long.",
            reached: "The connection is closed, with the reason slowConsumer; it has as long again to read why."),
        SettingRow(
            "limits.head_seconds", \.limits.headSeconds, .integer(1...3_600), unit: "seconds",
            reloads: true, "The time from accepting a connection to the end of its request.",
            cost: "A connection that says nothing holds its slot for as long.",
            reached: "The connection is closed, with the reason headTimeout."),
        SettingRow(
            "limits.handshake_seconds", \.limits.handshakeSeconds, .integer(1...3_600), unit: "seconds",
            reloads: true,
            "The time from accepting a connection to the end of its TLS handshake.",
            cost: "A connection that says nothing holds its slot for as long.",
            reached: "The connection is closed, with the reason handshakeTimeout."),
        SettingRow(
            "limits.handshakes_per_second", \.limits.handshakesPerSecond, .integer(1...1_000_000),
            unit: "handshakes a second and worker", reloads: true, "TLS handshakes that one worker begins.",
            cost: "About 0.8 ms of a processor for each with a key of RSA 2048, 0.2 ms with one of P-256.",
            reached: "Further hellos wait for their turn, within limits.handshake_seconds."),
        SettingRow(
            "limits.idle_seconds", \.limits.idleSeconds, .integer(1...3_600), unit: "seconds",
            reloads: true, "How long an HTTP connection may rest between requests.",
            cost: "It holds its slot for as long.",
            reached: "The connection is closed, with the reason idle."),
        SettingRow(
            "limits.message_seconds", \.limits.messageSeconds, .integer(1...3_600), unit: "seconds",
            reloads: true, "The time from the first byte of a message to its last.",
            cost: "The bytes so far are kept for as long.",
            reached: "The connection is closed with 1008."),
        SettingRow(
            "limits.close_seconds", \.limits.closeSeconds, .integer(1...3_600), unit: "seconds",
            reloads: true, "The time that a peer has to answer a close frame, once that has left.",
            cost: "A closing connection holds its slot for as long.",
            reached: "TCP is ended; what the kernel holds still leaves, for limits.unacknowledged_seconds."),
        SettingRow(
            "limits.unacknowledged_seconds", \.limits.unacknowledgedSeconds, .integer(1...3_600), unit: "seconds",
            "How long sent bytes may stay unacknowledged by the peer's kernel (TCP_USER_TIMEOUT).",
            cost: "A peer that has gone without a word, and to which something was sent, holds its slot for as long.",
            reached: "The kernel ends the connection, with the reason peerReset."),
        SettingRow(
            "limits.cache_seconds", \.limits.cacheSeconds, .integer(1...86_400 * 30), unit: "seconds",
            "How long the last event of a cache channel is kept for newcomers.",
            cost: "Memory for events that nobody asks for.",
            reached: "A newcomer is told pusher:cache_miss."),
        SettingRow(
            "limits.drain_seconds", \.limits.drainSeconds, .integer(0...3_600), unit: "seconds",
            reloads: true, "The time that a stopping node gives its connections to take what waits for them.",
            cost: "A stop takes up to this long.", reached: "Connections that remain are cut, and the node ends."),
        SettingRow(
            "limits.drain_spread_seconds", \.limits.drainSpreadSeconds, .integer(0...3_600), unit: "seconds",
            reloads: true, "The time over which SIGTERM spreads sending clients away, before the node stops.",
            cost: "A stop takes up to this long, and limits.drain_seconds.",
            reached: "Clients that remain are told at once."),
        SettingRow(
            "limits.drain_per_second_min", \.limits.drainPerSecondMin, .integer(1...1_000_000),
            unit: "clients a second", reloads: true,
            "How fast SIGTERM sends clients away at the least, however long it may take.",
            cost: "As many clients that come back elsewhere within a second.",
            reached: "A node with few clients ends sooner than limits.drain_spread_seconds."),
    ]
}
