import ClarionBytes
import ClarionEngine
import ClarionWire

// Joining and leaving channels. Which kinds of channel can be joined is decided in one place, `refusal`.
extension PusherHandler {
    func subscribe(_ message: PusherMessage, application: Int, _ peer: some PusherPeer) {
        guard let data = subscriptionData(of: message) else { return fail(.invalidMessage, peer) }
        guard let name = channelName(data.channel) else { return fail(.invalidChannelName, peer) }
        if let fault = refusal(of: name, data, application: application, peer) { return fail(fault, peer) }
        switch peer.subscribe(space: AppTable.space(of: application), name: name) {
        case .joining, .already: break  // `confirm` follows
        case .tooMany: fail(.tooManyChannels, peer)
        case .nodeFull: fail(.overCapacity, peer)
        }
    }

    /// Not answered, whether there was a subscription or not.
    func unsubscribe(_ message: PusherMessage, application: Int, _ peer: some PusherPeer) {
        guard let data = subscriptionData(of: message) else { return fail(.invalidMessage, peer) }
        guard let name = channelName(data.channel) else { return fail(.invalidChannelName, peer) }
        _ = peer.unsubscribe(space: AppTable.space(of: application), name: name)
    }

    /// The subscription is in force.
    func confirm(_ name: ByteView, _ peer: some PusherPeer) {
        output.removeAll()
        output.append(#"{"event":"pusher_internal:subscription_succeeded","data":"{}","channel":""#)
        output.append(name)  // a valid name needs no escapes
        output.append(#""}"#)
        peer.reply(output.view)
    }

    /// The client was too slow and has lost `count` events of a channel. Not part of Pusher's protocol: its clients
    /// hand it on as any event, to who has bound `clarion:gap`.
    func tellGap(_ count: UInt32, _ name: ByteView, _ peer: some PusherPeer) {
        output.removeAll()
        output.append(#"{"event":"clarion:gap","data":"{\"lost\":"#)
        output.append(decimal: UInt64(count))
        output.append(#"}","channel":""#)
        output.append(name)  // a valid name needs no escapes
        output.append(#""}"#)
        peer.reply(output.view)
    }

    /// Why the client may not join, or nil. A protected name is never taken for a public one.
    private func refusal(
        of name: ByteView, _ data: SubscriptionData, application: Int, _ peer: some PusherPeer
    ) -> PusherFault? {
        let kind = ChannelKind(name)
        if kind == .reserved { return .unauthorized }
        if !rules[application].features.allow(kind) { return .featureOff }
        if kind.isProtected && !isAuthorized(name, data, application: application, peer) { return .unauthorized }
        switch kind {
        case .public, .private, .privateEncrypted: return nil
        case .presence, .presenceCache: return .presenceUnavailable
        case .cache, .privateCache, .privateEncryptedCache: return .cacheUnavailable
        case .reserved: return .unauthorized
        }
    }

    private func isAuthorized(
        _ name: ByteView, _ data: SubscriptionData, application: Int, _ peer: some PusherPeer
    ) -> Bool {
        guard let auth = data.auth, auth.kind == .string else { return false }
        output.removeAll()
        if !auth.appendUnescaped(to: &output) { return false }
        let authEnd = output.count
        if let channelData = data.channelData, !channelData.appendUnescaped(to: &output) { return false }
        let texts = output.view
        return ChannelAuthorization.isValid(
            texts.slice(from: 0, count: authEnd), channel: name,
            channelData: data.channelData == nil ? nil : texts.slice(from: authEnd),
            socketNumber: peer.socketNumber, node.table.applications[application], &scratch)
    }

    /// `data` is an object, or a string that holds one; the latter is unfolded into `dataText`.
    private func subscriptionData(of message: PusherMessage) -> SubscriptionData? {
        guard let data = message.data else { return nil }
        if data.kind != .string { return SubscriptionData(data) }
        dataText.removeAll()
        if !data.appendUnescaped(to: &dataText) { return nil }
        return JSON.parse(dataText.view).flatMap { SubscriptionData($0) }
    }

    /// The text of a valid channel name, in place or in `nameText`; nil for others.
    func channelName(_ value: JSONValue) -> ByteView? {
        if !value.hasEscapes { return ChannelName.isValid(value.content) ? value.content : nil }
        nameText.removeAll()
        return value.appendUnescaped(to: &nameText) && ChannelName.isValid(nameText.view) ? nameText.view : nil
    }
}
