public import ClarionBytes
public import ClarionEngine
import ClarionWire

/// The JSON subscribe/unsubscribe protocol over WebSocket. One for each worker.
///
/// Texts in generation 2 and the silence in generation 1 are the reference's. Of the close codes, those that the
/// reference fixes are its own (a slow reader: no code); where it is silent RFC 6455 and the IANA registry decide.
public final class RealtimeHandler: MessageHandler {
    private let configuration: RealtimeConfiguration
    /// Texts being read and written; warm ones do not allocate.
    private var channelText = ByteBuffer()
    private var messageText = ByteBuffer()
    private var output = ByteBuffer()

    public init(_ configuration: RealtimeConfiguration) { self.configuration = configuration }

    public func opened(_ session: Session) {}

    public func received(_ payload: ByteView, opcode: UInt8, _ session: Session) {
        handle(payload, opcode: opcode, session)
    }

    public func joined(space: UInt16, name: ByteView, _ session: Session) { confirm(name, session) }

    public func missed(_ count: UInt32, space: UInt16, name: ByteView, _ session: Session) {
        tellGap(count, name, session)
    }

    public func ping(_ session: Session) { session.reply(opcode: Opcode.ping, ByteView("")) }

    public func farewell(_ reason: CloseReason, _ session: Session) -> Farewell? {
        RealtimeHandler.farewell(reason, mode: configuration.mode)
    }

    public func closed(_ session: Session) {}

    func confirm(_ channel: ByteView, _ peer: some RealtimePeer) {
        if configuration.mode == .raw { return }
        output.removeAll()
        RealtimeEnvelope.appendSubscribed(channel: channel, to: &output)
        peer.reply(output.view)
    }

    /// The client was too slow and has lost `count` messages. Raw mode delivers published texts and nothing else, so it
    /// cannot say so: who must know runs envelope mode, or the policy `close`.
    func tellGap(_ count: UInt32, _ channel: ByteView, _ peer: some RealtimePeer) {
        if configuration.mode == .raw { return }
        output.removeAll()
        RealtimeEnvelope.appendGap(lost: count, channel: channel, to: &output)
        peer.reply(output.view)
    }

    /// Binary messages are read as text ones are; their UTF-8 was not checked yet.
    func handle(_ payload: ByteView, opcode: UInt8, _ peer: some RealtimePeer) {
        let isUTF8 = unsafe opcode == Opcode.text || UTF8Stream.isValid(payload.base, count: payload.count)
        guard isUTF8, let request = RealtimeRequest(payload),
            let channel = text(of: request.channel, in: &channelText)
        else { return refuse(RealtimeEnvelope.invalidMessage, peer) }
        if channel.isEmpty && configuration.mode == .envelope {
            return refuse(RealtimeEnvelope.channelMissing, peer)
        }
        if channel.count > RealtimeConfiguration.channelNameBytesMax {
            return refuse(RealtimeEnvelope.channelTooLong, peer)
        }
        guard let action = request.action else { return refuseUnknown(ByteView(""), peer) }
        if action.equals("subscribe") {
            subscribe(channel, peer)
        } else if action.equals("unsubscribe") {
            unsubscribe(channel, peer)
        } else if configuration.allowsPublish && action.equals("publish") {
            guard let given = request.message else { return refuse(RealtimeEnvelope.messageMissing, peer) }
            guard let message = text(of: given, in: &messageText) else {
                return refuse(RealtimeEnvelope.invalidMessage, peer)
            }
            publish(message, channel: channel, peer)
        } else {
            guard let name = text(of: action, in: &messageText) else {
                return refuse(RealtimeEnvelope.invalidMessage, peer)
            }
            refuseUnknown(name, peer)
        }
    }

    /// Sends `message` to all subscribers of `channel`, the publisher's own subscription included.
    func publish(_ message: ByteView, channel: ByteView, _ peer: some RealtimePeer) {
        switch configuration.mode {
        case .raw: peer.publish(space: configuration.space, name: channel, text: message, excluding: nil)
        case .envelope:
            output.removeAll()
            RealtimeEnvelope.appendMessage(message, channel: channel, to: &output)
            peer.publish(space: configuration.space, name: channel, text: output.view, excluding: nil)
        }
    }

    private func subscribe(_ channel: ByteView, _ peer: some RealtimePeer) {
        switch peer.subscribe(space: configuration.space, name: channel) {
        case .joining, .already: break
        case .tooMany: refuse(RealtimeEnvelope.tooManySubscriptions, peer)
        case .nodeFull: refuse(RealtimeEnvelope.nodeFull, peer)
        }
    }

    private func unsubscribe(_ channel: ByteView, _ peer: some RealtimePeer) {
        _ = peer.unsubscribe(space: configuration.space, name: channel)
        if configuration.mode == .raw { return }
        output.removeAll()
        RealtimeEnvelope.appendUnsubscribed(channel: channel, to: &output)
        peer.reply(output.view)
    }

    private func refuse(_ error: StaticString, _ peer: some RealtimePeer) {
        if configuration.mode == .envelope { peer.reply(ByteView(error)) }
    }

    private func refuseUnknown(_ action: ByteView, _ peer: some RealtimePeer) {
        if configuration.mode == .raw { return }
        output.removeAll()
        RealtimeEnvelope.appendUnknownAction(action, to: &output)
        peer.reply(output.view)
    }

    /// The text of a string, in place when it has no escapes; empty for a missing member, nil when UTF-8 cannot say it.
    private func text(of value: JSONValue?, in buffer: inout ByteBuffer) -> ByteView? {
        guard let value else { return ByteView("") }
        if !value.hasEscapes { return value.content }
        buffer.removeAll()
        return value.appendUnescaped(to: &buffer) ? buffer.view : nil
    }

    /// What the close frame says; nil where the reference says nothing in it.
    static func farewell(_ reason: CloseReason, mode: RealtimeMode) -> Farewell? {
        switch reason {
        case .slowConsumer, .outboxFull: return nil  // explicit in the reference: no code
        case .keysSpent: return Farewell(1012, "Connect again")
        case .shutdown: return mode == .envelope ? nil : Farewell(1012, "Server is restarting")  // explicit for gen. 2
        case .protocolError: return Farewell(1002, "Protocol error")
        case .unsupportedData: return Farewell(1003, "Unsupported data")
        case .invalidUTF8: return Farewell(1007, "Invalid UTF-8")
        case .controlFlood, .messageTimeout, .rateLimited, .originRefused:
            return Farewell(1008, "Against the rules of this server")
        case .messageTooBig, .tooManyFragments: return Farewell(1009, "Message too big")
        case .nodeFull: return Farewell(1013, "Over capacity")
        case .pongTimeout, .idle: return Farewell(1001, "No sign of life")
        default: return nil
        }
    }
}
