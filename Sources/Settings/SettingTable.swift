import ClarionWire

/// The table of all settings. Reading of flags, environment and file, `clarion config`, the help of `clarion start`
/// and the pages docs/CONFIGURATION.md and docs/LIMITS.md all come from it.
public enum SettingTable {
    /// Settings of the node.
    public static let node: [SettingRow<Settings>] = general + edge + sockets + deflate + process

    private static let general: [SettingRow<Settings>] = [
        SettingRow(
            "host", \.host, .text("an address or a name", where: isHost),
            environment: ["REVERB_SERVER_HOST", EnvironmentName("SERVER_ADDRESS", part: hostOfAddress)],
            "The address to listen on; 0.0.0.0 and :: are all addresses of the machine."),
        SettingRow(
            "port", \.port, .integer(0...65_535),
            environment: ["REVERB_SERVER_PORT", EnvironmentName("SERVER_ADDRESS", part: portOfAddress)],
            "The TCP port to listen on; 0 lets the system choose a free one."),
        SettingRow(
            "path", \.path, .pathPrefix, environment: ["REVERB_SERVER_PATH"],
            "A prefix of the Pusher routes /app, /apps and /up."),
        SettingRow(
            "workers", \.workers, .integer(0...256),
            "Worker threads, each with connections of its own; 0 is one for each processor the process may use."),
        SettingRow(
            "memory_max", \.memoryBytesMax, .bytes(0...1 << 50), unit: "bytes",
            "Resident memory below which the node stays by giving things up; 0: the limit of its control group."),
        SettingRow(
            "watchdog_seconds", \.watchdogSeconds, .integer(0...3_600), unit: "seconds",
            "How long a worker may be stuck before the process ends, for a supervisor to start it anew; 0: for ever."),
        SettingRow(
            "backend", \.backend, .choice,
            "The event interface of the workers; auto takes io_uring where the kernel grants it and epoll elsewhere."),
        SettingRow(
            "echo", \.echo, .boolean,
            "Serves /echo, which sends back every message up to 16 MiB; for conformance tests and measurements."),
        SettingRow(
            "max_request_bytes", \.requestBytesMax, .bytes(1_024...requestBytesCeiling), unit: "bytes",
            environment: ["REVERB_MAX_REQUEST_SIZE"], flags: ["max-request-size"], keys: ["max_request_size"],
            reloads: true,
            "The largest HTTP request, head and body; a larger one is answered with 413.",
            cost: "One buffer of this size for each request that is being received.",
            reached: "The request is answered with 413 and its connection closed."),
        SettingRow(
            "auth_timestamp_tolerance_seconds", \.authTimestampToleranceSeconds, .integer(0...86_400), unit: "seconds",
            reloads: true,
            "How far the time stamp of a signed request may be from the clock; 0 does not look at it."),
        SettingRow(
            "environment", \.environment, .choice,
            "In production the node does not start with a dangerous switch on; elsewhere it warns."),
        SettingRow(
            "apps_file", \.appSources.file, .text("a path, or empty", where: { !$0.utf8.contains(0) }),
            "A file of applications in TOML or (named .json) JSON; it is watched, and changes take effect at once."),
        SettingRow(
            "apps_store", \.appSources.store, .storeAddress,
            "Where applications are looked up when neither these settings nor apps_file have them."),
        SettingRow(
            "apps_cache_seconds", \.appSources.cacheSeconds, .integer(1...86_400), unit: "seconds",
            "How long what the store said of an application is taken for true before it is asked again."),
        SettingRow(
            "apps_absent_seconds", \.appSources.absentSeconds, .integer(1...86_400), unit: "seconds",
            "How long an application that the store does not have is taken for absent."),
        SettingRow(
            "apps_lookup_seconds", \.appSources.lookupSeconds, .integer(1...60), unit: "seconds",
            "How long a connection or a request waits for the store."),
        SettingRow(
            "webhooks.allowed_networks", \.webhooks.allowedNetworks,
            .list("address ranges such as 10.0.0.0/8 or fd00::/8", where: isNetwork), reloads: true,
            "Ranges of addresses that are not public and that webhooks may be sent to all the same."),
        SettingRow(
            "webhooks.batch_milliseconds", \.webhooks.batchMilliseconds, .integer(0...60_000), unit: "milliseconds",
            reloads: true, "How long an event waits for others that go with it in one request."),
        SettingRow(
            "webhooks.max_batch_events", \.webhooks.batchEventsMax, .integer(1...1_000), unit: "events", reloads: true,
            "Events of one request; 1 sends each alone.", cost: "Memory of one request for each endpoint.",
            reached: "The next events go with the next request."),
        SettingRow(
            "webhooks.grace_seconds", \.webhooks.graceSeconds, .integer(0...60), unit: "seconds", reloads: true,
            "How long a channel must be empty, or a user gone, before that is told; who is back in time, never left."),
        SettingRow(
            "webhooks.max_queued_events", \.webhooks.queueEventsMax, .integer(1...1_000_000), unit: "events",
            reloads: true, "Events that wait for one endpoint.", cost: "Up to 32 MiB for each endpoint that is slow.",
            reached: "The oldest event is dropped and counted."),
        SettingRow(
            "webhooks.retry_seconds", \.webhooks.retrySeconds, .integer(0...86_400), unit: "seconds", reloads: true,
            "How long an event is tried before it is dropped."),
        SettingRow(
            "webhooks.timeout_seconds", \.webhooks.timeoutSeconds, .integer(1...300), unit: "seconds", reloads: true,
            "Time for one request to an endpoint and its answer."),
        SettingRow(
            "realtime.enabled", \.realtime.isEnabled, .boolean,
            "Serves the JSON protocol on /ws and /internal/broadcast."),
        SettingRow(
            "realtime.mode", \.realtime.mode, .choice,
            "raw delivers the published text itself; envelope delivers a JSON object and confirms requests."),
        SettingRow(
            "realtime.publish", \.realtime.acceptsPublish, .boolean, "Lets clients of /ws publish to channels."),
        SettingRow(
            "realtime.secret", \.realtime.secret, .optionalSecret,
            "What a publisher shows in X-Broadcast-Secret; while there is none, /internal/broadcast refuses everything."
        ),
        SettingRow(
            "realtime.allow_without_secret", \.realtime.allowsPublishingWithoutSecret, .boolean,
            "Lets /internal/broadcast take messages from anybody while there is no secret."),
        SettingRow(
            "realtime.broadcasts_per_second", \.realtime.broadcastsPerSecond, .integer(0...1_000_000),
            unit: "messages a second and node",
            "Messages that /internal/broadcast takes in the long run; 0 is no bound.",
            cost: "What their delivery costs.",
            reached: "The request is answered with 429 and Retry-After; nothing of it is published."),
        SettingRow(
            "realtime.broadcasts_burst", \.realtime.broadcastsBurst, .integer(1...1_000_000), unit: "messages",
            "Messages that may come at once where realtime.broadcasts_per_second is set.", cost: "As there.",
            reached: "As there."),
        SettingRow(
            "realtime.allowed_origins", \.realtime.allowedOrigins,
            .list("full origins such as https://example.org, or *", where: isOriginOrAny),
            environment: ["ALLOWED_ORIGINS"], flags: ["realtime-origins"],
            "Origins of the pages that may open /ws; when empty, those that the node serves itself."
        ),
        SettingRow(
            "realtime.max_message_bytes", \.realtime.messageBytesMax, .bytes(16...messageBytesCeiling), unit: "bytes",
            "The largest message of a client on /ws; 64 KiB unless set where clients may publish.",
            cost: "Memory of one message for each connection that sends one in pieces.",
            reached: "The connection is closed with 1009."),
        SettingRow(
            "realtime.ping_interval_seconds", \.realtime.pingIntervalSeconds, .integer(1...86_400), unit: "seconds",
            "The time from a client's pong to the next ping of the node, on /ws."),
        SettingRow(
            "realtime.pong_timeout_seconds", \.realtime.pongTimeoutSeconds, .integer(2...86_401), unit: "seconds",
            "How long a client of /ws may send no pong, whatever else it sends; more than the ping interval.",
            cost: "A dead connection holds its slot for as long.",
            reached: "The connection is closed with 1001, with the reason pongTimeout."),
        SettingRow(
            "admin.socket", \.adminSocket, .text("auto, off, or a path from the root", where: isSocketPath),
            "The Unix-domain socket of clarion status and the like; auto is a usual place, named by the port."),
        SettingRow(
            "dashboard.password", \.dashboardPassword, .optionalSecret,
            "Serves /dashboard to whoever shows this password; there is no dashboard without one."),
        SettingRow(
            "dashboard.user", \.dashboardUser, .text("a name without a colon", where: isUserName),
            "The user name that goes with the password of the dashboard."),
        SettingRow(
            "debug", \.prints, .boolean,
            "Prints every message that comes and goes, and requests of the HTTP API, to standard output; secrets and "
                + "signatures are masked."),
        SettingRow(
            "metrics.soketi", \.tellsSoketiMetrics, .boolean,
            "Adds the names that Soketi's metrics have to /metrics, for dashboards that were made for it."),
        SettingRow("log.level", \.logLevel, .choice, "The least important lines that are written."),
        SettingRow(
            "log.format", \.logFormat, .choice,
            "The shape of log lines; auto is text on a terminal and JSON elsewhere."),
    ]

    /// The largest value of a setting that bounds one message, bytes.
    static let messageBytesCeiling = 1 << 20
    /// The largest value of `max_request_bytes`.
    static let requestBytesCeiling = 16 << 20
}

private let isNetwork: @Sendable (String) -> Bool = { IPNetwork($0) != nil }

/// A host may not hold white space, slashes or control characters; whether it exists is seen when it is bound.
private let isHost: @Sendable (String) -> Bool = { text in
    !text.isEmpty && text.utf8.count <= 255
        && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "@") }
}

/// A word of `AdminSettingWords`, or an absolute path.
private let isSocketPath: @Sendable (String) -> Bool = { text in
    text == AdminSettingWords.auto || text == AdminSettingWords.off || text.hasPrefix("/")
}

/// RFC 7617 section 2: a user-id has no colon.
private let isUserName: @Sendable (String) -> Bool = { text in !text.isEmpty && !text.contains(":") }

/// `*`, or scheme://host[:port] without a path.
private let isOriginOrAny: @Sendable (String) -> Bool = { text in
    if text == "*" { return true }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    return parts.count == 3 && parts[0].hasSuffix(":") && parts[0].count > 1 && parts[1].isEmpty && !parts[2].isEmpty
}

/// The host of `host:port`, `[v6]:port` or `:port`; nothing before the colon is every address.
private let hostOfAddress: @Sendable (String) -> String? = { address in
    guard let colon = address.lastIndex(of: ":") else { return address }
    var host = address[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    return host.isEmpty ? "0.0.0.0" : String(host)
}

/// The port of the same; nil when there is none.
private let portOfAddress: @Sendable (String) -> String? = { address in
    guard let colon = address.lastIndex(of: ":") else { return nil }
    return String(address[address.index(after: colon)...])
}
