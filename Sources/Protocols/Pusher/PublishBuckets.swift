import ClarionEngine
import Glibc
import Synchronization

/// How much each application may publish over HTTP on the whole node, and how often that was refused; workers share it
/// without a lock. Has a bucket for every application that a node may have; those of numbers that are not in use take
/// address space only.
@safe public final class PublishBuckets: Sendable {
    /// Points to `PusherLimits.applicationsMax` words (`BucketRule`); owned by this object. Zeros are full buckets.
    nonisolated(unsafe) private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let overRate = Atomic<Int>(0)
    private let behind = Atomic<Int>(0)

    public init() {
        guard let memory = unsafe calloc(PusherLimits.applicationsMax, MemoryLayout<Atomic<UInt64>>.stride) else {
            preconditionFailure("no memory for the buckets of applications")
        }
        unsafe words = unsafe memory.bindMemory(to: Atomic<UInt64>.self, capacity: PusherLimits.applicationsMax)
    }

    deinit { unsafe free(words) }

    /// Requests that were refused with 429 because their application had published as much as it may.
    public var overRateCount: Int { overRate.load(ordering: .relaxed) }

    /// Requests that were refused with 503 because the node was behind.
    public var behindCount: Int { behind.load(ordering: .relaxed) }

    func noteOverRate() { overRate.wrappingAdd(1, ordering: .relaxed) }

    func noteBehind() { behind.wrappingAdd(1, ordering: .relaxed) }

    /// Whole seconds until application number `index` may publish again, at least 1; nil when it may now.
    func secondsToWait(_ index: Int, _ rule: BucketRule, now: UInt64) -> Int? {
        guard rule.isOn else { return nil }
        let wait = rule.wait(fullAt: unsafe word(index).pointee.load(ordering: .relaxed), now: now)
        return wait == 0 ? nil : Int(min((wait + 999_999_999) / 1_000_000_000, 3_600))
    }

    /// Takes the tokens of `count` messages. A request that is let in is let in as a whole, if need be on credit.
    func take(_ count: Int, of index: Int, _ rule: BucketRule, now: UInt64) {
        guard rule.isOn else { return }
        let word = unsafe word(index)
        var seen = unsafe word.pointee.load(ordering: .relaxed)
        while true {
            let next = rule.taking(count, fullAt: seen, now: now)
            let (exchanged, original) = unsafe word.pointee.weakCompareExchange(
                expected: seen, desired: next, ordering: .relaxed)
            if exchanged { return }
            seen = original
        }
    }

    private func word(_ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        precondition(index >= 0 && index < PusherLimits.applicationsMax)
        return unsafe words + index
    }
}
