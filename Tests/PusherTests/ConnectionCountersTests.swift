import Testing

@testable import ClarionPusher

@Suite struct ConnectionCountersTests {
    @Test func placesAreTakenAndGivenBack() {
        let counters = ConnectionCounters()
        #expect(counters.acquire(0, limit: 2) && counters.acquire(0, limit: 2))
        #expect(!counters.acquire(0, limit: 2))
        #expect(counters.acquire(1, limit: 2))
        counters.release(0)
        #expect(counters.acquire(0, limit: 2))
        #expect(counters.value(0) == 2 && counters.value(1) == 1)
        #expect(!counters.acquire(1, limit: 0))
        #expect(counters.acquire(0, limit: nil))
        #expect(counters.openedTotal(0) == 4 && counters.openedTotal(1) == 1)
    }

    @Test func theLimitHoldsBetweenThreads() async {
        let counters = ConnectionCounters()
        let taken = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask { (0..<1_000).count { _ in counters.acquire(0, limit: 1_500) } }
            }
            return await group.reduce(0, +)
        }
        #expect(taken == 1_500 && counters.value(0) == 1_500)
    }
}
