import ClarionBytes
import ClarionEngine
import ClarionWire

// Events that clients send to the other subscribers of a channel. The hot path: one walk over the message, one envelope
// built in a warm buffer; event and data go out as they came in.
extension PusherHandler {
    func relay(_ message: PusherMessage, application: Int, _ peer: some PusherPeer) {
        guard let channel = message.channel, channel.kind == .string, isRelayable(message.data) else {
            return fail(.invalidMessage, peer)
        }
        let source = rules[application].acceptClientEventsFrom
        if source == .none { return fail(.clientEventsOff, peer) }
        if message.event.content.count > PusherLimits.eventNameBytesMax
            && message.event.unescapedCount > PusherLimits.eventNameBytesMax
        {
            return fail(.eventNameTooLong, peer)
        }
        // A name that nothing can be subscribed to has no members.
        guard let name = channelName(channel) else { return fail(.notMember, peer) }
        let kind = ChannelKind(name)
        if !kind.takesClientEvents { return fail(kind.isEncrypted ? .encryptedChannel : .notMember, peer) }
        let space = AppTable.space(of: application)
        // `all` opens public channels to outsiders. A protected channel stays closed to who has not shown a signature.
        if source == .members || kind.isProtected, !peer.isSubscribed(space: space, name: name) {
            return fail(.notMember, peer)
        }
        let limit = rules[application].channels.clientEventsPerSecond
        if limit > 0 && !takeClientEvent(limit, peer) { return fail(.clientEventRate, peer) }
        userText.removeAll()
        if kind.isPresence {
            _ = peer.withMember(space: space, name: name) { JSONWriter.append(string: $0.id, to: &userText) }
        }
        PusherHandler.replace(&output, with: message, name: name, user: userText.view)
        peer.publish(space: space, name: name, text: output.view, excluding: peer.socketNumber, keeps: false)
        node.noteClientEvent(
            space: space, channel: name, event: message.event.raw, data: message.data?.raw ?? ByteView("null"),
            socketNumber: peer.socketNumber, user: userText.isEmpty ? nil : userText.view)
    }

    /// The event as subscribers get it. What else the sender put into its message does not go out.
    ///
    /// - Parameter user: who the sender is on a presence channel, as a JSON string; empty elsewhere.
    private static func replace(
        _ buffer: inout ByteBuffer, with message: PusherMessage, name: ByteView, user: ByteView
    ) {
        buffer.removeAll()
        buffer.append(#"{"event":"#)
        buffer.append(message.event.raw)
        buffer.append(#","data":"#)
        if let data = message.data { buffer.append(data.raw) } else { buffer.append("null") }
        buffer.append(#","channel":""#)
        buffer.append(name)  // a valid name needs no escapes
        buffer.append("\"")
        if !user.isEmpty {
            buffer.append(#","user_id":"#)
            buffer.append(user)
        }
        buffer.append("}")
    }

    private func takeClientEvent(_ limit: Int, _ peer: some PusherPeer) -> Bool {
        var state = unsafe PusherState(words: peer.state.pointee)
        let isWithin = state.takeClientEvent(limit, nowTick: peer.nowTick)
        unsafe peer.state.pointee = state.words
        return isWithin
    }

    /// Objects, lists, strings and nothing at all; numbers and truth values are no data of an event.
    private func isRelayable(_ data: JSONValue?) -> Bool {
        switch data?.kind {
        case .none, .null, .object, .array, .string: return true
        case .number, .true, .false: return false
        }
    }
}
