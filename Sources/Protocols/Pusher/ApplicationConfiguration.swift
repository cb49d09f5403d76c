public import ClarionEngine

/// From whom an application takes client events.
public enum ClientEventSource: String, Sendable, CaseIterable {
    /// From everybody; on protected channels still from subscribers only.
    case all
    /// From subscribers of the channel.
    case members
    /// From nobody.
    case none
}

/// How many messages one connection may send: a fixed window that begins with its first message.
public struct MessageRateLimit: Sendable, Equatable {
    /// Messages of one window.
    public var messagesMax: Int
    /// Seconds of one window.
    public var windowSeconds: Int
    /// The connection is closed at the limit; otherwise each message over it is answered with an error.
    public var closesAtLimit: Bool

    public init(messagesMax: Int = 60, windowSeconds: Int = 60, closesAtLimit: Bool = false) {
        self.messagesMax = messagesMax
        self.windowSeconds = windowSeconds
        self.closesAtLimit = closesAtLimit
    }
}

/// What an application may use beyond public and private channels, one bit each.
public struct ApplicationFeatures: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// `presence-` channels.
    public static let presence = ApplicationFeatures(rawValue: 1 << 0)
    /// `cache-` channels, of every kind.
    public static let cache = ApplicationFeatures(rawValue: 1 << 1)
    /// `private-encrypted-` channels.
    public static let encrypted = ApplicationFeatures(rawValue: 1 << 2)
    /// `pusher:signin`, events to one user, and ending a user's connections.
    public static let signin = ApplicationFeatures(rawValue: 1 << 3)
    /// Users are told when others that they watch come and go.
    public static let watchlist = ApplicationFeatures(rawValue: 1 << 4)
    /// Subscribers are told how many they are.
    public static let subscriptionCount = ApplicationFeatures(rawValue: 1 << 5)

    /// All but `subscriptionCount`, as the hosted service has it.
    public static let usual: ApplicationFeatures = [.presence, .cache, .encrypted, .signin, .watchlist]

    /// Whether channels of this kind may be joined.
    func allow(_ kind: ChannelKind) -> Bool {
        switch kind {
        case .public, .private, .reserved: true
        case .cache, .privateCache: contains(.cache)
        case .privateEncrypted: contains(.encrypted)
        case .privateEncryptedCache: contains([.encrypted, .cache])
        case .presence: contains(.presence)
        case .presenceCache: contains([.presence, .cache])
        }
    }
}

/// One application: who it is, and what its connections may do. Defaults are Laravel Reverb's.
public struct ApplicationConfiguration: Sendable, Equatable {
    /// Names it in the HTTP API.
    public var id: String
    /// Names it in the URL of a socket. Public.
    public var key: String
    /// Signs. Never shown.
    public var secret: String
    /// Switched off: nobody may connect or publish.
    public var isEnabled = true
    public var features = ApplicationFeatures.usual
    public var acceptClientEventsFrom = ClientEventSource.members
    /// Connections at the same time on this node; nil: no limit.
    public var maxConnections: Int?
    /// Bytes of one message from a client; above it the connection is closed with 1009.
    public var maxMessageBytes = 10_000
    /// Origins that may connect. "*" alone allows all, a missing Origin included. Otherwise each entry is a host
    /// ("app.example"), in which "*" stands for any text ("*.example.org"), or a full origin
    /// ("https://app.example:8443"), whose scheme and port then count too.
    public var allowedOrigins = ["*"]
    /// Seconds of silence after which a connection is pinged.
    public var pingIntervalSeconds = 60
    /// Seconds it then has to say anything, before it is closed with 4201.
    public var pongTimeoutSeconds = 30
    /// Told to clients: they ping after so many seconds of silence.
    public var activityTimeoutSeconds = 30
    /// nil: no limit.
    public var rateLimit: MessageRateLimit?
    /// Messages that may be published over HTTP on the whole node, each event counting once for each of its channels.
    public var publishes = BucketRule(perSecond: 0, burst: 1)
    public var channels = ChannelRules()
    /// What its webhooks want to hear of.
    public var webhookKinds: WebhookKinds = []

    public init(id: String, key: String, secret: String) {
        self.id = id
        self.key = key
        self.secret = secret
    }
}

extension ApplicationConfiguration: CustomStringConvertible, CustomDebugStringConvertible {
    /// Without the secret.
    public var description: String { "application \(id) (key \(key))" }
    /// Without the secret.
    public var debugDescription: String { description }
}
