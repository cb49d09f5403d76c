import ClarionBytes
import ScriptedBackend
import Testing

@testable import ClarionEngine

/// Time as a worker counts it.
struct CoreTimersTests {
    private static let second: UInt64 = 1_000_000_000

    private func core() throws -> Core { try ScriptedNode(ScriptedNode.Plan()).cores[0] }

    @Test
    func ticksAddUp() throws {
        let core = try core()
        let start = core.lastNanoseconds
        let tick = core.nowTick
        for step in 1...1600 { core.advanceClock(to: start + UInt64(step) * 10_000_000, slept: 0) }
        #expect(core.nowTick == tick + 16 * Clock.ticksPerSecond && core.counters.clockPauses == 0)
    }

    /// A process that was stopped has not heard its peers: that time is not theirs.
    @Test
    func aPauseDoesNotCount() throws {
        let core = try core()
        let start = core.lastNanoseconds
        let tick = core.nowTick
        core.advanceClock(to: start + 600 * CoreTimersTests.second, slept: 0)
        #expect(core.nowTick == tick && core.counters.clockPauses == 1)
        core.advanceClock(to: start + 700 * CoreTimersTests.second, slept: 2 * CoreTimersTests.second)
        #expect(core.nowTick == tick + 2 * Clock.ticksPerSecond && core.counters.clockPauses == 2)
    }

    /// A sleep that was asked for is no pause, however long.
    @Test
    func aLongSleepCounts() throws {
        let core = try core()
        let start = core.lastNanoseconds
        let tick = core.nowTick
        core.advanceClock(to: start + 60 * CoreTimersTests.second, slept: 60 * CoreTimersTests.second)
        #expect(core.nowTick == tick + 60 * Clock.ticksPerSecond && core.counters.clockPauses == 0)
        // A turn that took long, but not as long as a pause.
        core.advanceClock(to: start + 64 * CoreTimersTests.second, slept: 0)
        #expect(core.nowTick == tick + 64 * Clock.ticksPerSecond)
    }
}
