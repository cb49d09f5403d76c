import ClarionBytes

// What holds between two turns, said in code. For tests only: it looks at everything, and traps.

extension Core {
    /// Checks every list against every other. Call between turns, when nothing is being flushed.
    func checkInvariants() {
        precondition(scratch.isEmpty)
        // A farewell comes behind the flush; what it leaves is work of the next turn.
        precondition(commands.isEmpty || isStopping)
        for worker in 0..<workerCount {
            unsafe precondition(outgoing[worker] == nil && outgoingPublishes[worker] == nil || isStopping)
            precondition(taken[worker] == 0 && ordered[worker] <= posted[worker])
        }
        var blockBytes = 0
        checkLists()
        checkChannels(&blockBytes)
        checkConnections(&blockBytes)
        checkHomes()
        precondition(blockBytes == pool.outstandingBytes, "blocks that nobody holds")
    }

    /// The lists of a flush name what is flagged, each once.
    private func checkLists() {
        precondition(isEachOnce(dirty) && isEachOnce(sweeping) && isEachOnce(lagging))
        for index in 0..<dirty.count {
            precondition(connections.isInUse(dirty[index]))
            unsafe precondition(connections[dirty[index]].pointee.flags.contains(.queued))
        }
        for index in 0..<sweeping.count {
            unsafe precondition(channels.isInUse(sweeping[index]) && channels[sweeping[index]].pointee.isSweeping)
        }
        for index in 0..<lagging.count {
            unsafe precondition(channels.isInUse(lagging[index]) && channels[lagging[index]].pointee.isLagging)
        }
    }

    private func isEachOnce(_ list: borrowing PlainVector<UInt32>) -> Bool {
        var seen: Set<UInt32> = []
        for index in 0..<list.count where !seen.insert(list[index]).inserted { return false }
        return true
    }

    private func checkChannels(_ blockBytes: inout Int) {
        var sweepingCount = 0
        var laggingCount = 0
        var pressingCount = 0
        var subscriberCount = 0
        for slot in 0..<UInt32(channels.touched) where channels.isInUse(slot) {
            let channel = unsafe channels[slot].pointee
            channel.log.checkInvariants()
            blockBytes += Int(channel.log.bytes.capacity) + Int(channel.log.entryBlock.capacity)
            sweepingCount += channel.isSweeping ? 1 : 0
            laggingCount += channel.isLagging ? 1 : 0
            pressingCount += channel.isPressing ? 1 : 0
            subscriberCount += Int(channel.subscriberCount)
            precondition(channel.subscriberCount > 0 && channel.announced == channel.subscriberCount)
            precondition(channel.sweepPosition < channel.subscriberCount)
            precondition(channel.sweepRemaining <= channel.subscriberCount)
            precondition(channel.log.bytes.capacity == 0 || channel.isSweeping || channel.isLagging)
            precondition(!channel.isPressing || channel.isSweeping, "pressure that nobody relieves")
            precondition(findChannel(space: channel.name.space, name: channel.name.key, hash: channel.hash) == slot)
            checkSubscribers(slot, channel)
        }
        precondition(sweepingCount == sweeping.count && laggingCount == lagging.count)
        precondition(pressingCount == pressingChannels)
        precondition(subscriberCount == subscriptions.count && counters.subscriptions == UInt64(subscriberCount))
        precondition(counters.channels == UInt64(channels.count) && channelNames.count == channels.count)
    }

    /// Every reader stands between two messages, and one that lacks something will be looked at.
    private func checkSubscribers(_ slot: UInt32, _ channel: Channel) {
        for position in 0..<channel.subscriberCount {
            guard let subscribers = unsafe channel.subscribers else { preconditionFailure("no list") }
            let subscriber = unsafe subscribers[Int(position)]
            precondition(subscriptions.isInUse(subscriber.subscription))
            let subscription = unsafe subscriptions[subscriber.subscription].pointee
            precondition(subscription.channel == slot && subscription.position == position)
            precondition(connections.isInUse(subscriber.connection))
            let connection = unsafe connections[subscriber.connection].pointee
            precondition(connection.phase == .open && !connection.flags.contains(.closing))
            precondition(subscriber.cursor >= channel.log.start && subscriber.cursor <= channel.log.head)
            let entry = channel.log.entryIndex(behind: subscriber.cursor)
            precondition(channel.log.beginning(ofEntry: entry) == subscriber.cursor, "a reader inside a message")
            let isBehind = subscriber.cursor < channel.log.head
            let isAwaited = channel.isSweeping || !connection.flags.isDisjoint(with: [.queued, .blocked])
            precondition(!isBehind || isAwaited, "a reader that nobody looks at")
        }
    }

    private func checkConnections(_ blockBytes: inout Int) {
        var queuedCount = 0
        var openedCount = 0
        for slot in 0..<UInt32(connections.touched) where connections.isInUse(slot) {
            let connection = unsafe connections[slot].pointee
            let flags = connection.flags
            blockBytes += Int(connection.outbox.capacity) + Int(connection.message.capacity)
            blockBytes += Int(connection.scrap.capacity)
            queuedCount += flags.contains(.queued) ? 1 : 0
            openedCount += flags.contains(.handlerOpened) ? 1 : 0
            precondition(flags.contains(.closing) == (connection.phase.rawValue >= Phase.closing.rawValue))
            precondition(flags.contains(.several) == (connection.subscriptionCount > 1))
            precondition(connection.outboxStart <= connection.outboxEnd)
            precondition(flags.contains(.hasOutbox) == (connection.outboxStart < connection.outboxEnd))
            if flags.contains(.hasOutbox) && connection.phase != .joining {
                precondition(!flags.isDisjoint(with: [.queued, .blocked, .outboxHeld]), "an outbox that nobody looks at")
            }
            let isWaiting = !flags.isDisjoint(with: [.inputHeld, .outboxHeld])
            precondition(!isWaiting || connection.phase == .joining || heldPublishes(of: slot) != nil)
            checkSubscriptions(of: slot, connection)
        }
        precondition(queuedCount == dirty.count)
        precondition(counters.connectionsOpen == UInt64(connections.count))
        precondition(counters.socketsOpen == UInt64(openedCount))
        for slot in chunkedRequests.keys {
            precondition(connections.isInUse(slot))
            unsafe precondition(connections[slot].pointee.phase == .http, "a body of nobody")
        }
    }

    private func checkSubscriptions(of slot: UInt32, _ connection: Connection) {
        var count: UInt32 = 0
        var next = connection.firstSubscription
        while next != Connection.noSubscription {
            precondition(count < connection.subscriptionCount && subscriptions.isInUse(next))
            let subscription = unsafe subscriptions[next].pointee
            guard let subscribers = unsafe channels[subscription.channel].pointee.subscribers else {
                preconditionFailure("no list")
            }
            unsafe precondition(subscribers[Int(subscription.position)].connection == slot)
            count += 1
            next = subscription.next
        }
        precondition(count == connection.subscriptionCount)
    }

    private func checkHomes() {
        for slot in 0..<UInt32(homes.touched) where homes.isInUse(slot) {
            let home = unsafe homes[slot].pointee
            precondition(findHome(space: home.name.space, name: home.name.key, hash: home.name.hash) == slot)
            precondition(self.home(ofHash: home.name.hash) == workerIndex)
            guard let interested = unsafe home.interested else { preconditionFailure("a home of nobody") }
            precondition(home.interestedCount > 0 && home.interestedCount <= home.interestedCapacity)
            var workers: Set<UInt32> = []
            var count: UInt32 = 0
            for index in 0..<Int(home.interestedCount) {
                let worker = unsafe interested[index]
                precondition(worker.subscriberCount > 0 && workers.insert(worker.worker).inserted)
                count += worker.subscriberCount
            }
            precondition(count == home.subscriptionCount)
        }
        precondition(counters.homeChannels == UInt64(homes.count) && homeNames.count == homes.count)
    }
}
