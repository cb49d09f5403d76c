import ClarionBytes
import ClarionEngine

/// Something a client is told by `pusher:error`, and by a close frame when it ends the connection.
///
/// Codes below 4100: do not come back unchanged. 41xx: come back after a second. 42xx: come back at once. From 4300 on:
/// the connection stays open. A `pusher:error` alone never closes a connection. Texts are Laravel Reverb's where it has
/// any. Invariant: no text needs escaping in JSON.
struct PusherFault: Sendable {
    let code: UInt16
    let text: StaticString

    init(_ code: UInt16, _ text: StaticString) {
        self.code = code
        self.text = text
    }

    /// As a close frame.
    var farewell: Farewell { Farewell(code, text) }

    /// Appends the `pusher:error`. Its `data` is a string that holds JSON, as Reverb has it.
    func appendMessage(to buffer: inout ByteBuffer) {
        buffer.append(#"{"event":"pusher:error","data":"{\"code\":"#)
        buffer.append(decimal: UInt64(code))
        buffer.append(#",\"message\":\""#)
        buffer.append(text)
        buffer.append(#"\"}"}"#)
    }

    static let unknownApplication = PusherFault(4001, "Application does not exist")
    static let disabled = PusherFault(4003, "Application disabled")
    static let undecided = PusherFault(4100, "Application cannot be looked up now. Please reconnect shortly.")
    static let featureOff = PusherFault(4009, "The application does not have channels of this kind enabled.")
    static let overQuota = PusherFault(4004, "Application is over connection quota")
    static let badVersion = PusherFault(4006, "Invalid version string format")
    static let unsupportedVersion = PusherFault(4007, "Unsupported protocol version")
    static let originRefused = PusherFault(4009, "Origin not allowed")
    static let unauthorized = PusherFault(4009, "Connection is unauthorized")
    static let notMember = PusherFault(4009, "The client is not a member of the specified channel.")
    static let namelessMember = PusherFault(4009, "Presence channels need channel_data with a user_id")
    static let usersOff = PusherFault(4009, "The application does not have users enabled.")
    static let notSignedIn = PusherFault(4009, "Connection not authorized.")
    static let anotherUser = PusherFault(4009, "The connection is signed in as another user.")
    static let namelessUser = PusherFault(4009, "The user data must hold an id.")
    static let overCapacity = PusherFault(4100, "Over capacity")
    static let invalidMessage = PusherFault(4200, "Invalid message format")
    static let invalidChannelName = PusherFault(4200, "Invalid channel name")
    static let serverClosed = PusherFault(4200, "Server closed. Please reconnect shortly.")
    static let noPong = PusherFault(4201, "Pong reply not received in time")
    static let inactive = PusherFault(4202, "Closed after inactivity")
    static let rateLimited = PusherFault(4301, "Rate limit exceeded")
    static let clientEventsOff = PusherFault(4301, "The app does not have client messaging enabled.")
    static let encryptedChannel = PusherFault(4301, "Client events are not supported on encrypted channels")
    static let eventNameTooLong = PusherFault(4301, "Event name is too long. Maximum allowed size is 200.")
    static let existingSubscription = PusherFault(4301, "Existing subscription to the channel")
    static let clientEventRate = PusherFault(
        4301, "The rate limit for sending client events exceeded the quota.")
    static let watchlistTooLong = PusherFault(4302, "The watchlist is too long. Maximum allowed size is 100.")
    static let tooManyJoins = PusherFault(4301, "Too many presence channels were joined in a short time")
    static let tooManyChannels = PusherFault(4301, "Too many channels on this connection")
}

/// Why one subscription is not made, told by `pusher:subscription_error`, which names the channel: pusher-js hands it
/// to the channel's own handlers. Types and statuses are Soketi's. Invariant: no text needs escaping in JSON.
struct SubscriptionError: Sendable {
    let type: StaticString
    let status: UInt16
    let text: StaticString

    init(_ type: StaticString, _ status: UInt16, _ text: StaticString) {
        self.type = type
        self.status = status
        self.text = text
    }

    func appendMessage(channel: ByteView, to buffer: inout ByteBuffer) {
        buffer.append(#"{"event":"pusher:subscription_error","channel":""#)
        buffer.append(channel)
        buffer.append(#"","data":{"type":""#)
        buffer.append(type)
        buffer.append(#"","error":""#)
        buffer.append(text)
        buffer.append(#"","status":"#)
        buffer.append(decimal: UInt64(status))
        buffer.append("}}")
    }

    static let tooManyMembers = SubscriptionError(
        "LimitReached", 4100, "The channel has as many members as it may have")
    static let memberTooLarge = SubscriptionError("LimitReached", 4301, "The user_info of the member is too large")
    static let memberIDTooLong = SubscriptionError(
        "LimitReached", 4301, "The user_id is too long. Maximum allowed size is 128.")
}
