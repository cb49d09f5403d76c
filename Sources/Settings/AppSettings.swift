/// One application: a tenant with its key, its channels and its rules.
public struct AppSettings: Sendable, Equatable {
    /// The id in the paths of the HTTP API.
    public var id = ""
    /// The public key in the path of the WebSocket endpoint.
    public var key = ""
    /// Signs requests of the HTTP API and subscriptions.
    public var secret = Secret("")
    /// Whether anybody may connect or publish.
    public var isEnabled = true
    /// What it may use beyond public and private channels.
    public var features = AppFeature.allCases
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
    /// Members of a presence channel above which joins and leaves are not told; 0: always told.
    public var presenceQuietMembers = 0
    /// Bytes of a member's `user_info`.
    public var presenceMemberBytesMax = 1_024
    /// Client events of one connection in a second; 0 is no bound.
    public var clientEventsPerSecondMax = 0
    /// Messages over HTTP in a second, 0: no bound; and how many may come at once.
    public var publishesPerSecondMax = 0
    public var publishesBurst = 100
    /// Whether subscribers are told how many they are.
    public var tellsSubscriptionCounts = false
    /// Whether refused subscriptions are told by `pusher:subscription_error` too.
    public var sendsSubscriptionErrors = false
    /// Who hears of what happens on its channels.
    public var webhooks: [WebhookSettings] = []

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

/// What an application may use beyond public and private channels.
public enum AppFeature: String, Sendable, CaseIterable {
    case presence
    case cache
    case encrypted
    case signin
    case watchlist
}

/// One endpoint that hears of what happens on an application's channels.
public struct WebhookSettings: Sendable, Equatable {
    /// Where events are posted to.
    public var url = ""
    /// What it hears of.
    public var events = WebhookEventName.allCases
    /// Only channels whose names begin so; empty: all.
    public var channelPrefix = ""
    /// Only channels whose names end so; empty: all.
    public var channelSuffix = ""
    /// Further header lines; their values are secrets.
    public var headers: [String: Secret] = [:]

    public init() {}
}

/// What an endpoint can hear of.
public enum WebhookEventName: String, Sendable, CaseIterable {
    case channelOccupied = "channel_occupied"
    case channelVacated = "channel_vacated"
    case memberAdded = "member_added"
    case memberRemoved = "member_removed"
    case clientEvent = "client_event"
    case cacheMiss = "cache_miss"
    case subscriptionCount = "subscription_count"
}
