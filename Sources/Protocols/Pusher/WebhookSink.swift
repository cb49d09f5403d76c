public import ClarionBytes
public import ClarionEngine

/// Kinds of events that an application can hear of by webhook, one bit each.
public struct WebhookKinds: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let channelOccupied = WebhookKinds(rawValue: 1 << 0)
    public static let channelVacated = WebhookKinds(rawValue: 1 << 1)
    public static let memberAdded = WebhookKinds(rawValue: 1 << 2)
    public static let memberRemoved = WebhookKinds(rawValue: 1 << 3)
    public static let clientEvent = WebhookKinds(rawValue: 1 << 4)
    public static let cacheMiss = WebhookKinds(rawValue: 1 << 5)
    public static let subscriptionCount = WebhookKinds(rawValue: 1 << 6)
}

/// Something that happened on a channel, as it leaves a worker.
public struct WebhookEvent: Sendable, Equatable {
    /// Exactly one kind.
    public var kind: WebhookKinds
    /// The number of the application among those of the node.
    public var application: Int
    /// The name of the channel.
    public var channel: [UInt8]
    /// `memberAdded`, `memberRemoved`: the id of the user, as text. Empty otherwise.
    public var user: [UInt8] = []
    /// `clientEvent`: members of a JSON object, `"event":…,"data":…,"socket_id":…`, and `"user_id":…` of a user.
    /// Empty otherwise.
    public var details: [UInt8] = []
    /// `subscriptionCount`: how many connections are subscribed. 0 otherwise.
    public var count = 0

    public init(_ kind: WebhookKinds, application: Int, channel: [UInt8]) {
        self.kind = kind
        self.application = application
        self.channel = channel
    }
}

/// Where events for webhooks go. Called on workers: never waits, takes no lock, drops what is too much and counts it.
public protocol WebhookSink: Sendable {
    func note(_ event: WebhookEvent)
}

// What happens on channels, for webhooks. Called where it is known: at the home of a channel, or where a client event
// comes in. Costs one look at a word when the application does not want the event.
extension PusherNode {
    /// Whether the application whose channels are in `space` wants to hear of `kind`.
    func wants(_ kind: WebhookKinds, space: UInt16) -> Bool {
        let application = Int(space) - 1
        return application >= 0 && application < rules.count && rules[application].webhookKinds.contains(kind)
    }

    /// The first connection of a user has joined a presence channel.
    func noteMemberAdded(space: UInt16, channel: ByteView, user: ByteView) {
        noteMember(.memberAdded, space, channel, user)
    }

    /// The last connection of a user has left a presence channel.
    func noteMemberRemoved(space: UInt16, channel: ByteView, user: ByteView) {
        noteMember(.memberRemoved, space, channel, user)
    }

    /// Somebody joined a cache channel that holds nothing.
    func noteCacheMiss(space: UInt16, channel: ByteView) {
        if !wants(.cacheMiss, space: space) { return }
        webhooks?.note(WebhookEvent(.cacheMiss, application: Int(space) - 1, channel: channel.array))
    }

    /// A client event was passed on.
    ///
    /// - Parameters:
    ///   - event: the name of the event as a JSON string, with its quotation marks.
    ///   - data: any JSON value.
    ///   - user: the id of the sender on presence channels as a JSON string; nil elsewhere.
    func noteClientEvent(
        space: UInt16, channel: ByteView, event: ByteView, data: ByteView, socketNumber: UInt64, user: ByteView?
    ) {
        if !wants(.clientEvent, space: space) { return }
        var details = ByteBuffer(capacity: event.count + data.count + 96)
        details.append(#""event":"#)
        details.append(event)
        details.append(#","data":"#)
        details.append(data)
        details.append(#","socket_id":""#)
        SocketID.append(socketNumber, to: &details)
        details.append("\"")
        if let user {
            details.append(#","user_id":"#)
            details.append(user)
        }
        var note = WebhookEvent(.clientEvent, application: Int(space) - 1, channel: channel.array)
        note.details = details.view.array
        webhooks?.note(note)
    }

    private func noteMember(_ kind: WebhookKinds, _ space: UInt16, _ channel: ByteView, _ user: ByteView) {
        if !wants(kind, space: space) { return }
        var note = WebhookEvent(kind, application: Int(space) - 1, channel: channel.array)
        note.user = user.array
        webhooks?.note(note)
    }
}

/// Turns numbers of subscriptions into events: a channel is occupied, vacated, or has another count. One for each
/// worker; told of the channels that have their home there.
public final class PusherChannelObserver: ChannelObserver {
    private let node: PusherNode

    public init(_ node: PusherNode) { self.node = node }

    public func subscriptionsChanged(space: UInt16, name: ByteView, from before: Int, to now: Int) {
        if before == 0 && now > 0 { note(.channelOccupied, space, name, count: 0) }
        if before > 0 && now == 0 { note(.channelVacated, space, name, count: 0) }
        // Presence channels count members.
        if now > 0, !ChannelKind(name).isPresence { note(.subscriptionCount, space, name, count: now) }
    }

    private func note(_ kind: WebhookKinds, _ space: UInt16, _ name: ByteView, count: Int) {
        if !node.wants(kind, space: space) { return }
        var event = WebhookEvent(kind, application: Int(space) - 1, channel: name.array)
        event.count = count
        node.webhooks?.note(event)
    }
}
