public import ClarionEngine
import Glibc
import Synchronization

/// How much may be published over HTTP on the whole node, and how often that was refused; workers share it without a
/// lock.
public final class BroadcastGate: Sendable {
    private let rule: BucketRule
    private let bucket = SharedBucket()
    private let refused = Atomic<Int>(0)

    public init(_ rule: BucketRule = BucketRule(perSecond: 0, burst: 1)) { self.rule = rule }

    /// Requests that were refused because there was no token.
    public var refusedCount: Int { refused.load(ordering: .relaxed) }

    /// Takes the token of one message. False when there is none: then one comes within a second.
    func lets() -> Bool {
        if !rule.isOn { return true }
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        let now = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        if bucket.wait(rule, now: now) > 0 {
            refused.wrappingAdd(1, ordering: .relaxed)
            return false
        }
        bucket.take(1, rule, now: now)
        return true
    }
}
