import ClarionBytes
import ClarionEngine
import ClarionWire

// Joining and leaving channels. Which kinds of channel can be joined is decided in one place, `refusal`.
extension PusherHandler {
    func subscribe(_ message: PusherMessage, application: Int, _ peer: some PusherPeer) {
        guard let data = subscriptionData(of: message) else { return fail(.invalidMessage, peer) }
        guard let name = channelName(data.channel) else { return fail(.invalidChannelName, peer) }
        let kind = ChannelKind(name)
        if let fault = refusal(of: name, kind, data, application: application, peer) {
            return refuse(fault, name, application: application, peer)
        }
        let space = AppTable.space(of: application)
        if kind.isPresence { return join(name, kind, data, application: application, peer) }
        let outcome =
            kind.isCached
            ? peer.enter(space: space, name: name, as: nil, wantsKept: true) : peer.subscribe(space: space, name: name)
        answer(outcome, name, kind, peer)
    }

    /// Joins a presence channel as the user of `channel_data`, whose signature was checked; without `channel_data`, as
    /// the user as whom the connection is signed in.
    private func join(
        _ name: ByteView, _ kind: ChannelKind, _ data: SubscriptionData, application: Int, _ peer: some PusherPeer
    ) {
        let infoBytesMax = rules[application].channels.presenceMemberBytesMax
        let space = AppTable.space(of: application)
        scratch.removeAll()
        do throws(PresenceData.Fault) {
            if let channelData = data.channelData {
                if !channelData.appendUnescaped(to: &scratch) { throw .malformed }
            } else if !appendOwnData(peer) {
                throw .nameless
            }
            let user = try PresenceData.read(scratch.view, infoBytesMax: infoBytesMax)
            var state = unsafe PusherState(words: peer.state.pointee)
            let mayJoin = state.takeJoin(nowTick: peer.nowTick)
            unsafe peer.state.pointee = state.words
            if !mayJoin { return fail(.tooManyJoins, peer) }
            let outcome = peer.enter(space: space, name: name, as: user.member, wantsKept: kind.isCached)
            answer(outcome, name, kind, peer)
        } catch {
            switch error {
            case .malformed: fail(.invalidMessage, peer)
            case .nameless: refuse(.namelessMember, name, application: application, peer)
            case .idTooLong: tellError(.memberIDTooLong, name, peer)
            case .infoTooLarge: tellError(.memberTooLarge, name, peer)
            }
        }
    }

    /// Writes the `channel_data` of the user as whom the connection is signed in to `scratch`.
    private func appendOwnData(_ peer: some PusherPeer) -> Bool {
        peer.withUser { id, info in
            scratch.append(#"{"user_id":"#)
            JSONWriter.append(string: id, to: &scratch)
            if !info.isEmpty {
                scratch.append(#","user_info":"#)
                scratch.append(info)
            }
            scratch.append("}")
        }
    }

    private func answer(_ outcome: SubscribeOutcome, _ name: ByteView, _ kind: ChannelKind, _ peer: some PusherPeer) {
        switch outcome {
        case .joining: break  // `confirm` follows, or what the home says
        case .already:
            // A home does not tell twice: what it would say now could contradict what is still on its way.
            if kind.isPresence || kind.isCached { fail(.existingSubscription, peer) }
        case .tooMany: fail(.tooManyChannels, peer)
        case .nodeFull: fail(.overCapacity, peer)
        }
    }

    /// The channel's home has refused a subscription.
    func tellRefusal(_ refusal: EntryRefusal, _ name: ByteView, _ peer: some PusherPeer) {
        switch refusal {
        case .membersMax: tellError(.tooManyMembers, name, peer)
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
        of name: ByteView, _ kind: ChannelKind, _ data: SubscriptionData, application: Int, _ peer: some PusherPeer
    ) -> PusherFault? {
        if kind == .reserved { return isOwnChannel(name, peer) ? nil : .unauthorized }
        if !rules[application].features.allow(kind) { return .featureOff }
        if !kind.isProtected || isAuthorized(name, data, application: application, peer) { return nil }
        return .unauthorized
    }

    /// Says that a subscription is refused, by `pusher:error` and, where the application wants it, for the channel too.
    private func refuse(_ fault: PusherFault, _ name: ByteView, application: Int, _ peer: some PusherPeer) {
        fail(fault, peer)
        if rules[application].channels.sendsSubscriptionErrors {
            tellError(SubscriptionError("AuthError", 401, fault.text), name, peer)
        }
    }

    private func tellError(_ error: SubscriptionError, _ name: ByteView, _ peer: some PusherPeer) {
        refusalText.removeAll()
        error.appendMessage(channel: name, to: &refusalText)
        peer.reply(refusalText.view)
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
