public import ClarionBytes

/// How a protocol names and uses one connection. Valid during the call that it was handed to; never stored.
public struct Session {
    /// The worker that owns the connection; everything here happens on its thread.
    public let core: Core
    let slot: UInt32

    init(core: Core, slot: UInt32) {
        self.core = core
        self.slot = slot
    }

    /// The protocol's own words for this connection. Valid during the call.
    public var state: UnsafeMutablePointer<SessionState> { unsafe core.statePointer(slot) }

    /// Names the connection within the whole node: 60 bits that nobody can guess, never used twice at the same time.
    /// Its halves of 30 bits make a Pusher socket id.
    public var socketNumber: UInt64 { core.socketNumber(of: slot) }

    /// Where the peer may answer later than in this call; can be carried to other threads.
    public var ticket: SessionTicket { core.ticket(of: slot) }

    /// For how long the input at hand was put off because the node was behind, in whole seconds; at most so long.
    public var inputDelaySeconds: Int { Int(core.inputDelayTicks / Core.ticksPerSecond) }

    /// Whether close was begun: what is sent from now on is dropped.
    public var isClosing: Bool { core.isClosing(slot) }

    /// Sends one text message.
    public func reply(_ text: ByteView) { core.reply(slot, opcode: 1, payload: text) }

    /// Sends one message: `opcode` is `Opcode.text`, `.binary` or `.ping`.
    public func reply(opcode: UInt8, _ payload: ByteView) { core.reply(slot, opcode: opcode, payload: payload) }

    /// Subscribes to a channel. For `.joining` and `.already` the handler's `joined` is called when it is in force.
    public func subscribe(space: UInt16, name: ByteView) -> SubscribeOutcome {
        core.subscribe(slot, space: space, name: name)
    }

    /// Subscribes to a channel whose home keeps members, a last message, or both; it answers with what `ChannelKeeper`
    /// says, in place of `joined`, or `MessageHandler.turnedAway` is called. Every change that the home orders behind
    /// the answer reaches the connection, and none before it.
    ///
    /// - Parameters:
    ///   - member: who the connection is there; nil for channels without members.
    ///   - wantsKept: the channel keeps its last message.
    /// - Returns: `.already` when it is subscribed and was answered before: nothing happens then.
    public func enter(space: UInt16, name: ByteView, as member: Member?, wantsKept: Bool) -> SubscribeOutcome {
        core.enter(slot, space: space, name: name, member: member, wantsKept: wantsKept)
    }

    /// Calls `body` with the member as which the connection has entered a channel; false when it has not.
    public func withMember(space: UInt16, name: ByteView, _ body: (Member) -> Void) -> Bool {
        core.withMember(of: slot, space: space, name: name, body)
    }

    /// Signs the connection in as a user, until it closes. `MessageHandler.watched` tells of the users in `watching`:
    /// a user is online while any connection of the node is signed in as it. False when it is signed in already.
    ///
    /// - Parameter info: handed out by `withUser`.
    public func signIn(space: UInt16, user: ByteView, info: ByteView, watching: [[UInt8]]) -> Bool {
        core.signIn(slot, space: space, user: user, info: info, watching: watching)
    }

    /// Calls `body` with the user as whom the connection is signed in; false when it is not.
    public func withUser(_ body: (_ id: ByteView, _ info: ByteView) -> Void) -> Bool {
        core.withUser(of: slot, body)
    }

    /// Ends a subscription. False when there was none. Nothing of the channel is sent after this returns.
    public func unsubscribe(space: UInt16, name: ByteView) -> Bool { core.unsubscribe(slot, space: space, name: name) }

    public func isSubscribed(space: UInt16, name: ByteView) -> Bool {
        core.subscription(of: slot, space: space, name: name) != nil
    }

    /// Sends one text message to all subscribers of a channel, except `excluded` (a socket number) if given.
    /// What one session publishes arrives in the order it was published, on all channels and workers.
    public func publish(space: UInt16, name: ByteView, text: ByteView, excluding excluded: UInt64? = nil) {
        core.publish(from: slot, space: space, name: name, text: text, excluding: excluded, keeps: false)
    }

    /// As above; `keeps`: the channel's home keeps the message for newcomers, in place of the one before.
    public func publish(space: UInt16, name: ByteView, text: ByteView, excluding excluded: UInt64?, keeps: Bool) {
        core.publish(from: slot, space: space, name: name, text: text, excluding: excluded, keeps: keeps)
    }

    /// Closes the connection: what was queued is sent, then a close frame. `code` nil: a close frame without a code.
    public func close(_ reason: CloseReason, code: UInt16?, text: StaticString = "") {
        core.close(slot, reason: reason, code: code, text: text)
    }

    /// Answers the HTTP request at hand. If the request published, the answer leaves when all of it has its place in
    /// the order of its channels: what is published after the answer comes later everywhere.
    /// `fields` are further header lines, each ended by CR LF.
    public func respond(status: Int, contentType: StaticString, body: ByteView, fields: StaticString = "") {
        core.respond(slot, status: status, contentType: contentType, body: body, fields: fields)
    }
}

/// Names a connection across threads and time: worker, slot and generation.
public struct SessionTicket: Sendable, Equatable {
    public let worker: Int
    let slot: UInt32
    let generation: UInt32
}

public enum SubscribeOutcome: Equatable, Sendable {
    /// `joined` is called when the subscription is in force.
    case joining
    /// It was subscribed before; `joined` is called again.
    case already
    /// The connection has as many subscriptions as it may.
    case tooMany
    /// The worker has as many channels as it may.
    case nodeFull
}
