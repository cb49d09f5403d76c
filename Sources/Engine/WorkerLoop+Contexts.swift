import ClarionBytes
import ClarionLoop
import ClarionWire

// Connections with a context of their own: what they read is compressed for each of them when it leaves, and waits in
// the outbox as it was compressed: a message that went into a context must be sent, and in that order.

extension WorkerLoop where B: ~Copyable {
    /// Fills the outbox from the logs, oldest messages first, and queues it.
    mutating func flushInContext(_ slot: UInt32) {
        let connection = unsafe core.connections[slot]
        collectSources(slot)
        var hasMore = false
        while let chosen = oldestSource() {
            if core.outboxView(slot).count >= TurnLimits.stagedSendBytesMax
                || flush.deflatedBytes >= core.limits.deflate.sliceBytes
            {
                hasMore = true
                break
            }
            take(slot, chosen)
        }
        if hasMore {
            core.markDirty(slot)
        } else if flush.stampEnd == UInt64.max {
            unsafe connection.pointee.flags.remove(.hasExclusion)
        }
        let outbox = core.outboxView(slot)
        if outbox.isEmpty {
            flush.drained.append(slot)
            return
        }
        unsafe queue(
            outbox.base, outbox.count, SendRecord(kind: .outbox, connection: slot, count: UInt32(outbox.count)))
    }

    /// Moves the next message of a source to the outbox.
    private mutating func take(_ slot: UInt32, _ chosen: Int) {
        var source = flush.sources[chosen]
        let channel = unsafe core.channels[source.channel]
        guard let entries = unsafe channel.pointee.log.entries, let subscribers = unsafe channel.pointee.subscribers
        else { return }
        let entry = unsafe entries[Int(source.entry)]
        let isExcluded =
            entry.excludedSlot == slot && entry.excludedGeneration == core.connections.generation(of: slot)
        if !isExcluded {
            let frame = unsafe ByteView(
                base: channel.pointee.log.pointer(at: source.cursor), count: Int(entry.end - source.cursor))
            enqueueInContext(slot, source.channel, frame)
            core.counters.deliveries += 1
        }
        unsafe subscribers[Int(core.subscriptions[source.subscription].pointee.position)].cursor = entry.end
        source.cursor = entry.end
        source.entry += 1
        flush.sources[chosen] = source
    }

    private mutating func enqueueInContext(_ slot: UInt32, _ channelSlot: UInt32, _ frame: ByteView) {
        let channel = unsafe core.channels[channelSlot].pointee
        if channel.window != 0 {
            // Compressed for all readers of the window.
            core.leaveContext(slot)
            return core.addToOutbox(slot, frame)
        }
        let payload = FrameWriter.payload(of: frame)
        guard channel.deflateMode == .dedicated, core.isWorthDeflating(payload.count),
            core.isDeflatedAtOnce(payload.count)
        else { return core.addToOutbox(slot, frame) }
        flush.deflatedBytes += payload.count
        let topic = DeflateTopic(channel: channelSlot, generation: core.channels.generation(of: channelSlot))
        if let range = core.appendInContext(slot, payload, opcode: Opcode.text, topic: topic) {
            core.addToOutbox(slot, core.deflate.output.view.slice(from: range.lowerBound, count: range.count))
            core.deflate.output.removeAll()
        } else {
            core.addToOutbox(slot, frame)
        }
    }
}
