import ClarionEngine
import Testing

@testable import ClarionPusher

/// Rows 4.10 and 4.11: what an application may publish over HTTP.
struct PublishBucketsTests {
    private static let second: UInt64 = 1_000_000_000

    @Test
    func eachApplicationHasItsOwn() {
        let buckets = PublishBuckets()
        let rule = BucketRule(perSecond: 10, burst: 5)
        let now = 7 * PublishBucketsTests.second
        #expect(buckets.secondsToWait(0, rule, now: now) == nil)
        buckets.take(5, of: 0, rule, now: now)
        #expect(buckets.secondsToWait(0, rule, now: now) == 1 && buckets.secondsToWait(1, rule, now: now) == nil)
        // A request is let in as a whole: 20 more take two seconds, and a tenth for the next.
        buckets.take(20, of: 0, rule, now: now)
        #expect(buckets.secondsToWait(0, rule, now: now) == 3)
        #expect(buckets.secondsToWait(0, rule, now: now + 2 * PublishBucketsTests.second) == 1)
        #expect(buckets.secondsToWait(0, rule, now: now + 3 * PublishBucketsTests.second) == nil)
        let none = BucketRule(perSecond: 0, burst: 1)
        buckets.take(1000, of: 1, none, now: now)
        #expect(buckets.secondsToWait(1, none, now: now) == nil && buckets.secondsToWait(1, rule, now: now) == nil)
    }

    @Test
    func fields() {
        #expect(
            [0, 1, 2, 4, 7, 11, 31, 3600].map { "\(RetryAfter.field($0))" }
                == [1, 1, 2, 5, 10, 30, 60, 60].map { "Retry-After: \($0)\r\n" })
    }
}
