/// The protocol that is spoken with the server.
public enum Dialect: String, CaseIterable, Sendable {
    /// An endpoint that returns every message as it came.
    case raw
    /// `{"action":"subscribe",…}` and `{"action":"publish",…}`; subscribers get the text alone.
    case json
    /// Pusher Channels protocol 7, published as client events on a public channel.
    case pusher
    /// The servers under `Benchmarks/peers`, which speak the same as `json`.
    case uws

    /// Where the endpoint usually is.
    public var usualPath: String {
        switch self {
        case .raw: "/echo"
        case .json, .uws: "/ws"
        case .pusher: "/app/app-key"
        }
    }

    /// The message that subscribes to a channel, or nil where there is nothing to subscribe to.
    public func subscription(channel: String) -> String? {
        switch self {
        case .raw: nil
        case .json, .uws: #"{"action":"subscribe","channel":"\#(channel)"}"#
        case .pusher: #"{"event":"pusher:subscribe","data":{"channel":"\#(channel)"}}"#
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
}
