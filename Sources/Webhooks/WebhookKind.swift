public import ClarionWire

/// What an endpoint can hear of. The raw value is the name on the wire and in the configuration.
public enum WebhookKind: String, Sendable, CaseIterable {
    case channelOccupied = "channel_occupied"
    case channelVacated = "channel_vacated"
    case memberAdded = "member_added"
    case memberRemoved = "member_removed"
    case clientEvent = "client_event"
    case cacheMiss = "cache_miss"
    case subscriptionCount = "subscription_count"

    /// Whether it says that somebody has gone, or how many are left.
    var tellsOfDeparture: Bool { [.channelVacated, .memberRemoved, .subscriptionCount].contains(self) }
}

/// Something that happened on a channel, as a worker tells it.
public struct WebhookNote: Sendable, Equatable {
    public var kind: WebhookKind
    /// The number of the application on this node.
    public var application: Int
    /// A valid channel name: it needs no escapes in JSON.
    public var channel: [UInt8]
    /// Members: the user's id, as text.
    public var user: [UInt8]
    /// Client events: further members of the event's JSON object, without braces.
    public var details: [UInt8]
    /// `subscriptionCount`: the count.
    public var count: Int

    public init(
        _ kind: WebhookKind, application: Int, channel: [UInt8], user: [UInt8] = [], details: [UInt8] = [],
        count: Int = 0
    ) {
        self.kind = kind
        self.application = application
        self.channel = channel
        self.user = user
        self.details = details
        self.count = count
    }

    /// Memory that it takes, about.
    var byteCount: Int { channel.count + user.count + details.count + Self.ownBytes }
    private static let ownBytes = 160
}

/// Where an application's events go.
public struct WebhookEndpoint: Sendable, Equatable {
    public var url: EndpointURL
    public var kinds: Set<WebhookKind>
    /// Channels whose names begin and end so; empty: all.
    public var channelPrefix: [UInt8]
    public var channelSuffix: [UInt8]
    /// Further header lines. Never shown.
    public var headers: [Header]

    /// A header line of requests to an endpoint.
    public struct Header: Sendable, Equatable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public init(
        url: EndpointURL, kinds: Set<WebhookKind> = Set(WebhookKind.allCases), channelPrefix: [UInt8] = [],
        channelSuffix: [UInt8] = [], headers: [Header] = []
    ) {
        self.url = url
        self.kinds = kinds
        self.channelPrefix = channelPrefix
        self.channelSuffix = channelSuffix
        self.headers = headers
    }

    func wants(_ note: WebhookNote) -> Bool {
        kinds.contains(note.kind) && note.channel.starts(with: channelPrefix)
            && note.channel.suffix(channelSuffix.count).elementsEqual(channelSuffix)
    }
}

/// An application as far as webhooks need it.
public struct WebhookApplication: Sendable, Equatable {
    public var key: String
    /// Signs. Never shown.
    public var secret: String
    public var endpoints: [WebhookEndpoint]

    public init(key: String, secret: String, endpoints: [WebhookEndpoint]) {
        self.key = key
        self.secret = secret
        self.endpoints = endpoints
    }
}
