import ClarionBytes
import ClarionWire

// Subscriptions that the channel's home has to answer, because it keeps members or a last message: the worker's side.
//
// Such a subscription is `waiting` at first: the connection has it, the home counts it, and nothing is delivered to it.
// The home answers with what the newcomer is told first, behind everything that it had ordered before; when that comes,
// the subscription begins to read at the log's head. So a newcomer gets the state and then exactly the changes after
// it.

/// What a worker remembers of a subscription with a member: who it is. Home and worker each hold a reference.
struct MemberNote {
    var frame: SharedFrame
    var connection: UInt32
}

extension Core {
    // MARK: Coming

    /// Asks the channel's home to let the connection in, as `member` if the channel has members.
    func enter(_ slot: UInt32, space: UInt16, name: ByteView, member: Member?, wantsKept: Bool) -> SubscribeOutcome {
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.flags.contains(.closing) { return .joining }
        if let existing = subscription(of: slot, space: space, name: name) {
            return unsafe subscriptions[existing].pointee.isWaiting ? .joining : .already
        }
        let hash = hash(space: space, name: name)
        let taken: (channel: UInt32, subscription: UInt32)
        switch takeSubscription(slot, space, name, hash) {
        case .failure(let refusal): return refusal.outcome
        case .success(let places): taken = places
        }
        entrySerial = (entrySerial + 1) & Subscription.serialMask
        unsafe subscriptions[taken.subscription].pointee.waits(for: entrySerial)
        listSubscription(taken.subscription, slot, taken.channel)
        unsafe channels[taken.channel].pointee.waitingCount += 1
        announce(taken.channel)
        var mail = Mail(.enter)
        mail.from = UInt8(workerIndex)
        mail.slot = taken.channel
        mail.generation = channels.generation(of: taken.channel)
        mail.excludedSlot = slot
        mail.excludedGeneration = connections.generation(of: slot)
        mail.number = UInt64(entrySerial)
        mail.keeps = wantsKept
        if let member {
            let frame = member.pack(space: space, name: name, hash: hash)
            frame.retain()
            memberNotes[taken.subscription] = MemberNote(frame: frame, connection: slot)
            mail.frame = frame
        } else {
            let frame = unsafe channels[taken.channel].pointee.name
            frame.retain()
            mail.frame = frame
        }
        unsafe postInOrder(mail, to: Int(channels[taken.channel].pointee.home))
        return .joining
    }

    /// Posts between homes and newcomers. What is for this worker itself is taken at the next `settleHomes`, since
    /// taking it may close readers.
    func postInOrder(_ mail: Mail, to worker: Int) {
        if worker == workerIndex { homeWork.append(mail) } else { post(mail, to: worker) }
    }

    // MARK: Answers of the home

    /// The waiting subscription that an answer is for, unless it is gone.
    private func waitingSubscription(_ mail: Mail) -> UInt32? {
        guard connections.generation(of: mail.excludedSlot) == mail.excludedGeneration else { return nil }
        var next = unsafe connections[mail.excludedSlot].pointee.firstSubscription
        while next != Connection.noSubscription {
            let subscription = unsafe subscriptions[next].pointee
            if subscription.channel == mail.slot { return subscription.awaits(mail.number) ? next : nil }
            next = subscription.next
        }
        return nil
    }

    /// The home has let a connection in: it is told what the frame says, and reads on from here.
    func takeEntered(_ mail: Mail) {
        guard let frame = mail.frame, let subscription = waitingSubscription(mail) else { return }
        unsafe channels[mail.slot].pointee.waitingCount -= 1
        beginReading(subscription, mail.excludedSlot, mail.slot)
        let connection = unsafe connections[mail.excludedSlot]
        let waiting = unsafe Int(connection.pointee.outboxEnd - connection.pointee.outboxStart)
        // One large roster may be more than an outbox else holds, as long as there is memory for it.
        if waiting > limits.outboxBytesMax || pool.outstandingBytes + frame.byteCount > blockBytesMaxNow {
            return closeWithFarewell(mail.excludedSlot, reason: .outboxFull)
        }
        counters.messagesOut += 1
        if let watcher {
            let headerCount = unsafe FrameWriter.headerCount(ofFrame: frame.bytes)
            watcher.replied(
                frame.view.slice(from: headerCount), opcode: Opcode.text, to: socketNumber(of: mail.excludedSlot))
        }
        enqueue(mail.excludedSlot, frame.view)
    }

    /// The home has not let a connection in.
    func takeTurnedAway(_ mail: Mail) {
        guard let subscription = waitingSubscription(mail) else { return }
        let slot = mail.excludedSlot
        let name = unsafe channels[mail.slot].pointee.name
        name.retain()
        // The home does not know of the member: nothing to tell it when the subscription ends.
        memberNotes.removeValue(forKey: subscription)?.frame.release()
        counters.subscriptionsRefused += 1
        _ = unsubscribe(slot, space: name.space, name: name.key)
        let handler = unsafe handlers[Int(connections[slot].pointee.handler)]
        let refusal = EntryRefusal(rawValue: UInt8(truncatingIfNeeded: mail.excludedNumber)) ?? .nodeFull
        handler.turnedAway(refusal, space: name.space, name: name.key, Session(core: self, slot: slot))
        name.release()
    }

    // MARK: Going

    /// Tells the home that a member's connection has left, if `subscription` was one.
    func tellLeft(_ subscription: UInt32, _ channelSlot: UInt32) {
        guard !memberNotes.isEmpty, let note = memberNotes.removeValue(forKey: subscription) else { return }
        var mail = Mail(.leave)
        mail.from = UInt8(workerIndex)
        mail.frame = note.frame
        mail.excludedSlot = note.connection
        mail.excludedGeneration = connections.generation(of: note.connection)
        unsafe postInOrder(mail, to: Int(channels[channelSlot].pointee.home))
    }

    // MARK: Questions

    /// Calls `body` with the member as which a connection is on a channel; false when it is on it as none, or not on
    /// it.
    func withMember(of slot: UInt32, space: UInt16, name: ByteView, _ body: (Member) -> Void) -> Bool {
        guard let subscription = subscription(of: slot, space: space, name: name),
            let note = memberNotes[subscription], let member = Member(packed: note.frame)
        else { return false }
        body(member)
        return true
    }
}

/// Why a subscription could not be made.
struct SubscriptionRefusal: Error {
    var outcome: SubscribeOutcome
}
