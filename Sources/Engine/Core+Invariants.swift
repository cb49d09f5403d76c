import ClarionBytes

// What holds between two turns, said in code. For tests only: it looks at everything, and traps.

enum Invariants {
    /// What a test is about to show, for the message of a trap: the seed that it is replayed with.
    @TaskLocal static var story = ""
}

private func claim(_ condition: Bool, _ what: @autoclosure () -> String = "", line: UInt = #line) {
    if !condition { preconditionFailure("\(what()), line \(line). \(Invariants.story)") }
}

extension Core {
    /// Checks every list against every other. Call between turns, when nothing is being flushed.
    func checkInvariants() {
        claim(scratch.isEmpty)
        // A farewell comes behind the flush; what it leaves is work of the next turn.
        claim(commands.isEmpty || isStopping)
        for worker in 0..<workerCount {
            unsafe claim(outgoing[worker] == nil && outgoingPublishes[worker] == nil || isStopping)
            claim(taken[worker] == 0 && ordered[worker] <= posted[worker])
        }
        var blockBytes = 0
        checkLists()
        checkUnidentified()
        checkChannels(&blockBytes)
        checkConnections(&blockBytes)
        checkHomes()
        claim(blockBytes == pool.outstandingBytes, "blocks that nobody holds")
    }

    /// The lists of a flush name what is flagged, each once.
    private func checkLists() {
        claim(isEachOnce(dirty) && isEachOnce(sweeping) && isEachOnce(starting) && isEachOnce(lagging))
        for index in 0..<dirty.count {
            claim(connections.isInUse(dirty[index]))
            unsafe claim(connections[dirty[index]].pointee.flags.contains(.queued))
        }
        for index in 0..<sweeping.count {
            unsafe claim(channels.isInUse(sweeping[index]) && channels[sweeping[index]].pointee.isSweeping)
        }
        for index in 0..<starting.count {
            unsafe claim(channels.isInUse(starting[index]) && channels[starting[index]].pointee.isSweeping)
        }
        for index in 0..<lagging.count {
            unsafe claim(channels.isInUse(lagging[index]) && channels[lagging[index]].pointee.isLagging)
        }
    }

    private func isEachOnce(_ list: borrowing PlainVector<UInt32>) -> Bool {
        var seen: Set<UInt32> = []
        for index in 0..<list.count where !seen.insert(list[index]).inserted { return false }
        return true
    }

    /// The list of those who have not said what they want: in both directions, and nobody else is marked.
    private func checkUnidentified() {
        var count = 0
        var before = UnidentifiedList.none
        var slot = unidentified.oldest
        while slot != UnidentifiedList.none && count <= unidentified.count {
            let link = unsafe unidentifiedLinks[slot].pointee
            claim(link.isListed && link.older == before && connections.isInUse(slot))
            claim(unsafe connections[slot].pointee.phase == .http, "unidentified, and not new")
            count += 1
            before = slot
            slot = link.newer
        }
        claim(count == unidentified.count && before == unidentified.newest)
        var marked = 0
        for slot in 0..<UInt32(connections.touched) {
            marked += unsafe unidentifiedLinks[slot].pointee.isListed ? 1 : 0
        }
        claim(marked == count, "marked, and not in the list")
    }

    private func checkChannels(_ blockBytes: inout Int) {
        var sweepingCount = 0
        var laggingCount = 0
        var pressingCount = 0
        var subscriberCount = 0
        var waitingCount = 0
        for slot in 0..<UInt32(channels.touched) where channels.isInUse(slot) {
            let channel = unsafe channels[slot].pointee
            channel.log.checkInvariants()
            blockBytes += Int(channel.log.bytes.capacity) + Int(channel.log.entryBlock.capacity)
            sweepingCount += channel.isSweeping ? 1 : 0
            laggingCount += channel.isLagging ? 1 : 0
            pressingCount += channel.isPressing ? 1 : 0
            subscriberCount += Int(channel.subscriberCount)
            waitingCount += Int(channel.waitingCount)
            checkWindows(slot, channel)
            claim(channel.sweepPosition < max(channel.subscriberCount, 1))
            claim(channel.sweepRemaining <= channel.subscriberCount)
            claim(channel.log.bytes.capacity == 0 || channel.isSweeping || channel.isLagging)
            claim(!channel.isPressing || channel.isSweeping, "pressure that nobody relieves")
            claim(findChannel(space: channel.name.space, name: channel.name.key, hash: channel.hash) == channel.primary)
            checkSubscribers(slot, channel)
        }
        claim(sweepingCount == sweeping.count + starting.count && laggingCount == lagging.count)
        claim(pressingCount == pressingChannels)
        claim(!isFlushBehind || !dirty.isEmpty || isStopping, "a flush that is behind nothing")
        claim(subscriberCount + waitingCount == subscriptions.count)
        claim(counters.subscriptions == UInt64(subscriptions.count))
        claim(counters.channels + counters.deflateLogs == UInt64(channels.count))
        claim(counters.channels == UInt64(channelNames.count))
    }

    /// The slots of one channel name each other, and only a primary one may be without subscribers.
    private func checkWindows(_ slot: UInt32, _ channel: Channel) {
        claim((slot == channel.primary) == (channel.window == 0))
        claim(channel.window == 0 || (channel.subscriberCount > 0 && channel.waitingCount == 0))
        unsafe claim(channel.window == 0 || channels[channel.primary].pointee.name.header == channel.name.header)
        if slot == channel.primary { claim(channel.announced > 0 && channel.announced == subscriberTotal(slot)) }
        var waiting = 0
        for index in 0..<deflate.jobs.count
        where deflate.jobs[index].channel == slot && deflate.jobs[index].generation == channels.generation(of: slot) {
            if waiting == 0 { claim(deflate.jobs[index].place.stamp == channel.jobStamp) }
            waiting += 1
        }
        claim(waiting == Int(channel.jobCount) && (waiting > 0 || channel.jobStamp == UInt64.max))
    }

    /// Every reader stands between two messages, and one that lacks something will be looked at.
    private func checkSubscribers(_ slot: UInt32, _ channel: Channel) {
        for position in 0..<channel.subscriberCount {
            guard let subscribers = unsafe channel.subscribers else { preconditionFailure("no list") }
            let subscriber = unsafe subscribers[Int(position)]
            claim(subscriptions.isInUse(subscriber.subscription))
            let subscription = unsafe subscriptions[subscriber.subscription].pointee
            claim(subscription.channel == slot && subscription.position == position)
            claim(connections.isInUse(subscriber.connection))
            let connection = unsafe connections[subscriber.connection].pointee
            claim(connection.phase == .open && !connection.flags.contains(.closing))
            claim(subscriber.cursor >= channel.log.start && subscriber.cursor <= channel.log.head)
            let entry = channel.log.entryIndex(behind: subscriber.cursor)
            claim(channel.log.beginning(ofEntry: entry) == subscriber.cursor, "a reader inside a message")
            let isBehind = subscriber.cursor < channel.log.head
            let isAwaited =
                channel.isSweeping || !connection.flags.isDisjoint(with: [.queued, .blocked])
                || waitsForCompression(subscriber.connection)
            claim(!isBehind || isAwaited, "a reader that nobody looks at")
        }
    }

    private func waitsForCompression(_ slot: UInt32) -> Bool {
        var next = unsafe connections[slot].pointee.firstSubscription
        while next != Connection.noSubscription {
            if unsafe channels[subscriptions[next].pointee.channel].pointee.jobCount > 0 { return true }
            next = unsafe subscriptions[next].pointee.next
        }
        return false
    }

    private func checkConnections(_ blockBytes: inout Int) {
        var queuedCount = 0
        var openedCount = 0
        var deflatingCount = 0
        for slot in 0..<UInt32(connections.touched) where connections.isInUse(slot) {
            let connection = unsafe connections[slot].pointee
            let flags = connection.flags
            blockBytes += Int(connection.outbox.capacity) + Int(connection.message.capacity)
            blockBytes += Int(connection.scrap.capacity)
            queuedCount += flags.contains(.queued) ? 1 : 0
            openedCount += flags.contains(.handlerOpened) ? 1 : 0
            deflatingCount += flags.contains(.deflates) ? 1 : 0
            if connection.context != Connection.noContext { claim(deflate.contexts.isInUse(connection.context)) }
            claim(!flags.contains(.dedicated) || connection.context != Connection.noContext)
            claim(flags.contains(.closing) == (connection.phase.rawValue >= Phase.closing.rawValue))
            claim(flags.contains(.several) == (connection.subscriptionCount > 1))
            claim(connection.outboxStart <= connection.outboxEnd)
            claim(flags.contains(.hasOutbox) == (connection.outboxStart < connection.outboxEnd))
            if flags.speaksTLS { blockBytes += checkSecure(slot, flags) }
            if !flags.isDisjoint(with: .owed) && connection.phase != .joining {
                claim(!flags.isDisjoint(with: [.queued, .blocked, .outboxHeld]), "an outbox that nobody looks at")
            }
            let isWaiting = !flags.isDisjoint(with: [.inputHeld, .outboxHeld])
            claim(!isWaiting || connection.phase == .joining || heldPublishes(of: slot) != nil)
            checkSubscriptions(of: slot, connection)
        }
        claim(queuedCount == dirty.count)
        claim(counters.connectionsOpen == UInt64(connections.count))
        claim(counters.socketsOpen == UInt64(openedCount))
        claim(counters.deflateConnections == UInt64(deflatingCount))
        claim(deflate.output.isEmpty && counters.deflateContexts == UInt64(deflate.contexts.count))
        for slot in chunkedRequests.keys {
            claim(connections.isInUse(slot))
            unsafe claim(connections[slot].pointee.phase == .http, "a body of nobody")
        }
    }

    /// What waits encrypted is flagged. Returns the memory it takes.
    private func checkSecure(_ slot: UInt32, _ flags: ConnectionFlags) -> Int {
        let link = unsafe secureLinks[slot].pointee
        claim(link.start <= link.end)
        claim(flags.contains(.hasSealed) == (link.start < link.end))
        return Int(link.sealed.capacity) + Int(link.partial.capacity)
    }

    private func checkSubscriptions(of slot: UInt32, _ connection: Connection) {
        var count: UInt32 = 0
        var next = connection.firstSubscription
        while next != Connection.noSubscription {
            claim(count < connection.subscriptionCount && subscriptions.isInUse(next))
            let subscription = unsafe subscriptions[next].pointee
            count += 1
            if subscription.isWaiting {
                next = subscription.next
                continue
            }
            guard let subscribers = unsafe channels[subscription.channel].pointee.subscribers else {
                preconditionFailure("no list")
            }
            unsafe claim(subscribers[Int(subscription.position)].connection == slot)
            next = subscription.next
        }
        claim(count == connection.subscriptionCount)
    }

    private func checkHomes() {
        var occupiedCount = 0
        var memberCount = 0
        var keptCount = 0
        for slot in 0..<UInt32(homes.touched) where homes.isInUse(slot) {
            let home = unsafe homes[slot].pointee
            claim(findHome(space: home.name.space, name: home.name.key, hash: home.name.hash) == slot)
            claim(self.home(ofHash: home.name.hash) == workerIndex)
            let extras = homeExtras[slot]
            claim(home.interestedCount > 0 || extras.map { !$0.isEmpty } ?? false, "a home of nobody")
            claim(home.interestedCount <= home.interestedCapacity)
            claim(extras?.newcomers.isEmpty ?? true, "newcomers that were not told")
            occupiedCount += home.interestedCount > 0 ? 1 : 0
            memberCount += extras?.roster?.count ?? 0
            keptCount += extras?.kept == nil ? 0 : 1
            extras?.roster?.checkInvariants()
            var workers: Set<UInt32> = []
            var count: UInt32 = 0
            for index in 0..<Int(home.interestedCount) {
                guard let interested = unsafe home.interested else { preconditionFailure("no list") }
                let worker = unsafe interested[index]
                claim(worker.subscriberCount > 0 && workers.insert(worker.worker).inserted)
                count += worker.subscriberCount
            }
            claim(count == home.subscriptionCount)
        }
        claim(counters.homeChannels == UInt64(occupiedCount) && homeNames.count == homes.count)
        claim(counters.members == UInt64(memberCount) && counters.keptMessages == UInt64(keptCount))
        claim(homeWork.isEmpty && welcoming.isEmpty)
        claim(counters.usersSignedIn == UInt64(users.signedIn.count))
        for (slot, entry) in users.signedIn {
            claim(connections.isInUse(slot) && users.local[entry.key]?.connections.contains(slot) ?? false)
        }
        for user in users.local.values { claim(!user.connections.isEmpty || !user.watchers.isEmpty) }
        for user in users.homes.values { claim(!user.online.isEmpty || !user.watching.isEmpty) }
        for slot in homeExtras.keys { claim(homes.isInUse(slot)) }
        for (subscription, note) in memberNotes {
            claim(subscriptions.isInUse(subscription) && connections.isInUse(note.connection))
        }
    }
}
