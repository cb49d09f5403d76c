public import ClarionLog

/// Everything about a node that its operator decides, with the defaults. What each setting means and what it may be
/// stands in `SettingTable`; how the value of a run comes about, in `Configuration`.
public struct Settings: Sendable, Equatable {
    /// Address to listen on: an IPv4 or IPv6 address, or a name that the system resolves.
    public var host = "127.0.0.1"
    /// TCP port; 0 lets the system choose one.
    public var port = 8080
    /// Prefix of the routes of the Pusher protocol, empty or beginning with `/` and not ending with it.
    public var path = ""
    /// Worker threads; 0 is one for each usable processor.
    public var workers = 0
    /// Which event interface the workers use.
    public var backend = BackendChoice.auto
    /// Whether `/echo` is served.
    public var echo = false
    /// Bytes of one HTTP request, head and body.
    public var requestBytesMax = 65_536
    /// Seconds by which the time stamp of a signed request may differ from the clock; 0 does not look.
    public var authTimestampToleranceSeconds = 600
    /// The applications; at least one.
    public var apps = [AppSettings.embedded]
    /// The JSON protocol on `/ws`.
    public var realtime = RealtimeSettings()
    /// Where the admin socket is: `AdminSettingWords`, or a path.
    public var adminSocket = AdminSettingWords.auto
    /// What opens `/dashboard`; nil: there is none.
    public var dashboardPassword: Secret?
    public var dashboardUser = "admin"
    /// permessage-deflate.
    public var deflate = DeflateSettings()
    /// Lines below this level are not written.
    public var logLevel = LogLevel.info
    /// The shape of a log line.
    public var logFormat = LogFormat.auto
    /// The bounds on memory, time and counts.
    public var limits = Limits()

    public init() {}
}

extension Settings {
    /// The origins of pages that the node itself serves, by the names under which it is reached from this machine,
    /// and its configured host: who may open `/ws` when no origins are configured.
    public var ownOrigins: [String] {
        var hosts = ["localhost", "127.0.0.1"]
        let own = host.contains(":") ? "[\(host)]" : host
        if !hosts.contains(own) { hosts.append(own) }
        return hosts.map { port == 80 ? "http://\($0)" : "http://\($0):\(port)" }
    }
}

/// `auto` tries io_uring and falls back to epoll.
public enum BackendChoice: String, Sendable, CaseIterable {
    case auto
    case uring
    case epoll
}

/// One application: a tenant with its key, its channels and its rules.
public struct AppSettings: Sendable, Equatable {
    /// The id in the paths of the HTTP API.
    public var id = ""
    /// The public key in the path of the WebSocket endpoint.
    public var key = ""
    /// Signs requests of the HTTP API and subscriptions.
    public var secret = Secret("")
    /// Whose client events are passed on.
    public var acceptClientEventsFrom = ClientEventSenders.members
    /// Connections of this application on this node; nil is no bound.
    public var connectionsMax: Int?
    /// Bytes of one message of a client.
    public var messageBytesMax = 10_000
    /// Origins that may connect; `*` is every one, also none at all.
    public var allowedOrigins = ["*"]
    /// Seconds without a message after which the node pings.
    public var pingIntervalSeconds = 60
    /// Seconds of silence that a client is told to allow before it pings.
    public var activityTimeoutSeconds = 30
    /// How many messages a connection may send.
    public var rateLimit = RateLimit()
    /// Members of one presence channel.
    public var presenceMembersMax = 100
    /// Bytes of a member's `user_info`.
    public var presenceMemberBytesMax = 1_024
    /// Client events of one connection in a second; 0 is no bound.
    public var clientEventsPerSecondMax = 0
    /// Whether subscribers are told how many they are.
    public var tellsSubscriptionCounts = false
    /// Whether refused subscriptions are told by `pusher:subscription_error` too.
    public var sendsSubscriptionErrors = false

    public init() {}

    /// The application of a node on which none is configured.
    public static var embedded: AppSettings {
        var app = AppSettings()
        app.id = "app-id"
        app.key = "app-key"
        app.secret = Secret("app-secret")
        return app
    }
}

/// Whose client events reach the other subscribers of a channel.
public enum ClientEventSenders: String, Sendable, CaseIterable {
    /// Everyone, subscribed or not.
    case all
    /// Subscribers of the channel.
    case members
    /// Nobody.
    case none
}

/// A bound on the messages of one connection in a window of time.
public struct RateLimit: Sendable, Equatable {
    /// Whether messages are counted at all.
    public var isEnabled = false
    /// Messages in a window.
    public var attemptsMax = 60
    /// Length of a window, seconds from its first message.
    public var decaySeconds = 60
    /// Whether a connection over the bound is closed, rather than told.
    public var terminates = false

    public init() {}
}

/// The JSON protocol on `/ws` and its HTTP publishing.
public struct RealtimeSettings: Sendable, Equatable {
    /// Whether `/ws` and `/internal/broadcast` are served.
    public var isEnabled = true
    /// What subscribers receive.
    public var mode = RealtimeMode.raw
    /// Whether clients may publish.
    public var acceptsPublish = false
    /// What a publisher over HTTP shows; nil refuses every one unless `allowsPublishingWithoutSecret`.
    public var secret: Secret?
    /// Whether `/internal/broadcast` takes messages when there is no secret.
    public var allowsPublishingWithoutSecret = false
    /// Full origins that may connect; empty stands for the pages of the node itself.
    public var allowedOrigins: [String] = []
    /// Bytes of one message of a client.
    public var messageBytesMax = 512
    /// Seconds from one pong of a client to the next ping.
    public var pingIntervalSeconds = 54
    /// Seconds without a pong after which a client is closed.
    public var pongTimeoutSeconds = 60

    public init() {}

    /// Bytes of one message when clients may publish and nothing else is set.
    public static let messageBytesMaxWithPublish = 64 * 1024
}

/// What is done with permessage-deflate.
public struct DeflateSettings: Sendable, Equatable {
    public var mode = DeflateMode.shared
    /// Rules as `SettingTable.channelRule` reads them, in their order.
    public var channels: [String] = []
    /// zlib's level.
    public var level = 6
    /// Bytes below which messages are not compressed.
    public var messageBytesMin = 128
    /// Bits of the largest window of a context, and zlib's memory level there.
    public var contextWindowBits = 12
    public var contextMemoryLevel = 5
    /// Bytes of all contexts together.
    public var contextBytesMax = 64 << 20
    /// Seconds after which an unused context gives memory back.
    public var contextIdleSeconds = 60

    public init() {}
}

/// What clients that offer compression get.
public enum DeflateMode: String, Sendable, CaseIterable {
    case off
    case shared
    case dedicated
}

/// What a subscriber of the JSON protocol receives.
public enum RealtimeMode: String, Sendable, CaseIterable {
    /// The published text and nothing around it.
    case raw
    /// A JSON object with type, channel and payload; requests are confirmed.
    case envelope
}

/// Values of `admin.socket` that are no paths.
public enum AdminSettingWords {
    /// A usual place, by the port.
    public static let auto = "auto"
    /// There is none.
    public static let off = "off"
}
