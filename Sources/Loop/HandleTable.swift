// What a backend knows of its connections: one entry per handle, and the list of those that wait for receive buffers.

/// What a backend knows of one handle. A zeroed entry is a free one.
struct HandleEntry: BitwiseCopyable {
    /// What the worker calls the connection; after `close`, the token of the `.closed` completion.
    var token: UInt64
    /// Changes with each accept; an event or completion that carries another one is stale. Below
    /// `Token.generationLimit`.
    var generation: UInt32
    /// The neighbours in the list this entry is in (starved, or closed), or -1.
    var next: Handle
    var previous: Handle
    var flags: Flags
    /// Epoll: the events the kernel watches the descriptor for; 0 means that it is not in the epoll set.
    var watched: UInt16

    struct Flags: OptionSet, BitwiseCopyable {
        let rawValue: UInt16
        /// Accepted and not yet given to `close`.
        static let open = Flags(rawValue: 1)
        /// `receive` was called and the end has not been told.
        static let reading = Flags(rawValue: 2)
        /// Reading rests because the worker wants so.
        static let paused = Flags(rawValue: 4)
        /// Reading rests because no buffer was free; in the starved list.
        static let starved = Flags(rawValue: 8)
        /// `awaitWritable` waits for its answer. Uring: a poll is in flight.
        static let writing = Flags(rawValue: 16)
        /// Uring: a multishot receive is in flight.
        static let receiveArmed = Flags(rawValue: 32)
        /// Uring: that receive has been asked to end.
        static let receiveCancelled = Flags(rawValue: 64)
        /// Given to `close`; its `.closed` is still to come.
        static let closing = Flags(rawValue: 128)
        /// Uring: a shutdown is in flight. The kernel carries it out on a thread of its own and looks the handle up
        /// there, so the handle may not become another connection's before it is done.
        static let shuttingDown = Flags(rawValue: 256)
        /// The kernel makes records of TLS of what is sent.
        static let sealedByKernel = Flags(rawValue: 512)
    }

    /// Whether the worker wants bytes and nothing else holds them up.
    var wantsReading: Bool {
        flags.intersection([.reading, .paused, .starved]) == .reading
    }
}

/// The entries of a backend, by handle, and its starved list, first come first served.
///
/// Invariant: an entry is in the starved list exactly when its flags say so.
struct HandleTable: ~Copyable {
    private let memory: ReservedMemory<HandleEntry>
    private var starvedFirst: Handle = -1
    private var starvedLast: Handle = -1

    init(count: Int) throws(LoopError) {
        memory = try ReservedMemory(count: count)
    }

    var count: Int { memory.count }
    var hasStarved: Bool { starvedFirst >= 0 }

    /// The entry of any handle of the table, valid as long as the table.
    subscript(handle: Handle) -> UnsafeMutablePointer<HandleEntry> {
        precondition(handle >= 0 && Int(handle) < memory.count)
        return unsafe memory.base + Int(handle)
    }

    /// The entry of a handle that the worker may use.
    func open(_ handle: Handle) -> UnsafeMutablePointer<HandleEntry> {
        let entry = unsafe self[handle]
        unsafe precondition(entry.pointee.flags.contains(.open))
        return unsafe entry
    }

    /// A new life for a free entry.
    func admit(_ handle: Handle) {
        let entry = unsafe self[handle]
        unsafe precondition(entry.pointee.flags == [])
        let generation = unsafe (entry.pointee.generation + 1) % (1 << 24)
        unsafe entry.pointee = HandleEntry(
            token: 0, generation: generation, next: -1, previous: -1, flags: .open, watched: 0)
    }

    mutating func starve(_ handle: Handle) {
        let entry = unsafe self[handle]
        if unsafe entry.pointee.flags.contains(.starved) { return }
        unsafe entry.pointee.flags.insert(.starved)
        unsafe entry.pointee.next = -1
        unsafe entry.pointee.previous = starvedLast
        if starvedLast >= 0 { unsafe self[starvedLast].pointee.next = handle } else { starvedFirst = handle }
        starvedLast = handle
    }

    /// Takes a handle out of the starved list if it is there.
    mutating func relieve(_ handle: Handle) {
        let entry = unsafe self[handle]
        guard unsafe entry.pointee.flags.contains(.starved) else { return }
        let next = unsafe entry.pointee.next
        let previous = unsafe entry.pointee.previous
        if next >= 0 { unsafe self[next].pointee.previous = previous } else { starvedLast = previous }
        if previous >= 0 { unsafe self[previous].pointee.next = next } else { starvedFirst = next }
        unsafe entry.pointee.flags.remove(.starved)
        unsafe entry.pointee.next = -1
    }

    /// The handle that starves longest, taken out of the list; nil when there is none.
    mutating func relieveFirst() -> Handle? {
        guard starvedFirst >= 0 else { return nil }
        let handle = starvedFirst
        relieve(handle)
        return handle
    }
}
