import Synchronization

/// A token bucket in one word: the moment, in nanoseconds of the monotonic clock, at which it is full again. Every
/// event moves that moment by the time that one token takes. (The generic cell rate algorithm of ATM, ITU-T I.371.)
///
/// It may be overdrawn: who took more than there was is let in, and all wait until the debt is paid. So what is let in
/// is exact in the long run, whatever the size of one event.
public struct BucketRule: Sendable, Equatable {
    /// Tokens that come in a second; 0: there is no bound.
    public var perSecond: Int
    /// Tokens that a full bucket holds; at least 1.
    public var burst: Int

    public init(perSecond: Int, burst: Int) {
        self.perSecond = min(max(perSecond, 0), BucketRule.tokensMax)
        self.burst = min(max(burst, 1), BucketRule.tokensMax)
    }

    public var isOn: Bool { perSecond > 0 }

    /// More would not fit the arithmetic.
    public static let tokensMax = 1 << 32
    private static let second: UInt64 = 1_000_000_000
    /// A debt is never longer than this: nobody waits for hours because somebody else took much at once.
    private static let debtNanosecondsMax: UInt64 = 60 * second

    /// Nanoseconds in which so many tokens come.
    private func nanoseconds(_ tokens: Int) -> UInt64 {
        let (product, overflows) = UInt64(max(tokens, 0)).multipliedReportingOverflow(by: BucketRule.second)
        return overflows || perSecond <= 0 ? UInt64.max >> 1 : product / UInt64(perSecond)
    }

    /// Tokens that are there; 0 in debt.
    public func tokens(fullAt: UInt64, now: UInt64) -> Int {
        if fullAt <= now { return burst }
        let missing = fullAt - now
        let all = nanoseconds(burst)
        if missing >= all { return 0 }
        return Int(min(UInt64(burst), (all - missing) / max(nanoseconds(1), 1)))
    }

    /// Nanoseconds until there is a token; 0 when there is one.
    public func wait(fullAt: UInt64, now: UInt64) -> UInt64 {
        let latest = now &+ nanoseconds(burst) - min(nanoseconds(1), nanoseconds(burst))
        return fullAt > latest ? fullAt - latest : 0
    }

    /// The word behind taking `count` tokens.
    public func taking(_ count: Int, fullAt: UInt64, now: UInt64) -> UInt64 {
        let later = max(fullAt, now).addingReportingOverflow(nanoseconds(count))
        let latest = now &+ nanoseconds(burst) &+ BucketRule.debtNanosecondsMax
        return later.overflow ? latest : min(later.partialValue, latest)
    }
}

/// A bucket of the whole node: workers share it without a lock.
public final class SharedBucket: Sendable {
    private let fullAt = Atomic<UInt64>(0)

    public init() {}

    /// Tokens that are there; 0 in debt. Another worker may be taking them at the same time.
    public func tokens(_ rule: BucketRule, now: UInt64) -> Int {
        rule.tokens(fullAt: fullAt.load(ordering: .relaxed), now: now)
    }

    /// Nanoseconds until there is a token; 0 when there is one.
    public func wait(_ rule: BucketRule, now: UInt64) -> UInt64 {
        rule.wait(fullAt: fullAt.load(ordering: .relaxed), now: now)
    }

    /// Takes tokens, whether they are there or not.
    public func take(_ count: Int, _ rule: BucketRule, now: UInt64) {
        var seen = fullAt.load(ordering: .relaxed)
        while true {
            let next = rule.taking(count, fullAt: seen, now: now)
            let (exchanged, original) = fullAt.weakCompareExchange(expected: seen, desired: next, ordering: .relaxed)
            if exchanged { return }
            seen = original
        }
    }
}
