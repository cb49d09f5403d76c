import ClarionBytes
import ClarionLoop
import ClarionTransport

// The flush of TLS connections: what a plain connection would be sent is encrypted into one piece, and that is sent.
// Encrypted bytes count as delivered: the peer gets them or the connection ends. What a full socket does not take waits
// with the connection (`SecureLink.sealed`), and nothing more is encrypted for it until that has left.

extension WorkerLoop where B: ~Copyable {
    /// Sends encrypted bytes that wait. True when there were some: they go alone.
    mutating func flushSealed(_ slot: UInt32) -> Bool {
        let sealed = core.sealedView(slot)
        if sealed.isEmpty { return false }
        let handle = unsafe core.connections[slot].pointee.handle
        let index = unsafe backend.send(handle, bytes: sealed.base, count: sealed.count)
        unsafe (flush.records + index).initialize(
            to: SendRecord(kind: .waitingSealed, connection: slot, count: UInt32(sealed.count)))
        flush.recordCount = index + 1
        return true
    }

    /// Encrypts the first bytes of what `record` would send, and sends them. How many of its bytes that is.
    mutating func sealAndQueue(
        _ slot: UInt32, _ bytes: UnsafePointer<UInt8>, _ count: Int, _ record: SendRecord
    ) -> Int {
        let taken = record.kind == .log ? wholeMessages(record, count) : min(count, SecureLimits.sealedAtOnceBytesMax)
        let target = unsafe flush.sealing + flush.sealingUsed
        guard let sealedCount = unsafe core.seal(slot, bytes, count: taken, to: target) else {
            // A session that has failed, or is gone: nothing is owed to it.
            flush.failed.append(slot)
            return count
        }
        let offset = flush.sealingUsed
        flush.sealingUsed += sealedCount
        let handle = unsafe core.connections[slot].pointee.handle
        let index = unsafe backend.send(handle, bytes: target, count: sealedCount)
        unsafe (flush.records + index).initialize(
            to: SendRecord(
                kind: .sealed, connection: slot, count: UInt32(sealedCount), start: UInt64(offset),
                messages: record.kind == .log ? 0 : 1))
        flush.recordCount = index + 1
        return taken
    }

    /// Bytes of a run of a log that are encrypted at once: up to the end of a message, if one ends within the bound.
    private func wholeMessages(_ record: SendRecord, _ count: Int) -> Int {
        let most = SecureLimits.sealedAtOnceBytesMax
        if count <= most { return count }
        let channel = unsafe core.channels[record.channel]
        let reached = record.start + UInt64(most)
        let begun = unsafe channel.pointee.log.beginning(ofEntry: channel.pointee.log.entryIndex(behind: reached))
        return begun > record.start ? Int(begun - record.start) : most
    }

    /// Whether another connection's bytes can be encrypted in this flush.
    var canSeal: Bool { flush.sealingUsed + FlushState.sealedBytesMax <= FlushState.sealingBytes }

    /// What became of encrypted bytes. The rest waits with the connection.
    mutating func accountForSealed(_ record: SendRecord, taken: Int) {
        let count = Int(record.count)
        if record.kind == .waitingSealed {
            core.consumeSealed(record.connection, taken)
            // What else there is for it waited behind them.
            if taken == count { core.markDirty(record.connection) }
            return
        }
        if taken < count {
            let rest = unsafe flush.sealing + Int(record.start) + taken
            unsafe core.enqueueSealed(record.connection, ByteView(base: rest, count: count - taken))
        } else if record.messages > 0 {
            flush.drained.append(record.connection)
        }
    }

    /// Tells peers of TLS connections that are about to end so, in one batch. Best effort: a full socket takes nothing.
    mutating func sayFarewells() {
        var used = 0
        var queued = 0
        var hasKernelSealed = false
        for index in 0..<core.commands.count {
            let command = core.commands[index]
            guard command.kind == .close || command.kind == .shutdownSending else { continue }
            let connection = unsafe core.connections[command.slot]
            if unsafe connection.pointee.flags.isKernelSealed {
                hasKernelSealed = true
                continue
            }
            guard unsafe connection.pointee.flags.intersection([.secured, .handshaking, .hasSealed]) == .secured,
                unsafe !connection.pointee.flags.contains(.blocked), queued < flush.sendBatchMax,
                used + SecurePort.farewellCountMax <= FlushState.sealingBytes
            else { continue }
            let link = unsafe core.secureLinks[command.slot]
            if unsafe link.pointee.saidFarewell { continue }
            unsafe link.pointee.saidFarewell = true
            let target = unsafe flush.sealing + used
            let count = unsafe core.writeFarewell(command.slot, to: target)
            if count == 0 { continue }
            unsafe _ = backend.send(connection.pointee.handle, bytes: target, count: count)
            used += count
            queued += 1
        }
        if queued > 0 { backend.submitSends() }
        if !hasKernelSealed { return }
        // Each goes at once, so not between those of the batch.
        for index in 0..<core.commands.count {
            let command = core.commands[index]
            guard command.kind == .close || command.kind == .shutdownSending else { continue }
            if unsafe core.connections[command.slot].pointee.flags.isKernelSealed { sayKernelFarewell(command.slot) }
        }
    }
}

extension FlushState {
    /// Room for what one connection's bytes become, and for those of a flush.
    static let sealedBytesMax = SecurePort.sealedCountMax(SecureLimits.sealedAtOnceBytesMax)
    static let sealingBytes = 16 * sealedBytesMax
}
