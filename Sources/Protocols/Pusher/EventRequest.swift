import ClarionBytes
import ClarionWire

/// One event to publish, checked.
struct EventRequest {
    /// A string.
    let name: JSONValue
    /// A string, passed on character for character.
    let data: JSONValue
    /// Where it goes: strings that are valid channel names, at least one.
    let channels: [ByteView]
    /// The connection that must not get it.
    let excluded: UInt64?
    let attributes: ChannelAttributes
}

/// What is asked about a channel: the comma list in `info`. What is unknown is passed over.
struct ChannelAttributes: OptionSet, Sendable {
    let rawValue: UInt8

    static let subscriptionCount = ChannelAttributes(rawValue: 1)
    static let userCount = ChannelAttributes(rawValue: 2)
    static let cache = ChannelAttributes(rawValue: 4)

    init(rawValue: UInt8) { self.rawValue = rawValue }

    init(_ list: ByteView) {
        self.init(rawValue: 0)
        var rest = list
        while true {
            let length = rest.firstIndex(of: 0x2C) ?? rest.count
            let item = rest.slice(from: 0, count: length)
            if item == "subscription_count" { insert(.subscriptionCount) }
            if item == "user_count" { insert(.userCount) }
            if item == "cache" { insert(.cache) }
            if length == rest.count { return }
            rest = rest.slice(from: length + 1)
        }
    }
}
