import ClarionBytes

// What a flush tells the core: circles, blocked readers, logs that nobody needs any more.

extension Core {
    /// Counts visits to subscribers: after as many as there are subscribers, all who can take bytes have read up to the
    /// checkpoint.
    func noteVisits(_ slot: UInt32, _ visited: UInt32) {
        let channel = unsafe channels[slot]
        unsafe channel.pointee.visitsSinceCheckpoint &+= visited
        if unsafe channel.pointee.visitsSinceCheckpoint < channel.pointee.subscriberCount { return }
        unsafe channel.pointee.visitsSinceCheckpoint = 0
        unsafe channel.pointee.floor = unsafe channel.pointee.checkpoint
        unsafe channel.pointee.checkpoint = unsafe channel.pointee.log.head
        relievePressure(slot)
    }

    /// A circle is complete: every subscriber was visited since the last message came.
    func endCircle(_ slot: UInt32) {
        let channel = unsafe channels[slot]
        unsafe channel.pointee.isSweeping = false
        unsafe channel.pointee.floor = unsafe channel.pointee.log.head
        unsafe channel.pointee.checkpoint = unsafe channel.pointee.log.head
        unsafe channel.pointee.visitsSinceCheckpoint = 0
        relievePressure(slot)
        // What was queued in this flush still reads the log; it is settled when the sends are done.
        keepLog(slot)
    }

    private func relievePressure(_ slot: UInt32) {
        let channel = unsafe channels[slot]
        guard unsafe channel.pointee.isPressing else { return }
        let unread = unsafe Int(channel.pointee.log.head - max(channel.pointee.floor, channel.pointee.log.start))
        if unread <= limits.logBytesMax / 4 {
            unsafe channel.pointee.isPressing = false
            pressingChannels -= 1
        }
    }

    /// Remembers a log that may hold what somebody still needs.
    func keepLog(_ slot: UInt32) {
        let channel = unsafe channels[slot]
        if unsafe channel.pointee.isLagging { return }
        unsafe channel.pointee.isLagging = true
        lagging.append(slot)
    }

    /// After a flush: gives back the memory of logs that everybody has read. A log that blocked readers need stays
    /// listed and is looked at again from time to time.
    func settleLogs() {
        var index = 0
        while index < lagging.count && index < Core.logsSettledAtOnce {
            let slot = lagging[lagging.count - 1 - index]
            let channel = unsafe channels[slot]
            if unsafe channel.pointee.isSweeping || !isRead(slot) {
                index += 1
                continue
            }
            unsafe channel.pointee.log.reset(pool: &pool)
            unsafe channel.pointee.isLagging = false
            let place = lagging.count - 1 - index
            lagging[place] = lagging[lagging.count - 1]
            _ = lagging.removeLast()
        }
    }

    /// Logs that are looked at after each flush: the newest, which a flush has just finished, come first.
    private static let logsSettledAtOnce = 4

    private func isRead(_ slot: UInt32) -> Bool {
        let channel = unsafe channels[slot]
        guard let subscribers = unsafe channel.pointee.subscribers else { return true }
        let head = unsafe channel.pointee.log.head
        for index in unsafe 0..<Int(channel.pointee.subscriberCount) where unsafe subscribers[index].cursor != head {
            return false
        }
        return true
    }

    /// Whether some blocked reader has not got all of a log.
    var hasUnreadLogs: Bool {
        for index in 0..<lagging.count where !isRead(lagging[index]) { return true }
        return false
    }

    /// About once a second: all logs that wait for blocked readers.
    func releaseLaggingLogs() {
        if nowTick &- lastReleaseTick < Clock.ticksPerSecond { return }
        lastReleaseTick = nowTick
        releaseIdleContexts()
        counters.blockBytes = UInt64(pool.outstandingBytes)
        rotateTurnWindow()
        var index = 0
        while index < lagging.count {
            let slot = lagging[index]
            let channel = unsafe channels[slot]
            if unsafe !channel.pointee.isSweeping && isRead(slot) {
                unsafe channel.pointee.log.reset(pool: &pool)
                unsafe channel.pointee.isLagging = false
                lagging[index] = lagging[lagging.count - 1]
                _ = lagging.removeLast()
            } else {
                index += 1
            }
        }
    }

    // MARK: Blocked readers

    /// The socket is full: nothing is sent to it until it takes bytes again, or its time is over.
    func noteBlocked(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        unsafe connection.pointee.flags.insert(.blocked)
        unsafe connection.pointee.blockedTick = nowTick
        counters.readersBlocked += 1
        if unsafe connection.pointee.phase == .open {
            setTimerEarlier(slot, at: nowTick + seconds(limits.slowConsumerSeconds))
        }
    }

    func becameWritable(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        unsafe connection.pointee.flags.remove(.blocked)
        if unsafe connection.pointee.phase == .joining { return }
        if unsafe limits.slowConsumerPolicy == .conflate && connection.pointee.phase == .open { conflate(slot) }
        if unsafe connection.pointee.flags.contains(.hasGap) { tellGaps(slot) }
        markDirty(slot)
    }

    /// Of every log only the newest message still waits for this reader.
    private func conflate(_ slot: UInt32) {
        var next = unsafe connections[slot].pointee.firstSubscription
        while next != Connection.noSubscription {
            let subscription = unsafe subscriptions[next].pointee
            let channel = unsafe channels[subscription.channel]
            next = subscription.next
            guard let subscribers = unsafe channel.pointee.subscribers, unsafe channel.pointee.log.entryCount > 0 else {
                continue
            }
            let newest = unsafe channel.pointee.log.beginning(ofEntry: Int(channel.pointee.log.entryCount) - 1)
            if unsafe subscribers[Int(subscription.position)].cursor < newest {
                unsafe skip(&subscribers[Int(subscription.position)], in: subscription.channel, to: newest)
            }
        }
    }

    /// Everything that waited for a connection alone has left.
    func outboxDrained(_ slot: UInt32) {
        guard connections.isInUse(slot) else { return }
        let connection = unsafe connections[slot]
        if unsafe !connection.pointee.flags.isDisjoint(with: .owed) { return markDirty(slot) }
        switch unsafe connection.pointee.phase {
        case .http: answerLeft(slot)
        case .closing: advanceClosing(slot)
        case .open, .lingering, .joining: break
        }
    }
}
