import ClarionBytes
import ClarionWire

/// The members of a client's message, found in one walk; the last one of a name counts.
struct PusherMessage {
    /// A string.
    let event: JSONValue
    let data: JSONValue?
    let channel: JSONValue?

    /// Nil when `payload` is not a JSON object with a string as `event`.
    init?(_ payload: ByteView) {
        guard let root = JSON.parse(payload), root.kind == .object else { return nil }
        var event: JSONValue?
        var data: JSONValue?
        var channel: JSONValue?
        var members = JSONMembers(root)
        while let member = members.next() {
            if member.key.equals("event") {
                event = member.value
            } else if member.key.equals("data") {
                data = member.value
            } else if member.key.equals("channel") {
                channel = member.value
            }
        }
        guard let event, event.kind == .string else { return nil }
        self.event = event
        self.data = data
        self.channel = channel
    }
}

/// The data of `pusher:subscribe` and `pusher:unsubscribe`.
struct SubscriptionData {
    let channel: JSONValue
    /// Of any kind, or missing.
    let auth: JSONValue?
    /// A string that must be used byte for byte once its escapes are resolved, or missing.
    let channelData: JSONValue?

    /// Nil when `data` is not an object with a string as `channel`, or its `channel_data` is no string.
    init?(_ data: JSONValue) {
        if data.kind != .object { return nil }
        var channel: JSONValue?
        var auth: JSONValue?
        var channelData: JSONValue?
        var members = JSONMembers(data)
        while let member = members.next() {
            if member.key.equals("channel") {
                channel = member.value
            } else if member.key.equals("auth") {
                auth = member.value
            } else if member.key.equals("channel_data") {
                channelData = member.value
            }
        }
        guard let channel, channel.kind == .string else { return nil }
        if let kind = channelData?.kind, kind != .string && kind != .null { return nil }
        self.channel = channel
        self.auth = auth
        self.channelData = channelData?.kind == .string ? channelData : nil
    }
}

/// The data of `pusher:signin`.
struct SignInData {
    /// Of any kind, or missing.
    let auth: JSONValue?
    /// A string that must be used byte for byte once its escapes are resolved.
    let userData: JSONValue

    /// Nil when `data` is not an object with a string as `user_data`.
    init?(_ data: JSONValue) {
        guard let userData = data.member("user_data"), userData.kind == .string else { return nil }
        self.userData = userData
        auth = data.member("auth")
    }
}
