import Synchronization
import Testing

@testable import WSBenchCore

@Suite struct LatencyCountsTests {
    @Test func everyTimeFallsIntoAClassThatIsNarrow() {
        var previous = -1
        for bits in 0..<38 as Range<UInt64> {
            for low in [0, 1, 2, 3] as [UInt64] {
                let time = (1 << bits) + low * ((1 << bits) / 4)
                let index = LatencyCounts.index(of: time)
                #expect(index >= 0 && index < LatencyCounts.classCount)
                #expect(index >= previous)
                previous = index
                let highest = LatencyCounts.highest(of: index)
                #expect(highest >= min(time, LatencyCounts.nanosecondsMax))
                #expect(Double(highest) <= Double(time) * 1.001 + 64)
            }
        }
    }

    @Test func classesFollowEachOtherWithoutAGap() {
        for index in 0..<(LatencyCounts.classCount - 1) {
            #expect(LatencyCounts.index(of: LatencyCounts.highest(of: index)) == index)
            #expect(LatencyCounts.index(of: LatencyCounts.highest(of: index) + 1) == index + 1)
        }
        #expect(LatencyCounts.index(of: .max) == LatencyCounts.classCount - 1)
    }

    @Test func aDistributionIsTheDifferenceOfTwoLooks() throws {
        let board = try Board(epoch: 0, channels: 1, loops: 2)
        board.loops[0].histogram(.latency).record(1_000, count: 10)
        let before = board.counts(.latency)
        board.loops[0].histogram(.latency).record(2_000_000, count: 98)
        board.loops[1].histogram(.latency).record(9_000_000, count: 2)
        let measured = LatencyDistribution(from: before, to: board.counts(.latency))
        #expect(measured.total == 100)
        #expect(measured.nanoseconds.count == 2)
        let p98 = Double(measured.nanoseconds(atPercentile: 98))
        let p99 = Double(measured.nanoseconds(atPercentile: 99))
        #expect(abs(p98 / 2_000_000 - 1) < 0.001)
        #expect(abs(p99 / 9_000_000 - 1) < 0.001)
        #expect(board.counts(.service).allSatisfy { $0 == 0 })
    }

    @Test func countersOfLoopsAreSummedAndTextsKept() throws {
        let board = try Board(epoch: 0, channels: 70, loops: 3)
        for (index, loop) in board.loops.enumerated() { loop.add(.lost, UInt64(index + 1)) }
        #expect(board.total(.lost) == 6)
        #expect(board.highest(.lost) == 3)
        #expect(board.total(.doubled) == 0)
        board.loops[1].leave(.failure, String(repeating: "ab", count: 300))
        #expect(board.text(.failure)?.count == LoopBoard.textBytesMax - 1)
        #expect(board.text(.latest) == nil)
        board.markMoved(channel: 69)
        #expect(board.takeMoved(word: 1) == 1 << 5)
        #expect(board.takeMoved(word: 1) == 0)
        #expect(board.completed(channel: 69) == 0)
    }
}
