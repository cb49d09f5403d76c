import CBench
import Synchronization

/// Where a run stands. The controller moves it on; the loops follow within a turn.
enum BenchPhase: UInt32 {
    /// Probes are published until every subscription is seen to be in force.
    case probing
    /// Messages flow.
    case running
    /// No message is sent any more; those in flight arrive.
    case draining
    /// The loops end.
    case stopped
}

/// What the controller and the loops tell each other. Counters are written by one side only and read by the others.
@safe final class Board: @unchecked Sendable {
    let phase = Atomic<UInt32>(BenchPhase.probing.rawValue)
    /// Messages sent from here on are measured; nanoseconds since `epoch`.
    let measureStart = Atomic<UInt64>(.max)
    /// Messages sent from here on are not measured any more.
    let measureEnd = Atomic<UInt64>(.max)
    /// When time started to count, on the monotonic clock.
    let epoch: UInt64
    /// The newest sequence of each channel. Owned by the board for the life of the process: loops read it until they
    /// are joined.
    let published: UnsafeMutablePointer<Atomic<UInt64>>
    let channels: Int
    let loops: [LoopBoard]
    /// Set when the publisher's own connection is gone, after which nothing can be measured.
    let publisherIsGone = Atomic<Bool>(false)

    init(epoch: UInt64, channels: Int, loops: [LoopBoard]) {
        self.epoch = epoch
        self.channels = channels
        self.loops = loops
        unsafe published = unsafe Self.counters(channels, startingAt: 0)
    }

    static func counters(_ count: Int, startingAt value: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
        let counters = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: count)
        for index in 0..<count { unsafe (counters + index).initialize(to: Atomic(value)) }
        return unsafe counters
    }

    /// The newest message of a channel that every subscriber has.
    func completed(channel: Int) -> UInt64 {
        var lowest = UInt64.max
        for loop in loops { lowest = unsafe min(lowest, loop.frontiers[channel].load(ordering: .acquiring)) }
        return unsafe lowest == .max ? published[channel].load(ordering: .relaxed) : lowest - 1
    }

    func publishedTotal() -> UInt64 {
        (0..<channels).reduce(0) { unsafe $0 + published[$1].load(ordering: .relaxed) }
    }

    func enter(_ phase: BenchPhase) {
        self.phase.store(phase.rawValue, ordering: .releasing)
        for loop in loops { cbench_wake(loop.wake) }
    }
}

/// What one loop shows of itself to the others.
@safe final class LoopBoard: @unchecked Sendable {
    /// Messages received, each once.
    let delivered = Atomic<UInt64>(0)
    /// Messages sent by echoing connections.
    let sent = Atomic<UInt64>(0)
    /// Subscriptions seen to be in force.
    let ready = Atomic<Int>(0)
    /// Connections that still stand.
    let alive = Atomic<Int>(0)
    /// Set by the controller to ask for the two percentiles, cleared by the loop when they are there.
    let wantsPercentiles = Atomic<Bool>(false)
    let p50 = Atomic<UInt64>(0)
    let p99 = Atomic<UInt64>(0)
    /// For each channel the lowest sequence that one of the loop's subscribers still expects; `UInt64.max` without a
    /// subscriber. Owned by the board for the life of the process.
    let frontiers: UnsafeMutablePointer<Atomic<UInt64>>
    /// An eventfd that ends the loop's wait.
    let wake: Int32

    init(channels: Int) {
        unsafe frontiers = unsafe Board.counters(channels, startingAt: .max)
        wake = cbench_wake_create()
    }
}
