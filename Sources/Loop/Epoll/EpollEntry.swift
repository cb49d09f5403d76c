/// What Epoll knows of one descriptor. The table is indexed by the descriptor's number; a zeroed entry is a free one.
///
/// Invariant: the kernel watches the descriptor exactly when `watched` ≠ 0, and then for these events. Being watched for
/// nothing is avoided, because a connection that has failed would be reported for ever (EPOLLERR cannot be masked).
struct EpollEntry: BitwiseCopyable {
    /// What the worker calls the connection; after `close`, the token of the `.closed` completion.
    var token: UInt64
    /// Changes with each accept and each close; an event that carries another one is stale.
    var generation: UInt32
    /// The next descriptor in the list this entry is in (starved or closed), or -1.
    var next: Int32
    /// The previous one in the starved list, or -1.
    var previous: Int32
    var flags: Flags
    /// The events the kernel watches this descriptor for; 0 means that it is not in the epoll set.
    var watched: UInt8

    struct Flags: OptionSet, BitwiseCopyable {
        let rawValue: UInt8
        /// Accepted and not yet given to `close`.
        static let open = Flags(rawValue: 1)
        /// `receive` was called and the end has not been reported.
        static let reading = Flags(rawValue: 2)
        /// Reading rests because the worker wants so.
        static let paused = Flags(rawValue: 4)
        /// Reading rests because no buffer was free; in the starved list.
        static let starved = Flags(rawValue: 8)
        /// `awaitWritable` waits for its answer.
        static let writing = Flags(rawValue: 16)
    }

    var wantsReading: Bool {
        flags.intersection([.reading, .paused, .starved]) == .reading
    }
}

/// A queued send. Points to the worker's bytes, which stay until `submitSends` has returned.
@safe struct PendingSend: BitwiseCopyable {
    var bytes: UnsafePointer<UInt8>?
    var count: Int
    var handle: Handle
}

/// A listening descriptor of the worker; a zeroed one is unused.
struct EpollListener: BitwiseCopyable {
    var descriptor: Int32
    var token: UInt64
    /// When accepting goes on after a pause, in monotonic nanoseconds; 0 when it does not rest.
    var resumeAt: UInt64
}
