import ClarionBytes
import ClarionWire

// Subscribing and unsubscribing: the worker's own channels, and what their homes are told.

extension Core {
    // MARK: Finding

    func findChannel(space: UInt16, name: ByteView, hash: UInt64) -> UInt32? {
        channelNames.find(hash) { slot in
            let known = unsafe channels[slot].pointee.name
            return known.space == space && known.key == name
        }
    }

    /// The subscription of a connection to a channel, if it has one.
    func subscription(of slot: UInt32, space: UInt16, name: ByteView) -> UInt32? {
        var next = unsafe connections[slot].pointee.firstSubscription
        while next != Connection.noSubscription {
            let subscription = unsafe subscriptions[next].pointee
            let known = unsafe channels[subscription.channel].pointee.name
            if known.space == space && known.key == name { return next }
            next = subscription.next
        }
        return nil
    }

    // MARK: Subscribing

    func subscribe(_ slot: UInt32, space: UInt16, name: ByteView) -> SubscribeOutcome {
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.flags.contains(.closing) { return .joining }
        if let existing = subscription(of: slot, space: space, name: name) {
            let primary = unsafe channels[subscriptions[existing].pointee.channel].pointee.primary
            if unsafe channels[primary].pointee.phase == .joined {
                tellJoined(slot, space: space, name: name)
            } else if unsafe subscriptions[existing].pointee.askedAgain < UInt32.max {
                unsafe subscriptions[existing].pointee.askedAgain += 1
            }
            return .already
        }
        let taken: (channel: UInt32, subscription: UInt32)
        switch takeSubscription(slot, space, name, hash(space: space, name: name)) {
        case .failure(let refusal): return refusal.outcome
        case .success(let places): taken = places
        }
        // Asked before the home is: when that is here, its answer has told everybody by the time `announce` returns.
        let wasJoined = unsafe channels[taken.channel].pointee.phase == .joined
        listSubscription(taken.subscription, slot, taken.channel)
        beginReading(taken.subscription, slot, taken.channel)
        announce(taken.channel)
        if wasJoined { tellJoined(slot, space: space, name: name) }
        return .joining
    }

    /// A place for one more subscription, and its channel.
    func takeSubscription(
        _ slot: UInt32, _ space: UInt16, _ name: ByteView, _ hash: UInt64
    ) -> Result<(channel: UInt32, subscription: UInt32), SubscriptionRefusal> {
        if unsafe Int(connections[slot].pointee.subscriptionCount) >= limits.subscriptionsPerConnectionMax {
            counters.subscriptionsRefused += 1
            return .failure(SubscriptionRefusal(outcome: .tooMany))
        }
        guard let channel = findChannel(space: space, name: name, hash: hash) ?? makeChannel(slot, space, name, hash)
        else {
            counters.subscriptionsRefused += 1
            return .failure(SubscriptionRefusal(outcome: .nodeFull))
        }
        guard let subscription = subscriptions.take() else {
            counters.subscriptionsRefused += 1
            if subscriberTotal(channel) == 0 { dropChannel(channel) }
            return .failure(SubscriptionRefusal(outcome: .nodeFull))
        }
        return .success((channel, subscription))
    }

    private func tellJoined(_ slot: UInt32, space: UInt16, name: ByteView) {
        let handler = unsafe handlers[Int(connections[slot].pointee.handler)]
        handler.joined(space: space, name: name, Session(core: self, slot: slot))
    }

    /// Puts a subscription into its connection's list.
    func listSubscription(_ subscription: UInt32, _ slot: UInt32, _ channelSlot: UInt32) {
        let connection = unsafe connections[slot]
        unsafe subscriptions[subscription].pointee.channel = channelSlot
        unsafe subscriptions[subscription].pointee.next = unsafe connection.pointee.firstSubscription
        unsafe connection.pointee.firstSubscription = subscription
        unsafe connection.pointee.subscriptionCount += 1
        if unsafe connection.pointee.subscriptionCount > 1 { unsafe connection.pointee.flags.insert(.several) }
        counters.subscriptions += 1
    }

    /// Puts a subscription into the list of its channel, or of the channel's slot for the window that it reads with,
    /// reading from the head on.
    func beginReading(_ subscription: UInt32, _ slot: UInt32, _ primary: UInt32) {
        let channelSlot = readingSlot(of: primary, for: slot)
        unsafe subscriptions[subscription].pointee.channel = channelSlot
        let channel = unsafe channels[channelSlot]
        if unsafe channel.pointee.subscriberCount == channel.pointee.subscriberCapacity { growSubscribers(channelSlot) }
        guard let subscribers = unsafe channel.pointee.subscribers else {
            preconditionFailure("no room for a subscriber")
        }
        let position = unsafe channel.pointee.subscriberCount
        unsafe (subscribers + Int(position)).initialize(
            to: Subscriber(connection: slot, subscription: subscription, cursor: channel.pointee.log.head))
        unsafe channel.pointee.subscriberCount += 1
        // A circle that goes over the end of the list has one more to pass on its way.
        if unsafe channel.pointee.isSweeping { unsafe channel.pointee.sweepRemaining += 1 }
        unsafe subscriptions[subscription].pointee.position = position
    }

    private func growSubscribers(_ channelSlot: UInt32) {
        let channel = unsafe channels[channelSlot]
        let capacity = unsafe max(Int(channel.pointee.subscriberCapacity) * 2, 2)
        let larger = UnsafeMutablePointer<Subscriber>.allocate(capacity: capacity)
        if let old = unsafe channel.pointee.subscribers {
            unsafe larger.update(from: old, count: Int(channel.pointee.subscriberCount))
            unsafe old.deallocate()
        }
        unsafe channel.pointee.subscribers = unsafe larger
        unsafe channel.pointee.subscriberCapacity = UInt32(capacity)
    }

    private func makeChannel(_ connection: UInt32, _ space: UInt16, _ name: ByteView, _ hash: UInt64) -> UInt32? {
        if counters.channels >= UInt64(limits.channelsMax) { return nil }
        guard let slot = channels.take() else { return nil }
        let frame = SharedFrame.make(byteCount: 0, key: name, space: space, hash: hash)
        let home = home(ofHash: hash)
        unsafe channels[slot].pointee = unsafe Channel(name: frame, home: UInt8(home), phase: .joining)
        let handler = unsafe handlers[Int(connections[connection].pointee.handler)]
        unsafe channels[slot].pointee.primary = slot
        unsafe channels[slot].pointee.deflateMode = min(
            handler.deflateMode(space: space, name: name), limits.deflate.most(name))
        channelNames.insert(hash, slot: slot)
        counters.channels += 1
        return slot
    }

    // MARK: Unsubscribing

    func unsubscribe(_ slot: UInt32, space: UInt16, name: ByteView) -> Bool {
        guard let subscription = subscription(of: slot, space: space, name: name) else { return false }
        let connection = unsafe connections[slot]
        // It may have waited for what is being compressed there.
        if unsafe channels[subscriptions[subscription].pointee.channel].pointee.jobCount > 0 { markDirty(slot) }
        // Take it out of the connection's list.
        let next = unsafe subscriptions[subscription].pointee.next
        if unsafe connection.pointee.firstSubscription == subscription {
            unsafe connection.pointee.firstSubscription = next
        } else {
            var previous = unsafe connection.pointee.firstSubscription
            while unsafe subscriptions[previous].pointee.next != subscription {
                previous = unsafe subscriptions[previous].pointee.next
            }
            unsafe subscriptions[previous].pointee.next = next
        }
        unlink(subscription)
        unsafe connection.pointee.subscriptionCount -= 1
        if unsafe connection.pointee.subscriptionCount <= 1 { unsafe connection.pointee.flags.remove(.several) }
        return true
    }

    /// Ends all subscriptions of a connection, and signs it out.
    func unsubscribeAll(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        var next = unsafe connection.pointee.firstSubscription
        unsafe connection.pointee.firstSubscription = Connection.noSubscription
        unsafe connection.pointee.subscriptionCount = 0
        unsafe connection.pointee.flags.remove([.several, .hasExclusion])
        while next != Connection.noSubscription {
            let subscription = next
            next = unsafe subscriptions[subscription].pointee.next
            unlink(subscription)
        }
        signOut(slot)
    }

    /// Takes a subscription out of its channel and frees it; in the channel's list the last one moves to its place.
    private func unlink(_ subscription: UInt32) {
        let channelSlot = unsafe subscriptions[subscription].pointee.channel
        let primary = unsafe channels[channelSlot].pointee.primary
        if unsafe subscriptions[subscription].pointee.isWaiting {
            unsafe channels[channelSlot].pointee.waitingCount -= 1
        } else {
            endReading(subscription, channelSlot)
        }
        counters.subscriptions -= 1
        announce(primary)
        tellLeft(subscription, primary)
        subscriptions.give(subscription)
        if channelSlot != primary, unsafe channels[channelSlot].pointee.subscriberCount == 0 { dropWindow(channelSlot) }
        if subscriberTotal(primary) == 0 { dropChannel(primary) }
    }

    private func endReading(_ subscription: UInt32, _ channelSlot: UInt32) {
        let position = unsafe subscriptions[subscription].pointee.position
        let channel = unsafe channels[channelSlot]
        guard let subscribers = unsafe channel.pointee.subscribers else {
            preconditionFailure("a channel without its list")
        }
        let last = unsafe channel.pointee.subscriberCount - 1
        if position != last {
            unsafe subscribers[Int(position)] = unsafe subscribers[Int(last)]
            unsafe subscriptions[subscribers[Int(last)].subscription].pointee.position = position
            // The one that moved may have lost its visit in this circle: the circle goes round once more.
            if unsafe channel.pointee.isSweeping { unsafe channel.pointee.sweepRemaining = last }
        }
        unsafe channel.pointee.subscriberCount = last
        if unsafe channel.pointee.sweepPosition >= last { unsafe channel.pointee.sweepPosition = 0 }
        unsafe channel.pointee.sweepRemaining = unsafe min(channel.pointee.sweepRemaining, last)
    }

    /// Forgets a channel without subscribers.
    func dropChannel(_ slot: UInt32) {
        unsafe channelNames.remove(channels[slot].pointee.hash, slot: slot)
        counters.channels -= 1
        freeChannel(slot)
    }

    /// Gives back a slot that nobody reads in any more.
    func freeChannel(_ slot: UInt32) {
        let channel = unsafe channels[slot]
        if unsafe channel.pointee.isPressing { pressingChannels -= 1 }
        freeChannelMemory(slot)
        if unsafe channel.pointee.isSweeping && !removeFirst(slot, from: &sweeping) {
            _ = removeFirst(slot, from: &starting)
        }
        if unsafe channel.pointee.isLagging { _ = removeFirst(slot, from: &lagging) }
        channels.give(slot)
    }

    func freeChannelMemory(_ slot: UInt32) {
        let channel = unsafe channels[slot]
        unsafe channel.pointee.log.reset(pool: &pool)
        unsafe channel.pointee.subscribers?.deallocate()
        unsafe channel.pointee.subscribers = nil
        unsafe channel.pointee.name.release()
    }

    /// Whether it was there.
    func removeFirst(_ slot: UInt32, from list: inout PlainVector<UInt32>) -> Bool {
        for index in 0..<list.count where list[index] == slot {
            list[index] = list[list.count - 1]
            _ = list.removeLast()
            return true
        }
        return false
    }

    // MARK: Telling the home

    /// Tells the channel's home how many subscribers this worker has.
    func announce(_ slot: UInt32) {
        let channel = unsafe channels[slot]
        let count = subscriberTotal(slot)
        if unsafe count == channel.pointee.announced { return }
        var mail = Mail(.interest)
        mail.slot = slot
        mail.generation = channels.generation(of: slot)
        mail.number = UInt64(count)
        mail.wantsAnswer = unsafe channel.pointee.announced == 0
        mail.from = UInt8(workerIndex)
        unsafe channel.pointee.announced = count
        mail.frame = unsafe channel.pointee.name
        if unsafe Int(channel.pointee.home) == workerIndex {
            takeInterest(mail)
        } else {
            unsafe channel.pointee.name.retain()
            unsafe post(mail, to: Int(channel.pointee.home))
        }
    }

    /// The home has taken us: what it orders from now on comes here. Those who wait are told.
    func takeJoined(_ mail: Mail) {
        guard channels.generation(of: mail.slot) == mail.generation else { return }
        let channel = unsafe channels[mail.slot]
        if unsafe channel.pointee.phase == .joined { return }
        unsafe channel.pointee.phase = .joined
        // Handlers may subscribe and unsubscribe meanwhile; the name keeps the channel's place findable.
        let name = unsafe channel.pointee.name
        name.retain()
        tellReadersJoined(mail.slot, name)
        for window in 1...DeflateWindow.classMax where channels.generation(of: mail.slot) == mail.generation {
            if let slot = findWindow(window, of: mail.slot) { tellReadersJoined(slot, name) }
        }
        name.release()
    }

    /// From the last to the first: who leaves is replaced by one that was told, and who comes, comes behind.
    private func tellReadersJoined(_ slot: UInt32, _ name: SharedFrame) {
        let generation = channels.generation(of: slot)
        var left = unsafe channels[slot].pointee.subscriberCount
        while left > 0, channels.generation(of: slot) == generation {
            left = unsafe min(left, channels[slot].pointee.subscriberCount)
            guard left > 0, let subscribers = unsafe channels[slot].pointee.subscribers else { break }
            left -= 1
            unsafe tellJoined(subscribers[Int(left)], name)
        }
    }

    /// Tells one who waited as often as it asked, unless it leaves meanwhile.
    private func tellJoined(_ subscriber: Subscriber, _ name: SharedFrame) {
        let generation = subscriptions.generation(of: subscriber.subscription)
        var again = unsafe subscriptions[subscriber.subscription].pointee.askedAgain
        unsafe subscriptions[subscriber.subscription].pointee.askedAgain = 0
        tellJoined(subscriber.connection, space: name.space, name: name.key)
        while again > 0, subscriptions.generation(of: subscriber.subscription) == generation {
            again -= 1
            tellJoined(subscriber.connection, space: name.space, name: name.key)
        }
    }
}
