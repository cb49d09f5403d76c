import Glibc
import Testing

@testable import WSBenchCore

@Suite struct ProcessProbeTests {
    @Test func timesAreCountedFromTheEndOfTheName() {
        let stat = "12 (a (b) c) S 1 12 12 0 -1 4194560 1 2 3 4 500 60 0 0 20 0 1 0 100 0 0"
        #expect(ProcessProbe.cpuTicks(inStat: stat) == 560)
        #expect(ProcessProbe.cpuTicks(inStat: "12 (a") == nil)
        #expect(ProcessProbe.cpuTicks(inStat: "12 (a) S 1") == nil)
    }

    @Test func kilobytesAreReadByName() {
        let table = "7f-80 ---p [rollup]\nRss:                1234 kB\nPss:                 567 kB\nPss_Anon: 5 kB\n"
        #expect(ProcessProbe.kilobytes("Rss:", in: table) == 1_234)
        #expect(ProcessProbe.kilobytes("Pss:", in: table) == 567)
        #expect(ProcessProbe.kilobytes("Swap:", in: table) == nil)
    }

    @Test func aProcessThatIsNotThereHasNoNumbers() {
        let nobody = ProcessProbe(processes: [Int32.max])
        #expect(nobody.cpuNanoseconds() == nil)
        #expect(nobody.memory() == nil)
        #expect(nobody.waitNanoseconds() == nil)
        #expect(ProcessProbe(processes: []).cpuNanoseconds() == nil)
        #expect(ProcessProbe(processes: []).waitNanoseconds() == nil)
    }

    @Test func descriptorsAreCounted() throws {
        // Other tests open and close some meanwhile; these are more than they do.
        let own = ProcessProbe(processes: [getpid()])
        let before = try #require(own.descriptors())
        let opened = (0..<500).map { _ in unsafe open("/dev/null", O_RDONLY) }
        defer { for descriptor in opened { close(descriptor) } }
        #expect(opened.allSatisfy { $0 >= 0 })
        #expect(try #require(own.descriptors()) > before + 250)
        #expect(ProcessProbe(processes: [Int32.max]).descriptors() == nil)
    }

    @Test func ticksOfTheMachineAreAddedUp() throws {
        let text = "cpu  100 20 30 400 5 6 7 32 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
        let ticks = try #require(MachineMoment.ticks(inStat: text))
        #expect(ticks == (all: 600, stolen: 32))
        #expect(MachineMoment.ticks(inStat: "cpu  1 2 3\n") == nil)
        #expect(MachineMoment.ticks(inStat: "intr 1 2 3 4 5 6 7 8 9\n") == nil)
        #expect(MachineMoment.ticks(inStat: "") == nil)
    }

    @Test func theMachineKnowsWhatThisProcessWaited() throws {
        let own = ProcessProbe(processes: [getpid()])
        let before = try #require(MachineMoment(server: ProcessProbe(processes: []), own: own))
        let waited = try #require(before.ownWait)
        #expect(before.serverWait == nil && before.processorTicks > before.stolenTicks)
        // Each waking waits for a processor, if only for nanoseconds.
        var latest = waited
        for _ in 0..<500 where latest == waited {
            usleep(10_000)
            latest = try #require(own.waitNanoseconds())
        }
        #expect(latest > waited)
        let after = try #require(MachineMoment(server: own, own: own))
        #expect(after.stolenShare(since: before).map { $0 >= 0 && $0 <= 1 } != false)
        #expect(before.stolenShare(since: before) == nil)
    }
}
