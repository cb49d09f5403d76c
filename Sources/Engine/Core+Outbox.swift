import ClarionBytes
import ClarionWire

// What is sent to one connection only: replies, HTTP answers, control frames, the rest of a frame that was cut.

extension Core {
    /// The bytes of the outbox that wait. Valid until the outbox changes.
    func outboxView(_ slot: UInt32) -> ByteView {
        let connection = unsafe connections[slot]
        guard let base = unsafe connection.pointee.outbox.base else { return ByteView("") }
        let start = unsafe Int(connection.pointee.outboxStart)
        return unsafe ByteView(base: base + start, count: Int(connection.pointee.outboxEnd) - start)
    }

    /// Room for `count` more bytes at the end of the outbox; they count as written.
    private func extendOutbox(_ slot: UInt32, by count: Int) -> UnsafeMutablePointer<UInt8> {
        let connection = unsafe connections[slot]
        let start = unsafe Int(connection.pointee.outboxStart)
        var used = unsafe Int(connection.pointee.outboxEnd)
        if start > 0, unsafe used + count > Int(connection.pointee.outbox.capacity),
            let base = unsafe connection.pointee.outbox.base
        {
            used -= start
            unsafe memmoveBytes(to: base, from: base + start, count: used)
            unsafe connection.pointee.outboxStart = 0
            unsafe connection.pointee.outboxEnd = UInt32(used)
        }
        unsafe pool.grow(&connection.pointee.outbox, used: used, to: used + count)
        guard let base = unsafe connection.pointee.outbox.base else { preconditionFailure("an outbox without memory") }
        unsafe connection.pointee.outboxEnd = UInt32(used + count)
        unsafe connection.pointee.flags.insert(.hasOutbox)
        return unsafe base + used
    }

    /// Queues bytes as they are. They leave in the next flush.
    func enqueue(_ slot: UInt32, _ bytes: ByteView) {
        if bytes.isEmpty { return }
        addToOutbox(slot, bytes)
        markDirty(slot)
    }

    /// As `enqueue`, by a flush that sends them itself.
    func addToOutbox(_ slot: UInt32, _ bytes: ByteView) {
        unsafe extendOutbox(slot, by: bytes.count).update(from: bytes.base, count: bytes.count)
    }

    /// Takes `count` bytes off the front; gives the memory back when nothing is left.
    func consumeOutbox(_ slot: UInt32, _ count: Int) {
        let connection = unsafe connections[slot]
        unsafe connection.pointee.outboxStart += UInt32(count)
        unsafe assert(connection.pointee.outboxStart <= connection.pointee.outboxEnd)
        if unsafe connection.pointee.outboxStart == connection.pointee.outboxEnd {
            unsafe pool.give(&connection.pointee.outbox)
            unsafe connection.pointee.outboxStart = 0
            unsafe connection.pointee.outboxEnd = 0
            unsafe connection.pointee.flags.remove(.hasOutbox)
        }
    }

    /// Sends one WebSocket message to one connection.
    func reply(_ slot: UInt32, opcode: UInt8, payload: ByteView) {
        let connection = unsafe connections[slot]
        guard unsafe connection.pointee.phase == .open, unsafe !connection.pointee.flags.contains(.closing) else {
            return
        }
        let waiting = unsafe Int(connection.pointee.outboxEnd - connection.pointee.outboxStart)
        let headerCount = FrameWriter.headerCount(payloadCount: payload.count, masked: false)
        let bound = unsafe max(limits.outboxBytesMax, 2 * Int(connection.pointee.messageBytesMax))
        if waiting + headerCount + payload.count > bound {
            // It does not read what it asked for: the same as a slow reader. What waits still leaves, if it reads.
            return closeWithFarewell(slot, reason: .outboxFull)
        }
        counters.messagesOut += 1
        if let watcher { watcher.replied(payload, opcode: opcode, to: socketNumber(of: slot)) }
        if let range = appendDeflatedReply(slot, opcode: opcode, payload: payload) {
            enqueue(slot, deflate.output.view.slice(from: range.lowerBound, count: range.count))
            deflate.output.removeAll()
            return
        }
        let target = unsafe extendOutbox(slot, by: headerCount + payload.count)
        unsafe FrameWriter.writeHeader(
            opcode: opcode, isFinal: true, rsv1: false, payloadCount: payload.count, maskKey: nil, to: target)
        unsafe (target + headerCount).update(from: payload.base, count: payload.count)
        markDirty(slot)
    }

    /// Queues a control frame, also while closing.
    func sendControl(_ slot: UInt32, opcode: UInt8, payload: ByteView) {
        let target = unsafe extendOutbox(slot, by: 2 + payload.count)
        unsafe FrameWriter.writeHeader(
            opcode: opcode, isFinal: true, rsv1: false, payloadCount: payload.count, maskKey: nil, to: target)
        unsafe (target + 2).update(from: payload.base, count: payload.count)
        markDirty(slot)
    }

    func sendCloseFrame(_ slot: UInt32, code: UInt16?, text: ByteView) {
        scratch.removeAll()
        FrameWriter.appendClose(code: code, reason: text, to: &scratch)
        enqueue(slot, scratch.view)
        scratch.removeAll()
        unsafe connections[slot].pointee.flags.insert(.closeFrameSent)
    }

    func giveBlocks(of slot: UInt32) {
        let connection = unsafe connections[slot]
        endDeflate(slot)
        unsafe pool.give(&connection.pointee.outbox)
        unsafe pool.give(&connection.pointee.message)
        unsafe pool.give(&connection.pointee.scrap)
        unsafe connection.pointee.outboxStart = 0
        unsafe connection.pointee.outboxEnd = 0
        unsafe connection.pointee.messageCount = 0
        unsafe connection.pointee.messageStart = 0
        unsafe connection.pointee.flags.remove(.hasOutbox)
    }
}
