import ClarionBytes
import ClarionWire

// A message from its publisher to its home, and from there into the logs of the workers that have subscribers.

extension Core {
    // MARK: At the publisher's worker

    /// Publishes `text` for connection `slot`. Keeps the order of that connection across homes: a message for another
    /// home waits until the home before has given the earlier one its place.
    func publish(
        from slot: UInt32, space: UInt16, name: ByteView, text: ByteView, excluding excluded: UInt64?, keeps: Bool
    ) {
        counters.publishes += 1
        let frame = makeFrame(space: space, name: name, text: text)
        let item = HeldPublish(frame: frame, excluded: excluded ?? SocketNumber.limit, keeps: keeps)
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.flags.contains(.inputHeld) || connection.pointee.flags.contains(.outboxHeld) {
            if let waiting = heldPublishes(of: slot) {
                waiting.items.append(item)
                return
            }
        }
        let home = home(ofHash: frame.hash)
        let before = unsafe Int(connection.pointee.orderHome)
        if unsafe before == home || before == workerIndex || ordered[before] >= connection.pointee.orderSequence {
            unsafe connection.pointee.orderSequence = submit(item, to: home)
            unsafe connection.pointee.orderHome = UInt8(home)
            return
        }
        counters.publishersHeld += 1
        let waiting = unsafe HeldPublishes(
            slot: slot, generation: connections.generation(of: slot), home: connection.pointee.orderHome,
            sequence: connection.pointee.orderSequence)
        waiting.items.append(item)
        held.append(waiting)
        unsafe connection.pointee.flags.insert(.inputHeld)
    }

    /// A WebSocket text frame with the channel's name behind it. One reference.
    func makeFrame(space: UInt16, name: ByteView, text: ByteView) -> SharedFrame {
        let headerCount = FrameWriter.headerCount(payloadCount: text.count, masked: false)
        let frame = SharedFrame.make(
            byteCount: headerCount + text.count, key: name, space: space, hash: hash(space: space, name: name))
        unsafe FrameWriter.writeHeader(
            opcode: Opcode.text, isFinal: true, rsv1: false, payloadCount: text.count, maskKey: nil, to: frame.bytes)
        unsafe (frame.bytes + headerCount).update(from: text.base, count: text.count)
        return frame
    }

    /// Gives a message to its home. Returns its number there (0 when this worker is the home: it has its place
    /// already).
    func submit(_ item: HeldPublish, to home: Int) -> UInt64 {
        if home == workerIndex {
            // What connections of this worker asked this home for comes first.
            settleHomes()
            order(item.frame, excluded: item.excluded, keeps: item.keeps)
            return 0
        }
        posted[home] += 1
        var mail = Mail(.publish)
        mail.frame = item.frame
        mail.excludedNumber = item.excluded
        mail.keeps = item.keeps
        mail.number = posted[home]
        mail.from = UInt8(workerIndex)
        postPublish(mail, to: home)
        return posted[home]
    }

    func heldPublishes(of slot: UInt32) -> HeldPublishes? {
        let generation = connections.generation(of: slot)
        return held.first { $0.slot == slot && $0.generation == generation }
    }

    /// Whether everything that connection published has its place.
    func isOrdered(_ slot: UInt32) -> Bool {
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.flags.contains(.inputHeld) { return false }
        let home = unsafe Int(connection.pointee.orderHome)
        return unsafe home == workerIndex || ordered[home] >= connection.pointee.orderSequence
    }

    /// A home has told that it is further: those who waited for it go on.
    func takeOrdered(_ mail: Mail) {
        let home = Int(mail.from)
        ordered[home] = max(ordered[home], mail.number)
        if held.isEmpty { return }
        var index = 0
        while index < held.count {
            if release(held[index]) {
                let done = held.remove(at: index)
                finishHolding(done)
            } else {
                index += 1
            }
        }
    }

    /// Submits what `waiting` may submit now. True when nothing is left to wait for.
    private func release(_ waiting: HeldPublishes) -> Bool {
        var next = 0
        defer { waiting.items.removeFirst(next) }
        while next < waiting.items.count {
            let item = waiting.items[next]
            let home = home(ofHash: item.frame.hash)
            let before = Int(waiting.home)
            let mayGo = before == home || before == workerIndex || ordered[before] >= waiting.sequence
            if !mayGo { return false }
            waiting.sequence = submit(item, to: home)
            waiting.home = UInt8(home)
            next += 1
        }
        guard connections.generation(of: waiting.slot) == waiting.generation else { return true }
        let connection = unsafe connections[waiting.slot]
        unsafe connection.pointee.orderHome = waiting.home
        unsafe connection.pointee.orderSequence = waiting.sequence
        unsafe connection.pointee.flags.remove(.inputHeld)
        // An answer leaves only when the last publish has its place; other input goes on as soon as all are on their
        // way.
        return unsafe !connection.pointee.flags.contains(.outboxHeld) || isOrdered(waiting.slot)
    }

    private func finishHolding(_ waiting: HeldPublishes) {
        guard connections.generation(of: waiting.slot) == waiting.generation else { return }
        let connection = unsafe connections[waiting.slot]
        if unsafe connection.pointee.flags.contains(.outboxHeld) {
            unsafe connection.pointee.flags.remove(.outboxHeld)
            markDirty(waiting.slot)
        }
        resumeHeldInput(waiting.slot, waiting.input)
    }

    /// The answer of connection `slot` is queued and must not leave before all it published has its place.
    func holdOutboxUntilOrdered(_ slot: UInt32) {
        if isOrdered(slot) { return }
        let connection = unsafe connections[slot]
        unsafe connection.pointee.flags.insert(.outboxHeld)
        if heldPublishes(of: slot) == nil {
            unsafe held.append(
                HeldPublishes(
                    slot: slot, generation: connections.generation(of: slot), home: connection.pointee.orderHome,
                    sequence: connection.pointee.orderSequence))
        }
    }

    // MARK: At the home

    /// Gives a message its place in its channel and hands it to every interested worker. Consumes the frame.
    func order(_ frame: SharedFrame, excluded: UInt64, keeps: Bool = false) {
        defer { frame.release() }
        counters.ordered += 1
        let known = findHome(space: frame.space, name: frame.key, hash: frame.hash)
        guard let slot = known ?? (keeps ? makeKeepingHome(frame) : nil) else {
            counters.unheard += 1
            if !taps.isEmpty { show(frame, offset: 0) }
            return
        }
        let home = unsafe homes[slot]
        if keeps { keep(frame, at: slot) }
        unsafe home.pointee.offset += 1
        if !taps.isEmpty { unsafe show(frame, offset: home.pointee.offset) }
        var excludedWorker = UInt32.max
        var excludedSlot: UInt32 = 0
        var excludedGeneration: UInt32 = 0
        if excluded < SocketNumber.limit {
            let plain = SocketNumber.decrypt(excluded, key: exchange.socketKey)
            excludedWorker = UInt32(truncatingIfNeeded: plain >> 52)
            excludedGeneration = UInt32(truncatingIfNeeded: plain >> 28) & (Token.generationLimit - 1)
            excludedSlot = UInt32(truncatingIfNeeded: plain) & (1 << 28 - 1)
        }
        guard let interested = unsafe home.pointee.interested else { return }
        var own: Mail?
        for index in unsafe 0..<Int(home.pointee.interestedCount) {
            let worker = unsafe interested[index]
            var mail = Mail(.deliver)
            mail.slot = worker.slot
            mail.generation = worker.generation
            mail.frame = frame
            mail.number = unsafe home.pointee.offset
            if worker.worker == excludedWorker {
                mail.excludedSlot = excludedSlot
                mail.excludedGeneration = excludedGeneration
            }
            if Int(worker.worker) == workerIndex {
                own = mail
            } else {
                frame.retain()
                post(mail, to: Int(worker.worker))
            }
        }
        // Last, because it may close slow readers, and with them change or end what is walked above.
        if let own { deliver(own) }
    }

    // MARK: At a subscriber's worker

    /// Appends a message to this worker's copy of the log and begins a circle. Does not consume the frame.
    func deliver(_ mail: Mail) {
        guard let frame = mail.frame, channels.generation(of: mail.slot) == mail.generation,
            unsafe channels[mail.slot].pointee.phase == .joined,
            unsafe !channels[mail.slot].pointee.isUnread
        else {
            counters.staleDeliveries += 1
            return
        }
        stamp += 1
        let place = LogPlace(
            stamp: stamp, offset: mail.number, excludedSlot: mail.excludedSlot,
            excludedGeneration: mail.excludedGeneration)
        if mail.excludedGeneration != 0, connections.generation(of: mail.excludedSlot) == mail.excludedGeneration {
            unsafe connections[mail.excludedSlot].pointee.flags.insert(.hasExclusion)
        }
        var hasPassedReaders = false
        if unsafe channels[mail.slot].pointee.subscriberCount > 0 {
            hasPassedReaders = appendToLog(mail.slot, frame.view, place)
        }
        var passed = WindowSet()
        if unsafe channels[mail.slot].pointee.nextWindow != Channel.none {
            passed = deliverDeflated(mail.slot, frame, place)
        }
        // Behind everything else: closing slow readers asks protocols, which may publish, subscribe and unsubscribe.
        if !hasPassedReaders && passed.count == 0 { return }
        if hasPassedReaders { cutPassedReaders(mail.slot) }
        for index in 0..<passed.count where channels.generation(of: passed[index].slot) == passed[index].generation {
            cutPassedReaders(passed[index].slot)
        }
    }

    /// Appends a message to the log of one slot and begins a circle there. True when the log has passed readers, which
    /// must be cut before the next flush.
    func appendToLog(_ slot: UInt32, _ bytes: ByteView, _ place: LogPlace) -> Bool {
        var isTight = false
        let hasPassedReaders = makeRoom(slot, count: bytes.count, &isTight)
        let channel = unsafe channels[slot]
        unsafe channel.pointee.log.append(
            bytes, stamp: place.stamp, offset: place.offset, excludedSlot: place.excludedSlot,
            excludedGeneration: place.excludedGeneration)
        unsafe channel.pointee.sweepRemaining = unsafe channel.pointee.subscriberCount
        if unsafe !channel.pointee.isSweeping {
            unsafe channel.pointee.isSweeping = true
            unsafe channel.pointee.passedOver = false
            starting.append(slot)
        }
        let unread = unsafe Int(channel.pointee.log.head - max(channel.pointee.floor, channel.pointee.log.start))
        if unsafe !channel.pointee.isPressing && (isTight || unread > limits.logBytesMax / 2) {
            unsafe channel.pointee.isPressing = true
            pressingChannels += 1
        }
        return hasPassedReaders
    }

    // MARK: Room in a log

    /// Makes room for one more message of `count` bytes: forgets what everybody has, else grows, else drops what slow
    /// readers still need: true, and they must be cut before the next flush.
    ///
    /// `isTight` becomes true when it grew although this worker's logs have as much memory as they may: then nothing
    /// more is let in until those who can read have what is in it.
    private func makeRoom(_ slot: UInt32, count: Int, _ isTight: inout Bool) -> Bool {
        let channel = unsafe channels[slot]
        if unsafe channel.pointee.log.fits(count) { return false }
        forgetRead(slot)
        let bytesMax = max(limits.logBytesMax, 2 * count)
        let entryBytes = unsafe (Int(channel.pointee.log.entryCount) + 1) * MemoryLayout<LogEntry>.stride
        let wanted = unsafe max(channel.pointee.log.byteCount + count, entryBytes)
        let roomy = unsafe channel.pointee.log.fits(count) && wanted * 2 <= Int(channel.pointee.log.bytes.capacity)
        if roomy { return false }
        let isShort = pool.outstandingBytes >= blockBytesMaxNow
        if unsafe wanted <= bytesMax && !isShort || channel.pointee.log.entryCount == 0 {
            unsafe channel.pointee.log.grow(count, pool: &pool)
            return false
        }
        if unsafe channel.pointee.log.fits(count) { return false }
        // The older half goes, and with it whoever still reads there.
        let keepMax = bytesMax / 2
        let target = unsafe channel.pointee.log.head - UInt64(min(keepMax, channel.pointee.log.byteCount))
        let entries = unsafe Int(channel.pointee.log.entryCount)
        var droppedCount = unsafe min(max(channel.pointee.log.entryIndex(behind: target), entries / 2, 1), entries)
        if wanted <= bytesMax {
            // It is not this log that is too long: what those lack who only wait for their visit must stay.
            droppedCount = unsafe min(droppedCount, channel.pointee.log.entryIndex(behind: channel.pointee.floor))
            if memoryLevel >= .logs && droppedCount > 0 { counters.shedLogs += 1 }
        }
        if droppedCount > 0 {
            if limits.slowConsumerPolicy != .close { countLost(slot, dropping: droppedCount) }
            unsafe channel.pointee.log.dropFirst(droppedCount)
        }
        if unsafe !channel.pointee.log.fits(count) {
            unsafe channel.pointee.log.grow(count, pool: &pool)
            isTight = true
        }
        return droppedCount > 0
    }

    /// Counts what readers lose of the first `count` messages, which are about to go.
    private func countLost(_ slot: UInt32, dropping count: Int) {
        let channel = unsafe channels[slot]
        guard let subscribers = unsafe channel.pointee.subscribers else { return }
        for index in unsafe 0..<Int(channel.pointee.subscriberCount) {
            let next = unsafe channel.pointee.log.entryIndex(behind: subscribers[index].cursor)
            if next < count { unsafe noteLost(subscribers[index], channel.pointee.log, next..<count) }
        }
    }

    /// Remembers that a reader loses entries of a log, but for those that it was not to get anyway.
    private func noteLost(_ subscriber: Subscriber, _ log: ChannelLog, _ entries: Range<Int>) {
        var count = entries.count
        let connection = unsafe connections[subscriber.connection]
        if unsafe connection.pointee.flags.contains(.hasExclusion), let list = unsafe log.entries {
            let generation = connections.generation(of: subscriber.connection)
            for index in entries
            where unsafe list[index].excludedSlot == subscriber.connection
                && list[index].excludedGeneration == generation
            {
                count -= 1
            }
        }
        if count == 0 { return }
        counters.skipped += UInt64(count)
        let known = unsafe Int(subscriptions[subscriber.subscription].pointee.lost)
        unsafe subscriptions[subscriber.subscription].pointee.lost = UInt32(clamping: known + count)
        unsafe connection.pointee.flags.insert(.hasGap)
    }

    /// Forgets the messages that every subscriber has.
    private func forgetRead(_ slot: UInt32) {
        let channel = unsafe channels[slot]
        guard unsafe channel.pointee.log.entryCount > 0, let subscribers = unsafe channel.pointee.subscribers else {
            return
        }
        var lowest = unsafe channel.pointee.log.head
        for index in unsafe 0..<Int(channel.pointee.subscriberCount) {
            lowest = unsafe min(lowest, subscribers[index].cursor)
        }
        unsafe channel.pointee.log.dropFirst(channel.pointee.log.entryIndex(behind: lowest))
    }

    /// Applies the policy to subscribers that the log has passed; its last message is the newest.
    func cutPassedReaders(_ slot: UInt32) {
        let channel = unsafe channels[slot]
        guard let subscribers = unsafe channel.pointee.subscribers else { return }
        let start = unsafe channel.pointee.log.start
        if limits.slowConsumerPolicy != .close {
            let newest = unsafe channel.pointee.log.beginning(ofEntry: Int(channel.pointee.log.entryCount) - 1)
            for index in unsafe 0..<Int(channel.pointee.subscriberCount) where unsafe subscribers[index].cursor < start
            {
                unsafe skip(&subscribers[index], in: slot, to: newest)
            }
            return tellReadyOfGaps(slot)
        }
        let generation = channels.generation(of: slot)
        var index = 0
        while channels.generation(of: slot) == generation, unsafe index < Int(channels[slot].pointee.subscriberCount) {
            guard let subscribers = unsafe channels[slot].pointee.subscribers else { return }
            if unsafe subscribers[index].cursor < start {
                // Closing takes it out of the list; another one stands at its place then.
                unsafe closeSlowConsumer(subscribers[index].connection)
            } else {
                index += 1
            }
        }
    }

    /// Moves a reader on to `position` without sending what lies between. Counts what of that is still in the log.
    func skip(_ subscriber: inout Subscriber, in slot: UInt32, to position: UInt64) {
        let log = unsafe channels[slot].pointee.log
        let first = log.entryIndex(behind: max(subscriber.cursor, log.start))
        let end = log.entryIndex(behind: position)
        if first < end { noteLost(subscriber, log, first..<end) }
        subscriber.cursor = position
    }

    /// Tells those of a channel's readers that could take bytes what they lost; others are told when they can again.
    private func tellReadyOfGaps(_ slot: UInt32) {
        let generation = channels.generation(of: slot)
        var index = 0
        while channels.generation(of: slot) == generation, unsafe index < Int(channels[slot].pointee.subscriberCount) {
            guard let subscribers = unsafe channels[slot].pointee.subscribers else { return }
            let connection = unsafe subscribers[index].connection
            let flags = unsafe connections[connection].pointee.flags
            if flags.contains(.hasGap) && !flags.contains(.blocked) {
                // Takes the flag away, and may close the connection: then another one stands at its place.
                tellGaps(connection)
            } else {
                index += 1
            }
        }
    }

    /// Tells the protocol of a connection what it lost since it was told last.
    func tellGaps(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        let generation = connections.generation(of: slot)
        unsafe connection.pointee.flags.remove(.hasGap)
        var next = unsafe connection.pointee.firstSubscription
        while next != Connection.noSubscription {
            let lost = unsafe subscriptions[next].pointee.lost
            if lost == 0 {
                next = unsafe subscriptions[next].pointee.next
                continue
            }
            unsafe subscriptions[next].pointee.lost = 0
            let name = unsafe channels[subscriptions[next].pointee.channel].pointee.name
            name.retain()
            let handler = unsafe handlers[Int(connection.pointee.handler)]
            handler.missed(lost, space: name.space, name: name.key, Session(core: self, slot: slot))
            name.release()
            // It may have changed its subscriptions, or have been closed.
            if connections.generation(of: slot) != generation { return }
            next = unsafe connection.pointee.firstSubscription
        }
    }
}
