/// The protocol that is spoken with the server.
public enum Dialect: String, CaseIterable, Sendable, Codable {
    /// An endpoint that returns every message as it came.
    case raw
    /// `{"action":"subscribe",…}` and `{"action":"publish",…}`; subscribers get the text alone.
    case json
    /// Pusher Channels protocol 7, published as client events.
    case pusher
    /// The servers under `Benchmarks/peers`, which speak the same as `json`.
    case uws

    /// Where the endpoint usually is.
    public func usualPath(key: String) -> String {
        switch self {
        case .raw: "/echo"
        case .json, .uws: "/ws"
        case .pusher: "/app/\(key)"
        }
    }

    /// Whether the server says when a subscription is in force.
    var confirms: Bool { self == .pusher }

    /// The message that subscribes to a channel, or nil where there is nothing to subscribe to.
    /// - Parameters:
    ///   - auth: the right to do so, for protected channels of the Pusher protocol.
    ///   - channelData: who joins, for presence channels: JSON.
    public func subscription(channel: String, auth: String? = nil, channelData: String? = nil) -> String? {
        switch self {
        case .raw: return nil
        case .json, .uws: return #"{"action":"subscribe","channel":"\#(channel)"}"#
        case .pusher:
            var data = #""channel":"\#(channel)""#
            if let auth { data += #","auth":"\#(auth)""# }
            if let channelData { data += #","channel_data":"\#(Self.escaped(channelData))""# }
            return #"{"event":"pusher:subscribe","data":{\#(data)}}"#
        }
    }

    /// The message that ends a subscription.
    public func unsubscription(channel: String) -> String? {
        switch self {
        case .raw: nil
        case .json, .uws: #"{"action":"unsubscribe","channel":"\#(channel)"}"#
        case .pusher: #"{"event":"pusher:unsubscribe","data":{"channel":"\#(channel)"}}"#
        }
    }

    /// What stands before and behind the text when a message is published.
    public func envelope(channel: String) -> (head: String, tail: String) {
        switch self {
        case .raw: ("", "")
        case .json, .uws: (#"{"action":"publish","channel":"\#(channel)","message":""#, #""}"#)
        case .pusher: (#"{"event":"client-x","channel":"\#(channel)","data":""#, #""}"#)
        }
    }

    /// A text of ours as the inside of a JSON string: only quotes need care.
    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { $0 += $1 == "\"" ? "\\\"" : String($1) }
    }
}

/// The kind of the channels in the Pusher protocol.
public enum ChannelKind: String, CaseIterable, Sendable, Codable {
    /// Anybody may join.
    case `public`
    /// Joining takes a signature, which is made from the application's secret.
    case `private`
    /// The same, and members hear of each other.
    case presence

    /// What names of such channels start with.
    var prefix: String {
        switch self {
        case .public: ""
        case .private: "private-"
        case .presence: "presence-"
        }
    }
}
