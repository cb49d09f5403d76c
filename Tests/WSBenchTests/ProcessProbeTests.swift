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
        #expect(ProcessProbe(processes: []).cpuNanoseconds() == nil)
    }
}
