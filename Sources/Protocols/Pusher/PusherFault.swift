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
    static let presenceUnavailable = PusherFault(4009, "Presence channels are not served by this node")
    static let cacheUnavailable = PusherFault(4009, "Cache channels are not served by this node")
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
    static let tooManyChannels = PusherFault(4301, "Too many channels on this connection")
}
