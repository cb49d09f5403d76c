import ClarionEngine
import ClarionLoop
import ClarionPusher
import ClarionRealtimeJSON
import ClarionSettings
import ClarionTransport
import ClarionWebhooks
import ClarionWire
import Glibc

// From settings, as people write them, to what each floor is configured with.

extension PusherConfiguration {
    init(_ settings: Settings) {
        self.init(settings, apps: settings.apps)
    }

    /// With other applications than those of the settings.
    init(_ settings: Settings, apps: [AppSettings]) {
        self.init(applications: apps.map(ApplicationConfiguration.init))
        pathPrefix = settings.path
        requestBytesMax = settings.requestBytesMax
        let tolerance = settings.authTimestampToleranceSeconds
        timestampToleranceSeconds = tolerance > 0 ? tolerance : nil
    }
}

extension ApplicationConfiguration {
    init(_ app: AppSettings) {
        self.init(id: app.id, key: app.key, secret: app.secret.revealed)
        switch app.acceptClientEventsFrom {
        case .all: acceptClientEventsFrom = .all
        case .members: acceptClientEventsFrom = .members
        case .none: acceptClientEventsFrom = .none
        }
        isEnabled = app.isEnabled
        features = app.features.reduce(into: []) { $0.formUnion(ApplicationFeatures($1)) }
        webhookKinds = app.webhooks.flatMap(\.events).reduce(into: []) { $0.formUnion(WebhookKinds($1)) }
        maxConnections = app.connectionsMax
        maxMessageBytes = app.messageBytesMax
        allowedOrigins = app.allowedOrigins
        pingIntervalSeconds = app.pingIntervalSeconds
        pongTimeoutSeconds = app.pingIntervalSeconds
        activityTimeoutSeconds = app.activityTimeoutSeconds
        channels.presenceMembersMax = app.presenceMembersMax
        channels.presenceQuietMembers = app.presenceQuietMembers
        channels.presenceMemberBytesMax = app.presenceMemberBytesMax
        channels.clientEventsPerSecond = app.clientEventsPerSecondMax
        publishes = BucketRule(perSecond: app.publishesPerSecondMax, burst: app.publishesBurst)
        if app.tellsSubscriptionCounts { features.insert(.subscriptionCount) }
        channels.sendsSubscriptionErrors = app.sendsSubscriptionErrors
        if app.rateLimit.isEnabled {
            rateLimit = MessageRateLimit(
                messagesMax: app.rateLimit.attemptsMax, windowSeconds: app.rateLimit.decaySeconds,
                closesAtLimit: app.rateLimit.terminates)
        }
    }
}

extension ApplicationFeatures {
    init(_ feature: AppFeature) {
        switch feature {
        case .presence: self = .presence
        case .cache: self = .cache
        case .encrypted: self = .encrypted
        case .signin: self = .signin
        case .watchlist: self = .watchlist
        }
    }
}

extension WebhookKinds {
    init(_ name: WebhookEventName) {
        switch name {
        case .channelOccupied: self = .channelOccupied
        case .channelVacated: self = .channelVacated
        case .memberAdded: self = .memberAdded
        case .memberRemoved: self = .memberRemoved
        case .clientEvent: self = .clientEvent
        case .cacheMiss: self = .cacheMiss
        case .subscriptionCount: self = .subscriptionCount
        }
    }
}

extension WebhookApplication {
    /// nil when the application has no endpoint.
    init?(_ app: AppSettings?) {
        guard let app, app.isEnabled, !app.webhooks.isEmpty else { return nil }
        let endpoints = app.webhooks.compactMap { webhook -> WebhookEndpoint? in
            guard let url = EndpointURL(webhook.url) else { return nil }
            return WebhookEndpoint(
                url: url, kinds: Set(webhook.events.compactMap { WebhookKind(rawValue: $0.rawValue) }),
                channelPrefix: Array(webhook.channelPrefix.utf8), channelSuffix: Array(webhook.channelSuffix.utf8),
                headers: webhook.headers.sorted { $0.key < $1.key }.map {
                    WebhookEndpoint.Header(name: $0.key, value: $0.value.revealed)
                })
        }
        self.init(key: app.key, secret: app.secret.revealed, endpoints: endpoints)
    }
}

extension WebhookLimits {
    init(_ settings: WebhookDeliverySettings) {
        self.init()
        batchMilliseconds = settings.batchMilliseconds
        batchEventsMax = settings.batchEventsMax
        graceSeconds = settings.graceSeconds
        queueEventsMax = settings.queueEventsMax
        retrySeconds = settings.retrySeconds
        timeoutSeconds = settings.timeoutSeconds
        addresses = AddressRules(allowed: settings.allowedNetworks.compactMap { IPNetwork($0) })
    }
}

extension RealtimeConfiguration {
    /// The endpoint's channels are a name space of their own: number 0; applications begin at 1.
    init(_ settings: Settings) {
        self.init(space: 0)
        let realtime = settings.realtime
        mode = realtime.mode == .raw ? .raw : .envelope
        messageBytesMax = realtime.messageBytesMax
        allowsPublish = realtime.acceptsPublish
        // Without a list, envelope mode compares the Origin with the request's own host; raw mode has no such rule and
        // gets the names of this node, so that its own page may connect.
        let isOwn = realtime.allowedOrigins.isEmpty && realtime.mode == .raw
        allowedOrigins = isOwn ? settings.ownOrigins : realtime.allowedOrigins
        gate = BroadcastGate(
            BucketRule(perSecond: realtime.broadcastsPerSecond, burst: realtime.broadcastsBurst))
        pingIntervalSeconds = realtime.pingIntervalSeconds
        pongTimeoutSeconds = realtime.pongTimeoutSeconds
        broadcastSecret = realtime.secret?.revealed
        allowUnauthenticatedBroadcast = realtime.allowsPublishingWithoutSecret
    }
}

extension TryPageFacts {
    init(_ settings: Settings) {
        let app = settings.apps.first
        self.init(
            appKey: app?.key ?? "", pathPrefix: settings.path,
            passesClientEvents: app.map { $0.acceptClientEventsFrom != .none } ?? false,
            servesRealtime: settings.realtime.isEnabled, realtimePublishes: settings.realtime.acceptsPublish)
    }
}

extension EngineLimits {
    init(_ settings: Settings) {
        self.init()
        let limits = settings.limits
        trustedProxies = settings.trustedProxies.compactMap(AddressRange.init)
        connectionsMax = limits.connectionsMax
        connectionsPerAddress = limits.connectionsPerAddress
        unidentifiedMax = limits.unidentifiedMax
        newPerAddress = BucketRule(
            perSecond: limits.connectionsPerAddressPerSecond, burst: limits.connectionsPerAddressBurst)
        messages = BucketRule(perSecond: limits.messagesPerSecond, burst: limits.messagesBurst)
        bytes = BucketRule(perSecond: limits.bytesPerSecond, burst: limits.bytesBurst)
        accepts = BucketRule(perSecond: limits.acceptsPerSecond, burst: limits.acceptsBurst)
        channelsMax = limits.channelsMax
        subscriptionsPerConnectionMax = limits.subscriptionsPerConnectionMax
        logBytesMax = limits.logBytesMax
        blockBytesMax = limits.blockBytesMax
        outboxBytesMax = limits.outboxBytesMax
        mailBatchesMax = limits.mailBatchesMax
        switch limits.slowConsumerPolicy {
        case .close: slowConsumerPolicy = .close
        case .skip: slowConsumerPolicy = .skip
        case .conflate: slowConsumerPolicy = .conflate
        }
        slowConsumerSeconds = limits.slowConsumerSeconds
        headSeconds = limits.headSeconds
        handshakeSeconds = limits.handshakeSeconds
        handshakesPerSecond = limits.handshakesPerSecond
        idleSeconds = limits.idleSeconds
        messageSeconds = limits.messageSeconds
        fragmentsMax = limits.fragmentsMax
        controlFramesBurst = limits.controlFramesBurst
        controlFramesPerSecond = limits.controlFramesPerSecond
        closeSeconds = limits.closeSeconds
        drainSeconds = limits.drainSeconds
        drainSpreadSeconds = limits.drainSpreadSeconds
        drainPerSecondMin = limits.drainPerSecondMin
        keptMessagesMax = limits.cacheMessagesMax
        keptBytesMax = limits.cacheBytesMax
        keptSeconds = limits.cacheSeconds
    }
}

extension DeflateOptions {
    init(_ settings: DeflateSettings) {
        self.init()
        mode = ClarionEngine.DeflateMode(settings.mode)
        level = settings.level
        messageBytesMin = settings.messageBytesMin
        contextWindowBits = settings.contextWindowBits
        contextMemoryLevel = settings.contextMemoryLevel
        contextBytesMax = settings.contextBytesMax
        contextIdleSeconds = settings.contextIdleSeconds
        channels = settings.channels.compactMap(SettingTable.channelRule).map { rule in
            DeflateChannelRule(pattern: rule.pattern, mode: ClarionEngine.DeflateMode(rule.mode))
        }
    }
}

extension ClarionEngine.DeflateMode {
    init(_ mode: ClarionSettings.DeflateMode) {
        switch mode {
        case .off: self = .off
        case .shared: self = .shared
        case .dedicated: self = .dedicated
        }
    }
}

extension TransportError {
    /// For a log line.
    var description: String {
        switch self {
        case .unresolved(let host, let text): return "\(host): \(text)"
        case .system(let call, let address, let code):
            let text = unsafe String(cString: strerror(code))
            return "\(call) \(address.host):\(address.port): \(text)\(TransportError.remedy(code, address))"
        case .local(let call, let path, let code):
            let remedy = code == EADDRINUSE ? "\(TransportError.inUse))" : ""
            return "\(call) \(path): \(unsafe String(cString: strerror(code)))\(remedy)"
        }
    }
    private static let inUse =
        """
         (another process listens there. If it is a clarion: `clarion start --take-over` puts this node in its place, \
        and `clarion restart` has it replace itself
        """

    /// What to do about it.
    private static func remedy(_ code: Int32, _ address: ListenAddress) -> String {
        switch code {
        case EADDRINUSE: "\(inUse); otherwise choose another --port)"
        case EACCES:
            " (a port below 1024 needs root, which --user gives up afterwards, or CAP_NET_BIND_SERVICE)"
        case EADDRNOTAVAIL:
            " (no interface of this machine has that address: `ip address` lists them; 0.0.0.0 or :: is all of them)"
        default: ""
        }
    }
}
