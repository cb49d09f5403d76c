public import ClarionBytes
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

    func findHome(space: UInt16, name: ByteView, hash: UInt64) -> UInt32? {
        homeNames.find(hash) { slot in
            let known = unsafe homes[slot].pointee.name
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
            if unsafe channels[subscriptions[existing].pointee.channel].pointee.phase == .joined {
                tellJoined(slot, space: space, name: name)
            } else if unsafe subscriptions[existing].pointee.askedAgain < UInt32.max {
                unsafe subscriptions[existing].pointee.askedAgain += 1
            }
            return .already
        }
        if unsafe Int(connection.pointee.subscriptionCount) >= limits.subscriptionsPerConnectionMax {
            counters.subscriptionsRefused += 1
            return .tooMany
        }
        let hash = hash(space: space, name: name)
        guard let channel = findChannel(space: space, name: name, hash: hash) ?? makeChannel(space, name, hash) else {
            counters.subscriptionsRefused += 1
            return .nodeFull
        }
        guard let subscription = subscriptions.take() else {
            counters.subscriptionsRefused += 1
            if unsafe channels[channel].pointee.subscriberCount == 0 { dropChannel(channel) }
            return .nodeFull
        }
        // Asked before the home is: when that is here, its answer has told everybody by the time `announce` returns.
        let wasJoined = unsafe channels[channel].pointee.phase == .joined
        link(subscription, slot, channel)
        announce(channel)
        if wasJoined { tellJoined(slot, space: space, name: name) }
        return .joining
    }

    private func tellJoined(_ slot: UInt32, space: UInt16, name: ByteView) {
        let handler = unsafe handlers[Int(connections[slot].pointee.handler)]
        handler.joined(space: space, name: name, Session(core: self, slot: slot))
    }

    /// Puts a subscription into its connection's list and its channel's list, reading from the head on.
    private func link(_ subscription: UInt32, _ slot: UInt32, _ channelSlot: UInt32) {
        let connection = unsafe connections[slot]
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
        unsafe subscriptions[subscription].pointee = unsafe Subscription(
            channel: channelSlot, position: position, next: connection.pointee.firstSubscription)
        unsafe connection.pointee.firstSubscription = subscription
        unsafe connection.pointee.subscriptionCount += 1
        if unsafe connection.pointee.subscriptionCount > 1 { unsafe connection.pointee.flags.insert(.several) }
        counters.subscriptions += 1
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

    private func makeChannel(_ space: UInt16, _ name: ByteView, _ hash: UInt64) -> UInt32? {
        guard let slot = channels.take() else { return nil }
        let frame = SharedFrame.make(byteCount: 0, key: name, space: space, hash: hash)
        let home = home(ofHash: hash)
        unsafe channels[slot].pointee = unsafe Channel(name: frame, home: UInt8(home), phase: .joining)
        channelNames.insert(hash, slot: slot)
        counters.channels += 1
        return slot
    }

    // MARK: Unsubscribing

    func unsubscribe(_ slot: UInt32, space: UInt16, name: ByteView) -> Bool {
        guard let subscription = subscription(of: slot, space: space, name: name) else { return false }
        let connection = unsafe connections[slot]
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

    /// Ends all subscriptions of a connection.
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
    }

    /// Takes a subscription out of its channel's list (the last of the list moves to its place) and frees it.
    private func unlink(_ subscription: UInt32) {
        let channelSlot = unsafe subscriptions[subscription].pointee.channel
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
        subscriptions.give(subscription)
        counters.subscriptions -= 1
        announce(channelSlot)
        if last == 0 { dropChannel(channelSlot) }
    }

    /// Forgets a channel without subscribers.
    func dropChannel(_ slot: UInt32) {
        let channel = unsafe channels[slot]
        if unsafe channel.pointee.isPressing { pressingChannels -= 1 }
        unsafe channelNames.remove(channel.pointee.hash, slot: slot)
        freeChannelMemory(slot)
        if unsafe channel.pointee.isSweeping && !removeFirst(slot, from: &sweeping) {
            _ = removeFirst(slot, from: &starting)
        }
        if unsafe channel.pointee.isLagging { _ = removeFirst(slot, from: &lagging) }
        channels.give(slot)
        counters.channels -= 1
    }

    func freeChannelMemory(_ slot: UInt32) {
        let channel = unsafe channels[slot]
        unsafe channel.pointee.log.reset(pool: &pool)
        unsafe channel.pointee.subscribers?.deallocate()
        unsafe channel.pointee.subscribers = nil
        unsafe channel.pointee.name.release()
    }

    /// Whether it was there.
    private func removeFirst(_ slot: UInt32, from list: inout PlainVector<UInt32>) -> Bool {
        for index in 0..<list.count where list[index] == slot {
            list[index] = list[list.count - 1]
            _ = list.removeLast()
            return true
        }
        return false
    }

    // MARK: Telling the home

    /// Tells the channel's home how many subscribers this worker has.
    private func announce(_ slot: UInt32) {
        let channel = unsafe channels[slot]
        let count = unsafe channel.pointee.subscriberCount
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

    /// At the home: worker `mail.from` has `mail.number` subscribers of a channel now. Does not consume the name.
    func takeInterest(_ mail: Mail) {
        guard let name = mail.frame else { return }
        let count = UInt32(truncatingIfNeeded: mail.number)
        guard let slot = findHome(space: name.space, name: name.key, hash: name.hash) ?? makeHome(name, for: count)
        else {
            return
        }
        let home = unsafe homes[slot]
        let index = interestIndex(slot, worker: UInt32(mail.from), count: count)
        guard let index, let interested = unsafe home.pointee.interested else { return }
        let before = unsafe Int(home.pointee.subscriptionCount)
        unsafe home.pointee.subscriptionCount += count
        unsafe home.pointee.subscriptionCount -= interested[index].subscriberCount
        unsafe interested[index] = InterestedWorker(
            worker: UInt32(mail.from), slot: mail.slot, generation: mail.generation, subscriberCount: count)
        if let observer {
            let now = unsafe Int(home.pointee.subscriptionCount)
            observer.subscriptionsChanged(space: name.space, name: name.key, from: before, to: now)
        }
        if count == 0 {
            unsafe home.pointee.interestedCount -= 1
            unsafe interested[index] = unsafe interested[Int(home.pointee.interestedCount)]
            if unsafe home.pointee.interestedCount == 0 { dropHome(slot) }
        } else if mail.wantsAnswer {
            var answer = Mail(.joined)
            answer.slot = mail.slot
            answer.generation = mail.generation
            if Int(mail.from) == workerIndex { takeJoined(answer) } else { post(answer, to: Int(mail.from)) }
        }
    }

    /// The place of a worker in a home's list, made if it is not there and is wanted.
    private func interestIndex(_ slot: UInt32, worker: UInt32, count: UInt32) -> Int? {
        let home = unsafe homes[slot]
        for index in unsafe 0..<Int(home.pointee.interestedCount) {
            if let interested = unsafe home.pointee.interested, unsafe interested[index].worker == worker {
                return index
            }
        }
        if count == 0 { return nil }
        if unsafe home.pointee.interestedCount == home.pointee.interestedCapacity {
            let capacity = unsafe max(Int(home.pointee.interestedCapacity) * 2, 1)
            let larger = UnsafeMutablePointer<InterestedWorker>.allocate(capacity: capacity)
            if let old = unsafe home.pointee.interested {
                unsafe larger.update(from: old, count: Int(home.pointee.interestedCount))
                unsafe old.deallocate()
            }
            unsafe home.pointee.interested = unsafe larger
            unsafe home.pointee.interestedCapacity = UInt32(capacity)
        }
        let index = unsafe Int(home.pointee.interestedCount)
        if let interested = unsafe home.pointee.interested {
            unsafe (interested + index).initialize(
                to: InterestedWorker(worker: worker, slot: 0, generation: 0, subscriberCount: 0))
        }
        unsafe home.pointee.interestedCount += 1
        return index
    }

    private func makeHome(_ name: SharedFrame, for count: UInt32) -> UInt32? {
        if count == 0 { return nil }
        guard let slot = homes.take() else { return nil }
        name.retain()
        unsafe homes[slot].pointee = unsafe HomeChannel(name: name)
        homeNames.insert(name.hash, slot: slot)
        counters.homeChannels += 1
        return slot
    }

    private func dropHome(_ slot: UInt32) {
        unsafe homeNames.remove(homes[slot].pointee.name.hash, slot: slot)
        freeHomeMemory(slot)
        homes.give(slot)
        counters.homeChannels -= 1
    }

    func freeHomeMemory(_ slot: UInt32) {
        unsafe homes[slot].pointee.interested?.deallocate()
        unsafe homes[slot].pointee.interested = nil
        unsafe homes[slot].pointee.name.release()
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
        // From the last to the first: who leaves is replaced by one that was told, and who comes, comes behind.
        var left = unsafe channel.pointee.subscriberCount
        while left > 0, channels.generation(of: mail.slot) == mail.generation {
            left = unsafe min(left, channels[mail.slot].pointee.subscriberCount)
            guard left > 0, let subscribers = unsafe channels[mail.slot].pointee.subscribers else { break }
            left -= 1
            unsafe tellJoined(subscribers[Int(left)], mail, name)
        }
        name.release()
    }

    /// Tells one who waited as often as it asked, unless it leaves meanwhile.
    private func tellJoined(_ subscriber: Subscriber, _ mail: Mail, _ name: SharedFrame) {
        let generation = subscriptions.generation(of: subscriber.subscription)
        var again = unsafe subscriptions[subscriber.subscription].pointee.askedAgain
        unsafe subscriptions[subscriber.subscription].pointee.askedAgain = 0
        tellJoined(subscriber.connection, space: name.space, name: name.key)
        while again > 0, subscriptions.generation(of: subscriber.subscription) == generation {
            again -= 1
            tellJoined(subscriber.connection, space: name.space, name: name.key)
        }
    }

    // MARK: Questions to a home

    public func homeSubscriptionCount(space: UInt16, name: ByteView) -> Int {
        guard let slot = findHome(space: space, name: name, hash: hash(space: space, name: name)) else { return 0 }
        return unsafe Int(homes[slot].pointee.subscriptionCount)
    }

    public func forEachHomeChannel(space: UInt16, _ body: (_ name: ByteView, _ subscriptionCount: Int) -> Void) {
        for slot in 0..<UInt32(homes.touched) where homes.isInUse(slot) {
            let home = unsafe homes[slot].pointee
            if home.name.space == space { body(home.name.key, Int(home.subscriptionCount)) }
        }
    }
}
