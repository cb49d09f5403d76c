import ClarionBytes

/// One message in a channel's log.
struct LogEntry: BitwiseCopyable {
    /// Position behind its last byte.
    var end: UInt64
    /// When it came to this worker, counted in messages: orders the messages of several channels.
    var stamp: UInt64
    /// Its number in the channel, given by the home, from 1.
    var offset: UInt64
    /// A connection that must not get it: slot and generation; the generation is 0 when there is none.
    var excludedSlot: UInt32
    var excludedGeneration: UInt32
}

/// A worker's copy of the newest messages of a channel: encoded frames, one behind the other in one piece of memory.
///
/// Positions count bytes from the first message on and never go back. A subscriber is a position; what it lacks is one
/// contiguous run of bytes. Sends are over when the flush that made them returns, so bytes may move at any other time.
/// Invariants: start ≤ every position handed out ≤ head; the bytes start ..< head are at the front of `bytes`; entry
/// ends rise and the last is head; no memory is held while the log is empty.
struct ChannelLog: BitwiseCopyable {
    var bytes = Block()
    var entryBlock = Block()
    /// Position of the first byte held, and behind the last.
    var start: UInt64 = 0
    var head: UInt64 = 0
    var entryCount: UInt32 = 0

    var byteCount: Int { Int(head - start) }

    /// Points to `entryCount` entries inside `entryBlock`. Only while there are any.
    var entries: UnsafeMutablePointer<LogEntry>? {
        guard let base = unsafe entryBlock.base else { return nil }
        return unsafe UnsafeMutableRawPointer(base).assumingMemoryBound(to: LogEntry.self)
    }

    /// Points to the byte at `position`, start ≤ position < head.
    func pointer(at position: UInt64) -> UnsafePointer<UInt8> {
        guard let base = unsafe bytes.base else { preconditionFailure("an empty log was read") }
        assert(position >= start && position <= head)
        return unsafe UnsafePointer(base + Int(position - start))
    }

    /// The index of the first entry that ends behind `position`.
    func entryIndex(behind position: UInt64) -> Int {
        guard let entries = unsafe entries else { return 0 }
        var low = 0
        var high = Int(entryCount)
        while low < high {
            let middle = (low + high) / 2
            if unsafe entries[middle].end > position { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// The position where entry `index` begins.
    func beginning(ofEntry index: Int) -> UInt64 {
        guard let entries = unsafe entries, index > 0 else { return start }
        return unsafe entries[index - 1].end
    }

    /// Whether `count` more bytes and one more entry fit without more memory.
    func fits(_ count: Int) -> Bool {
        byteCount + count <= Int(bytes.capacity)
            && (Int(entryCount) + 1) * MemoryLayout<LogEntry>.stride <= Int(entryBlock.capacity)
    }

    /// Appends a message; the caller has made room.
    mutating func append(
        _ frame: ByteView, stamp: UInt64, offset: UInt64, excludedSlot: UInt32, excludedGeneration: UInt32
    ) {
        guard let base = unsafe bytes.base, let entries = unsafe entries, fits(frame.count) else {
            preconditionFailure("a log without room")
        }
        unsafe (base + byteCount).update(from: frame.base, count: frame.count)
        head += UInt64(frame.count)
        unsafe (entries + Int(entryCount)).initialize(
            to: LogEntry(
                end: head, stamp: stamp, offset: offset, excludedSlot: excludedSlot,
                excludedGeneration: excludedGeneration))
        entryCount += 1
    }

    /// Forgets the first `count` messages.
    mutating func dropFirst(_ count: Int) {
        guard count > 0, let base = unsafe bytes.base, let entries = unsafe entries else { return }
        let newStart = beginning(ofEntry: count)
        let kept = Int(head - newStart)
        if kept > 0 { unsafe memmoveBytes(to: base, from: base + Int(newStart - start), count: kept) }
        let keptEntries = Int(entryCount) - count
        if keptEntries > 0 { unsafe entries.update(from: entries + count, count: keptEntries) }
        start = newStart
        entryCount = UInt32(keptEntries)
    }

    /// Makes room for `count` more bytes and one more entry.
    mutating func grow(_ count: Int, pool: inout BlockPool) {
        pool.grow(&bytes, used: byteCount, to: byteCount + count)
        let used = Int(entryCount) * MemoryLayout<LogEntry>.stride
        pool.grow(&entryBlock, used: used, to: used + MemoryLayout<LogEntry>.stride)
    }

    /// Forgets everything and gives the memory back. Positions go on from head.
    mutating func reset(pool: inout BlockPool) {
        start = head
        entryCount = 0
        pool.give(&bytes)
        pool.give(&entryBlock)
    }

    func checkInvariants() {
        precondition(start <= head)
        precondition(byteCount <= Int(bytes.capacity))
        guard entryCount > 0, let entries = unsafe entries else {
            precondition(start == head)
            return
        }
        unsafe precondition(entries[Int(entryCount) - 1].end == head)
        for index in 1..<max(Int(entryCount), 1) {
            unsafe precondition(entries[index].end > entries[index - 1].end)
            unsafe precondition(entries[index].stamp > entries[index - 1].stamp)
            unsafe precondition(entries[index].offset > entries[index - 1].offset)
        }
    }
}
