public import ClarionBytes
public import ClarionEngine
import ClarionWire

/// The Pusher Channels protocol over WebSocket, for all applications of the node. One for each worker.
///
/// Subscriptions are in PusherSubscriptions.swift, client events in PusherClientEvents.swift, users in
/// PusherUsers.swift.
public final class PusherHandler: MessageHandler {
    let node: PusherNode
    /// What a message needs to know of its application, by the application's number.
    var rules: [ApplicationRules] { node.rules }
    /// Texts being read and written; warm ones do not allocate.
    var nameText = ByteBuffer()
    var dataText = ByteBuffer()
    var scratch = ByteBuffer()
    var userText = ByteBuffer()
    var output = ByteBuffer()
    /// Refusals of homes may come while another message is being handled: they are written here.
    var refusalText = ByteBuffer()

    public init(_ node: PusherNode) { self.node = node }

    public func opened(_ session: Session) { open(session) }

    public func received(_ payload: ByteView, opcode: UInt8, _ session: Session) {
        handle(payload, opcode: opcode, session)
    }

    public func joined(space: UInt16, name: ByteView, _ session: Session) { confirm(name, session) }

    public func missed(_ count: UInt32, space: UInt16, name: ByteView, _ session: Session) {
        tellGap(count, name, session)
    }

    public func turnedAway(_ refusal: EntryRefusal, space: UInt16, name: ByteView, _ session: Session) {
        tellRefusal(refusal, name, session)
    }

    public func watched(_ users: [[UInt8]], areOnline: Bool, _ session: Session) {
        tellWatched(users, areOnline: areOnline, session)
    }

    public func ping(_ session: Session) { session.reply(ByteView(PusherHandler.pingMessage)) }

    public func farewell(_ reason: CloseReason, _ session: Session) -> Farewell? { takeLeave(reason, session) }

    public func closed(_ session: Session) { end(session) }

    /// Encrypted text does not shrink, and how long it is must not tell what is in it.
    public func deflateMode(space: UInt16, name: ByteView) -> DeflateMode {
        ChannelKind(name).isEncrypted ? .off : .dedicated
    }

    static let pingMessage: StaticString = #"{"event":"pusher:ping"}"#
    static let pongMessage: StaticString = #"{"event":"pusher:pong"}"#

    /// Greets the connection, or tells it why it may not stay.
    func open(_ peer: some PusherPeer) {
        var state = unsafe PusherState(words: peer.state.pointee)
        if let fault = state.refusal.fault { return dismiss(fault, state.refusal.reason, peer) }
        let application = node.table.applications[state.application].configuration
        if !node.counters.acquire(state.application, limit: application.maxConnections) {
            return dismiss(.overQuota, .applicationFull, peer)
        }
        state.isCounted = true
        unsafe peer.state.pointee = state.words
        output.removeAll()
        output.append(#"{"event":"pusher:connection_established","data":"{\"socket_id\":\""#)
        SocketID.append(peer.socketNumber, to: &output)
        output.append(#"\",\"activity_timeout\":"#)
        // pusher-js refuses 0.
        output.append(decimal: UInt64(max(application.activityTimeoutSeconds, 1)))
        output.append(#"}"}"#)
        peer.reply(output.view)
    }

    func end(_ peer: some PusherPeer) {
        var state = unsafe PusherState(words: peer.state.pointee)
        if !state.isCounted { return }
        node.counters.release(state.application)
        state.isCounted = false
        unsafe peer.state.pointee = state.words
    }

    func handle(_ payload: ByteView, opcode: UInt8, _ peer: some PusherPeer) {
        var state = unsafe PusherState(words: peer.state.pointee)
        if !state.isCounted { return }  // refused, and being closed
        if let limit = rules[state.application].rateLimit {
            let isWithin = state.takeMessage(limit, nowTick: peer.nowTick)
            unsafe peer.state.pointee = state.words
            if !isWithin {
                return limit.closesAtLimit ? dismiss(.rateLimited, .rateLimited, peer) : fail(.rateLimited, peer)
            }
        }
        if opcode != Opcode.text {
            return peer.close(.unsupportedData, code: 1003, text: "Only text messages are spoken here")
        }
        guard let message = PusherMessage(payload) else { return fail(.invalidMessage, peer) }
        if message.event.hasPrefix("client-") {
            relay(message, application: state.application, peer)
        } else if message.event.equals("pusher:ping") {
            peer.reply(ByteView(PusherHandler.pongMessage))
        } else if message.event.equals("pusher:subscribe") {
            subscribe(message, application: state.application, peer)
        } else if message.event.equals("pusher:unsubscribe") {
            unsubscribe(message, application: state.application, peer)
        } else if message.event.equals("pusher:signin") {
            signIn(message, application: state.application, peer)
        } else if !message.event.equals("pusher:pong") && !isIgnored(message) {
            fail(.invalidMessage, peer)
        }
    }

    /// Events that are neither the protocol's nor a client's are dropped in silence, when they are well formed.
    private func isIgnored(_ message: PusherMessage) -> Bool {
        if message.event.hasPrefix("pusher:") || message.event.hasPrefix("pusher_internal:") { return false }
        guard let channel = message.channel, channel.kind == .string else { return false }
        switch message.data?.kind {
        case .none, .null, .object, .array, .string: return true
        case .number, .true, .false: return false
        }
    }

    /// Tells the client what is wrong; the connection stays open.
    func fail(_ fault: PusherFault, _ peer: some PusherPeer) {
        refusalText.removeAll()
        fault.appendMessage(to: &refusalText)
        peer.reply(refusalText.view)
    }

    /// Tells the client what is wrong, and closes the connection with the same code. (Old clients read the message, new
    /// ones the close frame.)
    func dismiss(_ fault: PusherFault, _ reason: CloseReason, _ peer: some PusherPeer) {
        fail(fault, peer)
        peer.close(reason, code: fault.code, text: fault.text)
    }

    /// What the engine's own reasons for closing mean in this protocol.
    func takeLeave(_ reason: CloseReason, _ peer: some PusherPeer) -> Farewell? {
        switch reason {
        case .shutdown, .keysSpent:
            fail(.serverClosed, peer)
            return PusherFault.serverClosed.farewell
        case .pongTimeout:
            fail(.noPong, peer)
            return PusherFault.noPong.farewell
        case .kicked: return Farewell(4009, "You got disconnected by the app")
        case .idle: return PusherFault.inactive.farewell
        case .slowConsumer, .outboxFull, .nodeFull: return PusherFault.overCapacity.farewell
        case .originRefused: return PusherFault.unauthorized.farewell
        case .protocolError: return Farewell(1002, "Protocol error")
        case .unsupportedData: return Farewell(1003, "Unsupported data")
        case .invalidUTF8: return Farewell(1007, "Invalid UTF-8")
        case .controlFlood, .messageTimeout: return Farewell(1008, "Against the rules of this server")
        case .messageTooBig: return Farewell(1009, "Maximum message size exceeded")
        case .tooManyFragments: return Farewell(1009, "Too many fragments")
        default: return nil
        }
    }
}
