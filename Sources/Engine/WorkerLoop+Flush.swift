import ClarionBytes
import ClarionLoop
import Glibc

/// What a queued send was made of, to account for it when it is done.
struct SendRecord: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        /// The outbox alone.
        case outbox
        /// One run of one log; the cursor was moved to its end already.
        case log
        /// Pieces copied together: segments firstSegment ..< firstSegment + segmentCount.
        case staged
        /// TLS: `count` encrypted bytes from `start` on in `FlushState.sealing`. `messages` is 0 if they are of a log.
        case sealed
        /// TLS: encrypted bytes that waited with the connection.
        case waitingSealed
    }
    var kind: Kind
    var connection: UInt32
    var count: UInt32
    /// For `log`: the channel, the subscriber's place in it, and where it had been.
    var channel: UInt32 = 0
    var position: UInt32 = 0
    var start: UInt64 = 0
    var messages: UInt32 = 0
    var firstSegment: UInt32 = 0
    var segmentCount: UInt32 = 0
}

/// A piece of a staged send.
struct SendSegment: BitwiseCopyable {
    /// The subscription it is for, or `Connection.noSubscription` for the outbox.
    var subscription: UInt32
    var count: UInt32
    /// Where the subscriber stands when the piece is sent.
    var end: UInt64
}

/// What one flush needs; empty between flushes.
@safe struct FlushState: ~Copyable {
    /// Points to `sendBatchMax` records; owned.
    let records: UnsafeMutablePointer<SendRecord>
    let sendBatchMax: Int
    var recordCount = 0
    var segments = PlainVector<SendSegment>(capacity: 256)
    /// Points to `TurnLimits.stagingBytes` bytes; owned.
    let staging: UnsafeMutablePointer<UInt8>
    var stagingUsed = 0
    /// Points to `sealingBytes` bytes, untouched where there is no TLS; owned.
    let sealing: UnsafeMutablePointer<UInt8>
    var sealingUsed = 0
    var sources = PlainVector<MergeSource>(capacity: 128)
    /// Of the sources at hand, messages with this stamp or a later one must wait: an earlier one is being compressed.
    var stampEnd = UInt64.max
    /// Bytes that were compressed in this flush for connections with contexts of their own.
    var deflatedBytes = 0
    /// Connections whose outbox became empty, and those whose socket failed; looked at when the sends are accounted
    /// for.
    var drained = PlainVector<UInt32>(capacity: 256)
    var failed = PlainVector<UInt32>(capacity: 64)
    /// Connections whose key the kernel has used enough.
    var spent = PlainVector<UInt32>(capacity: 4)
    /// A bit for each of kernel TLS's ciphers that the kernel does not have.
    var ciphersRefused: UInt64 = 0
    /// Whose turn it is among the sweeping channels.
    var sweepTurn = 0

    init(sendBatchMax: Int) {
        self.sendBatchMax = sendBatchMax
        unsafe records = UnsafeMutablePointer.allocate(capacity: sendBatchMax)
        unsafe staging = UnsafeMutablePointer.allocate(capacity: TurnLimits.stagingBytes)
        unsafe sealing = UnsafeMutablePointer.allocate(capacity: FlushState.sealingBytes)
    }

    deinit {
        unsafe records.deallocate()
        unsafe staging.deallocate()
        unsafe sealing.deallocate()
    }
}

/// A log that a connection has to read on in, while several are merged.
struct MergeSource: BitwiseCopyable {
    var subscription: UInt32
    var channel: UInt32
    var cursor: UInt64
    var entry: UInt32
    var entryCount: UInt32
}

// A flush: visits subscribers of the channels that have something new, then connections that need a closer look, and
// hands all their sends to the kernel in one batch. No protocol code runs until the batch is accounted for.

extension WorkerLoop where B: ~Copyable {
    mutating func flushSlice() {
        if !core.isSweeping && core.dirty.isEmpty {
            core.isFlushBehind = false
            return
        }
        flush.recordCount = 0
        flush.stagingUsed = 0
        flush.sealingUsed = 0
        flush.segments.removeAll()
        flush.deflatedBytes = 0
        sweepChannels()
        flushDirty()
        if flush.recordCount > 0 {
            backend.submitSends()
            core.counters.sends += UInt64(flush.recordCount)
            accountForSends()
        }
        afterSends()
    }

    // MARK: Circles over the subscribers of channels

    /// A slice: the channels that begin, each a small part of it, in half of it together; then the others in turn. So a
    /// small channel waits for the slice under way at most, however large the circles are.
    private mutating func sweepChannels() {
        var begun = 0
        while begun < core.starting.count && flush.recordCount < TurnLimits.sendsPerSlice / 2 {
            let slot = core.starting[begun]
            begun += 1
            if sweep(slot, until: flush.recordCount + TurnLimits.sendsOfBeginning) {
                core.endCircle(slot)
            } else {
                core.sweeping.append(slot)
            }
        }
        core.starting.removeFirst(begun)
        var turns = core.sweeping.count
        while turns > 0 && !core.sweeping.isEmpty && flush.recordCount < TurnLimits.sendsPerSlice {
            if flush.sweepTurn >= core.sweeping.count { flush.sweepTurn = 0 }
            let slot = core.sweeping[flush.sweepTurn]
            let rest = TurnLimits.sendsPerSlice - flush.recordCount
            let share = max(rest / turns, TurnLimits.sendsOfBeginning)
            turns -= 1
            if sweep(slot, until: min(flush.recordCount + share, TurnLimits.sendsPerSlice)) {
                core.endCircle(slot)
                core.sweeping[flush.sweepTurn] = core.sweeping[core.sweeping.count - 1]
                _ = core.sweeping.removeLast()
            } else {
                flush.sweepTurn += 1
            }
        }
    }

    /// Visits subscribers of one channel, until there are `limit` sends in the slice. True when the circle is complete.
    private mutating func sweep(_ slot: UInt32, until limit: Int) -> Bool {
        let channel = unsafe core.channels[slot]
        guard let subscribers = unsafe channel.pointee.subscribers, unsafe channel.pointee.subscriberCount > 0 else {
            return true
        }
        let connections = unsafe core.connections.base
        let head = unsafe channel.pointee.log.head
        let count = unsafe channel.pointee.subscriberCount
        var position = unsafe channel.pointee.sweepPosition
        var remaining = unsafe channel.pointee.sweepRemaining
        var visitsLeft = TurnLimits.visitsPerTurn
        // Subscribers that stand at the same place get the same bytes: looked up once for a run of them.
        var runCursor = UInt64.max
        var runBytes = unsafe UnsafePointer(flush.staging)
        var runCount = 0
        var runMessages: UInt32 = 0
        var delivered: UInt64 = 0
        while remaining > 0 && flush.recordCount < limit && visitsLeft > 0 {
            let subscriber = unsafe subscribers + Int(position)
            let place = position
            position = position + 1 == count ? 0 : position + 1
            remaining -= 1
            visitsLeft -= 1
            let cursor = unsafe subscriber.pointee.cursor
            if cursor == head { continue }
            let connection = unsafe connections + Int(subscriber.pointee.connection)
            let flags = unsafe connection.pointee.flags
            if !flags.isDisjoint(with: .notPlain) {
                unsafe channel.pointee.passedOver = true
                if flags.isDisjoint(with: [.blocked, .closing]) {
                    unsafe core.markDirty(subscriber.pointee.connection)
                    // Encrypting takes its time: after a slice of such visits it is the turn of others, as with sends.
                    if flags.contains(.secured) { visitsLeft -= SecureLimits.visitsPerSecure }
                }
                continue
            }
            if cursor != runCursor {
                runCursor = cursor
                unsafe runBytes = unsafe channel.pointee.log.pointer(at: cursor)
                runCount = Int(head - cursor)
                runMessages =
                    unsafe channel.pointee.log.entryCount - UInt32(channel.pointee.log.entryIndex(behind: cursor))
            }
            let index = unsafe backend.send(connection.pointee.handle, bytes: runBytes, count: runCount)
            unsafe (flush.records + index).initialize(
                to: SendRecord(
                    kind: .log, connection: subscriber.pointee.connection, count: UInt32(runCount), channel: slot,
                    position: place, start: cursor, messages: runMessages))
            flush.recordCount = index + 1
            unsafe subscriber.pointee.cursor = head
            delivered += UInt64(runMessages)
        }
        let visited = unsafe channel.pointee.sweepRemaining - remaining
        unsafe channel.pointee.sweepPosition = position
        unsafe channel.pointee.sweepRemaining = remaining
        core.counters.deliveries += delivered
        core.noteVisits(slot, visited)
        return remaining == 0
    }

    // MARK: Connections that need a closer look

    private mutating func flushDirty() {
        let count = core.dirty.count
        var index = 0
        while index < count && flush.recordCount < flush.sendBatchMax
            && flush.stagingUsed + TurnLimits.stagedSendBytesMax <= TurnLimits.stagingBytes && canSeal
            && flush.deflatedBytes < core.limits.deflate.sliceBytes
        {
            flushConnection(core.dirty[index])
            index += 1
        }
        core.isFlushBehind = index < count
        core.dirty.removeFirst(index)
    }

    private mutating func flushConnection(_ slot: UInt32) {
        let connection = unsafe core.connections[slot]
        unsafe connection.pointee.flags.remove(.queued)
        if unsafe connection.pointee.phase == .joining
            || !connection.pointee.flags.isDisjoint(with: [.blocked, .outboxHeld])
        {
            return
        }
        if unsafe connection.pointee.flags.contains(.hasSealed), flushSealed(slot) { return }
        if unsafe core.sealsByKernel && connection.pointee.flags.contains(.secured) { giveToKernel(slot) }
        if unsafe connection.pointee.flags.contains(.dedicated) && connection.pointee.phase == .open {
            return flushInContext(slot)
        }
        let outbox = core.outboxView(slot)
        collectSources(slot)
        if outbox.count > TurnLimits.stagedSendBytesMax / 2 || (!outbox.isEmpty && flush.sources.isEmpty) {
            unsafe queue(
                outbox.base, outbox.count, SendRecord(kind: .outbox, connection: slot, count: UInt32(outbox.count)))
            if !flush.sources.isEmpty { core.markDirty(slot) }
            return
        }
        if flush.sources.isEmpty {
            unsafe connection.pointee.flags.remove(.hasExclusion)
            flush.drained.append(slot)
            return
        }
        if unsafe outbox.isEmpty && flush.sources.count == 1 && !connection.pointee.flags.contains(.hasExclusion)
            && flush.stampEnd == UInt64.max
        {
            return queueLog(slot, flush.sources[0])
        }
        stage(slot, outbox)
    }

    /// Queues one send. TLS may take only the first bytes at once: how many it took; all of them elsewhere.
    @discardableResult
    mutating func queue(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ record: SendRecord) -> Int {
        let slot = record.connection
        let connection = unsafe core.connections[slot]
        if unsafe connection.pointee.flags.contains(.secured) {
            let taken = unsafe sealAndQueue(slot, bytes, count, record)
            if taken < count { core.markDirty(slot) }
            // What is encrypted is on its way: it is accounted for at once.
            if record.kind == .outbox { core.consumeOutbox(slot, taken) }
            if record.kind == .staged { applySegments(record, taken: taken) }
            return taken
        }
        let index = unsafe backend.send(connection.pointee.handle, bytes: bytes, count: count)
        unsafe (flush.records + index).initialize(to: record)
        flush.recordCount = index + 1
        return count
    }

    /// The logs in which a connection has something to read.
    mutating func collectSources(_ slot: UInt32) {
        flush.sources.removeAll()
        flush.stampEnd = UInt64.max
        var next = unsafe core.connections[slot].pointee.firstSubscription
        while next != Connection.noSubscription {
            let subscription = unsafe core.subscriptions[next].pointee
            let channel = unsafe core.channels[subscription.channel]
            flush.stampEnd = unsafe min(flush.stampEnd, channel.pointee.jobStamp)
            if !subscription.isWaiting, let subscribers = unsafe channel.pointee.subscribers {
                let cursor = unsafe subscribers[Int(subscription.position)].cursor
                if unsafe cursor != channel.pointee.log.head {
                    unsafe flush.sources.append(
                        MergeSource(
                            subscription: next, channel: subscription.channel, cursor: cursor,
                            entry: UInt32(channel.pointee.log.entryIndex(behind: cursor)),
                            entryCount: channel.pointee.log.entryCount))
                }
            }
            next = subscription.next
        }
    }

    private mutating func queueLog(_ slot: UInt32, _ source: MergeSource) {
        let channel = unsafe core.channels[source.channel]
        let position = unsafe core.subscriptions[source.subscription].pointee.position
        guard let subscribers = unsafe channel.pointee.subscribers else { return }
        let head = unsafe channel.pointee.log.head
        let count = Int(head - source.cursor)
        let record = SendRecord(
            kind: .log, connection: slot, count: UInt32(count), channel: source.channel, position: position,
            start: source.cursor, messages: source.entryCount - source.entry)
        let taken = unsafe queue(channel.pointee.log.pointer(at: source.cursor), count, record)
        unsafe subscribers[Int(position)].cursor = head
        core.counters.deliveries += UInt64(source.entryCount - source.entry)
        if taken < count { takeBack(record, taken: taken) }
    }

    /// Copies the outbox and the next messages of all logs, oldest first, into one piece, and queues it. The cursors
    /// move when it is known what was sent.
    private mutating func stage(_ slot: UInt32, _ outbox: ByteView) {
        let generation = core.connections.generation(of: slot)
        let target = unsafe flush.staging + flush.stagingUsed
        let firstSegment = flush.segments.count
        var used = outbox.count
        if used > 0 {
            unsafe target.update(from: outbox.base, count: used)
            flush.segments.append(SendSegment(subscription: Connection.noSubscription, count: UInt32(used), end: 0))
        }
        var isComplete = false
        while true {
            guard let chosen = oldestSource() else {
                isComplete = true
                break
            }
            var source = flush.sources[chosen]
            guard let entries = unsafe core.channels[source.channel].pointee.log.entries else { break }
            let entry = unsafe entries[Int(source.entry)]
            let isExcluded = entry.excludedSlot == slot && entry.excludedGeneration == generation
            let count = isExcluded ? 0 : Int(entry.end - source.cursor)
            if used + count > TurnLimits.stagedSendBytesMax {
                if used > 0 || flush.segments.count > firstSegment { break }
                // One message larger than the stage goes straight from its log.
                return queueEntry(slot, source, entry, count)
            }
            if count > 0 {
                unsafe (target + used).update(
                    from: core.channels[source.channel].pointee.log.pointer(at: source.cursor), count: count)
            }
            used += count
            flush.segments.append(
                SendSegment(subscription: source.subscription, count: UInt32(count), end: entry.end))
            source.cursor = entry.end
            source.entry += 1
            flush.sources[chosen] = source
        }
        let segmentCount = flush.segments.count - firstSegment
        if !isComplete {
            core.markDirty(slot)
        } else if flush.stampEnd == UInt64.max {
            unsafe core.connections[slot].pointee.flags.remove(.hasExclusion)
        }
        // What waits for a message that is being compressed is looked at when that is done.
        if segmentCount == 0 { return }
        let record = SendRecord(
            kind: .staged, connection: slot, count: UInt32(used), firstSegment: UInt32(firstSegment),
            segmentCount: UInt32(segmentCount))
        if used == 0 {
            // Only messages that it must not get.
            applySegments(record, taken: 0)
            return
        }
        flush.stagingUsed += used
        unsafe queue(target, used, record)
    }

    private mutating func queueEntry(_ slot: UInt32, _ source: MergeSource, _ entry: LogEntry, _ count: Int) {
        guard let subscribers = unsafe core.channels[source.channel].pointee.subscribers else { return }
        let position = unsafe core.subscriptions[source.subscription].pointee.position
        let record = SendRecord(
            kind: .log, connection: slot, count: UInt32(count), channel: source.channel, position: position,
            start: source.cursor, messages: 1)
        let taken = unsafe queue(
            core.channels[source.channel].pointee.log.pointer(at: source.cursor), count, record)
        unsafe subscribers[Int(position)].cursor = entry.end
        core.counters.deliveries += 1
        if taken < count { takeBack(record, taken: taken) }
        core.markDirty(slot)
    }

    /// The source whose next message came first to this worker.
    func oldestSource() -> Int? {
        var best: Int?
        var bestStamp = flush.stampEnd
        for index in 0..<flush.sources.count {
            let source = flush.sources[index]
            guard source.entry < source.entryCount,
                let entries = unsafe core.channels[source.channel].pointee.log.entries
            else {
                continue
            }
            let stamp = unsafe entries[Int(source.entry)].stamp
            if stamp < bestStamp {
                bestStamp = stamp
                best = index
            }
        }
        return best
    }

    // MARK: Accounting

    private mutating func accountForSends() {
        if core.sealsByKernel { spendKeys() }
        var bytes: UInt64 = 0
        for index in 0..<flush.recordCount {
            let result = backend.sendResult(index)
            let record = unsafe flush.records[index]
            if result == Int32(truncatingIfNeeded: record.count) && record.kind == .log {
                bytes += UInt64(record.count)
                continue
            }
            let taken = max(Int(result), 0)
            bytes += UInt64(taken)
            switch record.kind {
            case .outbox:
                core.consumeOutbox(record.connection, taken)
                if taken == Int(record.count) { flush.drained.append(record.connection) }
            case .log:
                if taken < Int(record.count) { takeBack(record, taken: taken) }
            case .staged:
                applySegments(record, taken: taken)
                if taken == Int(record.count) {
                    flush.drained.append(record.connection)
                } else {
                    // What it must not get may stand in what was not sent.
                    unsafe core.connections[record.connection].pointee.flags.insert(.hasExclusion)
                }
            case .sealed, .waitingSealed:
                accountForSealed(record, taken: taken)
            }
            if taken < Int(record.count) {
                let isFull = taken > 0 || result == -EAGAIN || isTransient(result, record.connection)
                if isFull { block(record.connection) } else { flush.failed.append(record.connection) }
            }
        }
        core.counters.bytesOut += bytes
    }

    /// The socket took only `taken` bytes of a log: the cursor goes behind the message that is cut, and what is left of
    /// that message waits in the outbox. So cursors always stand between messages.
    private mutating func takeBack(_ record: SendRecord, taken: Int) {
        let channel = unsafe core.channels[record.channel]
        guard let subscribers = unsafe channel.pointee.subscribers else { return }
        let reached = record.start + UInt64(taken)
        let entryIndex = unsafe channel.pointee.log.entryIndex(behind: reached)
        let begun = unsafe channel.pointee.log.beginning(ofEntry: entryIndex)
        let firstIndex = unsafe channel.pointee.log.entryIndex(behind: record.start)
        var kept = entryIndex - firstIndex
        var cursor = reached
        if reached > max(begun, record.start), let entries = unsafe channel.pointee.log.entries {
            let end = unsafe entries[entryIndex].end
            let rest = unsafe ByteView(base: channel.pointee.log.pointer(at: reached), count: Int(end - reached))
            core.enqueue(record.connection, rest)
            cursor = end
            kept += 1
        }
        unsafe subscribers[Int(record.position)].cursor = cursor
        core.counters.deliveries -= UInt64(Int(record.messages) - kept)
        unsafe channel.pointee.passedOver = true
        core.keepLog(record.channel)
    }

    /// Moves on what a staged send was made of, by `taken` bytes.
    private mutating func applySegments(_ record: SendRecord, taken: Int) {
        var left = taken
        for index in Int(record.firstSegment)..<Int(record.firstSegment + record.segmentCount) {
            let segment = flush.segments[index]
            let count = Int(segment.count)
            if segment.subscription == Connection.noSubscription {
                core.consumeOutbox(record.connection, min(left, count))
                if left < count { return }
                left -= count
                continue
            }
            if count > 0 && left == 0 { return }
            let subscription = unsafe core.subscriptions[segment.subscription].pointee
            let channel = unsafe core.channels[subscription.channel]
            guard let subscribers = unsafe channel.pointee.subscribers else { return }
            if count > 0 { core.counters.deliveries += 1 }
            unsafe subscribers[Int(subscription.position)].cursor = segment.end
            if left < count {
                let rest = count - left
                let start = segment.end - UInt64(rest)
                unsafe core.enqueue(
                    record.connection, ByteView(base: channel.pointee.log.pointer(at: start), count: rest))
                return
            }
            left -= count
        }
    }

    private mutating func block(_ slot: UInt32) {
        core.noteBlocked(slot)
        core.noteFull(slot)
        unsafe backend.awaitWritable(core.connections[slot].pointee.handle)
    }

    /// What may run protocol code or close connections, now that every send is accounted for.
    private mutating func afterSends() {
        var index = 0
        while index < flush.failed.count {
            core.terminate(flush.failed[index], reason: .peerReset)
            index += 1
        }
        flush.failed.removeAll()
        index = 0
        while index < flush.drained.count {
            core.outboxDrained(flush.drained[index])
            index += 1
        }
        flush.drained.removeAll()
        if !flush.spent.isEmpty { closeSpent() }
        core.settleLogs()
    }
}
