import ClarionWire

extension SettingTable {
    /// Settings of each application. In the file they stand under `[[apps]]`; the flags and the variables without a
    /// number belong to the first application, `CLARION_APP2_…` and `REVERB_APP2_…` to the second, and so on.
    public static let app: [SettingRow<AppSettings>] = [
        SettingRow(
            "id", \.id, .text("1 to 128 of A-Z a-z 0-9 _ . -", where: isIdentifier),
            environment: ["REVERB_APP{n}_ID"], keys: ["app_id"],
            "The id in the paths of the HTTP API."),
        SettingRow(
            "key", \.key, .text("1 to 128 of A-Z a-z 0-9 _ . -", where: isIdentifier),
            environment: ["REVERB_APP{n}_KEY"],
            "The public key with which clients connect."),
        SettingRow(
            "secret", \.secret, .secret, environment: ["REVERB_APP{n}_SECRET"],
            "The secret that signs requests of the HTTP API and subscriptions."),
        SettingRow(
            "enabled", \.isEnabled, .boolean,
            "Whether anybody may connect and publish; otherwise connections are closed with 4003."),
        SettingRow(
            "features", \.features, .choices(),
            "What may be used beyond public and private channels."),
        SettingRow(
            "accept_client_events_from", \.acceptClientEventsFrom, .choice,
            environment: ["REVERB_APP{n}_ACCEPT_CLIENT_EVENTS_FROM"], flags: ["accept-client-events-from"],
            "Whose client events are passed on: everyone's, those of subscribers of the channel, or nobody's."),
        SettingRow(
            "max_connections", \.connectionsMax, .optionalInteger(0...Int.max), unit: "connections",
            environment: ["REVERB_APP{n}_MAX_CONNECTIONS"],
            "How many connections the application may have on this node.",
            cost: "Nothing by itself.", reached: "A further connection is refused with error 4004."),
        SettingRow(
            "max_message_bytes", \.messageBytesMax, .bytes(16...messageBytesCeiling), unit: "bytes",
            environment: ["REVERB_APP{n}_MAX_MESSAGE_SIZE"], flags: ["max-message-size"], keys: ["max_message_size"],
            "The largest message of a client.",
            cost: "Memory of one message for each connection that sends one in pieces.",
            reached: "The connection is closed with 1009."),
        SettingRow(
            "allowed_origins", \.allowedOrigins,
            .list("hosts, which may hold *, such as *.example.org", where: isOriginPattern),
            environment: ["REVERB_APP{n}_ALLOWED_ORIGINS"], flags: ["allowed-origins"],
            "Hosts of the pages that may connect; * lets in every one, and clients that are not pages."),
        SettingRow(
            "ping_interval_seconds", \.pingIntervalSeconds, .integer(1...86_400), unit: "seconds",
            environment: ["REVERB_APP{n}_PING_INTERVAL"], keys: ["ping_interval"],
            "The silence after which the node pings a client; one that stays silent as long again is closed."),
        SettingRow(
            "activity_timeout_seconds", \.activityTimeoutSeconds, .integer(1...86_400), unit: "seconds",
            environment: ["REVERB_APP{n}_ACTIVITY_TIMEOUT"], keys: ["activity_timeout"],
            "The silence that a client is told to allow before it pings the node."),
        SettingRow(
            "rate_limit.enabled", \.rateLimit.isEnabled, .boolean,
            environment: ["REVERB_APP{n}_RATE_LIMITING_ENABLED"], keys: ["rate_limiting.enabled"],
            "Counts the messages of each connection and bounds them."),
        SettingRow(
            "rate_limit.max_attempts", \.rateLimit.attemptsMax, .integer(1...1_000_000_000), unit: "messages",
            environment: ["REVERB_APP{n}_RATE_LIMIT_MAX_ATTEMPTS"], keys: ["rate_limiting.max_attempts"],
            "Messages of a connection in one window.",
            cost: "Nothing by itself.",
            reached: "The client gets an error, and is closed when rate_limit.terminate is on."),
        SettingRow(
            "rate_limit.decay_seconds", \.rateLimit.decaySeconds, .integer(1...86_400), unit: "seconds",
            environment: ["REVERB_APP{n}_RATE_LIMIT_DECAY_SECONDS"], keys: ["rate_limiting.decay_seconds"],
            "The length of a window, from its first message."),
        SettingRow(
            "rate_limit.terminate", \.rateLimit.terminates, .boolean,
            environment: ["REVERB_APP{n}_RATE_LIMIT_TERMINATE"], keys: ["rate_limiting.terminate_on_limit"],
            "Closes a connection that sends more than its window allows."),
        SettingRow(
            "presence_members_max", \.presenceMembersMax, .integer(1...10_000_000), unit: "members",
            flags: ["presence-members-max"], "Members of one presence channel.",
            cost: "About 300 bytes a member, and its user_info twice; a newcomer is told all of them.",
            reached: "The newcomer gets a pusher:subscription_error."),
        SettingRow(
            "presence_quiet_members", \.presenceQuietMembers, .integer(0...10_000_000), unit: "members",
            "Members of a presence channel above which nobody is told who comes and goes; 0 always tells.",
            cost: "By the protocol each of N members is told of each other: N times N messages.",
            reached: "No member_added and member_removed until half of them are left; then all get the whole roster."),
        SettingRow(
            "presence_member_bytes_max", \.presenceMemberBytesMax, .bytes(16...1 << 20), unit: "bytes",
            "The user_info of one member of a presence channel.", cost: "Memory and rosters of so much a member.",
            reached: "The newcomer gets a pusher:subscription_error."),
        SettingRow(
            "client_events_per_second_max", \.clientEventsPerSecondMax, .integer(0...1_000_000), unit: "events",
            "Client events of one connection in a second; 0 is no bound. The hosted service allows 10.",
            cost: "Nothing by itself.", reached: "The event is refused with error 4301."),
        SettingRow(
            "publishes_per_second_max", \.publishesPerSecondMax, .integer(0...1_000_000), unit: "messages",
            "Messages that may be published over HTTP in a second, on the whole node; 0 is no bound. An event counts "
                + "once for each of its channels.",
            cost: "Deliveries to all subscribers of the channels.",
            reached: "The request is refused with 429 and Retry-After; other applications are not touched."),
        SettingRow(
            "publishes_burst", \.publishesBurst, .integer(1...1_000_000), unit: "messages",
            "Messages that may come at once where publishes_per_second_max is set. A request is let in as a whole, its "
                + "surplus on credit.", cost: "As there.", reached: "As there."),
        SettingRow(
            "subscription_counts", \.tellsSubscriptionCounts, .boolean,
            "Tells subscribers how many they are (pusher_internal:subscription_count), but on presence channels."),
        SettingRow(
            "subscription_errors", \.sendsSubscriptionErrors, .boolean,
            "Tells a refused subscription by pusher:subscription_error too, which names the channel."),
        SettingRow(
            "webhook_urls", \.webhookURLs, .list("http and https URLs", where: isWebhookURL),
            "Endpoints that hear of everything; [[apps.webhooks]] has more to say about each."),
    ]

    /// Settings of each endpoint of an application: `[[apps.webhooks]]`, behind the `[[apps]]` they belong to.
    public static let webhook: [SettingRow<WebhookSettings>] = [
        SettingRow("url", \.url, .text("an http or https URL", where: isWebhookURL), "Where events are posted to."),
        SettingRow("events", \.events, .choices(), "What the endpoint hears of."),
        SettingRow(
            "channel_prefix", \.channelPrefix, .text("the beginning of a channel's name", where: isPartOfChannel),
            "Only of channels whose names begin so."),
        SettingRow(
            "channel_suffix", \.channelSuffix, .text("the end of a channel's name", where: isPartOfChannel),
            "Only of channels whose names end so."),
    ]
}

extension AppSettings {
    /// Endpoints of which nothing but the URL is said.
    fileprivate var webhookURLs: [String] {
        get { webhooks.map(\.url) }
        set {
            webhooks = newValue.map { url in
                var webhook = WebhookSettings()
                webhook.url = url
                return webhook
            }
        }
    }
}

private let isWebhookURL: @Sendable (String) -> Bool = { EndpointURL($0) != nil }

private let isPartOfChannel: @Sendable (String) -> Bool = { text in
    text.utf8.count <= 200 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") }
}

/// Ids and keys are parts of paths, so they keep to characters that need no escape there.
private let isIdentifier: @Sendable (String) -> Bool = { text in
    (1...128).contains(text.utf8.count)
        && text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                true
            default: false
            }
        }
}

private let isOriginPattern: @Sendable (String) -> Bool = { text in
    !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
}
