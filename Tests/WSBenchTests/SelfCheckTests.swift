import Testing

@testable import WSBenchCore

@Suite struct SelfCheckTests {
    private func judge(
        _ pace: BenchPace = .rate(100), latency: UInt64 = 1_000_000, change: (inout BenchReport) -> Void
    ) -> (refusals: [String], caveats: [String]) {
        var plan = BenchPlan(shape: .fanout, dialect: .json, host: "h", port: 1, path: "/")
        plan.pace = pace
        var report = BenchReport(plan: plan)
        report.seconds = 1
        report.latency = single(latency)
        change(&report)
        return SelfCheck.judge(report, plan)
    }

    private func single(_ nanoseconds: UInt64) -> BenchReport.Latency? {
        var distribution = LatencyDistribution()
        distribution.append(nanoseconds: nanoseconds, count: 100)
        return BenchReport.Latency(distribution)
    }

    @Test func aQuietRunStands() {
        let verdict = judge { $0.selfMeasure.busyShare = 0.5 }
        #expect(verdict.refusals.isEmpty && verdict.caveats.isEmpty)
    }

    @Test func aBusyLoopFalsifiesAnOpenLoop() {
        #expect(judge { $0.selfMeasure.busyShare = 0.97 }.refusals.count == 1)
        let closed = judge(.window(1)) { $0.selfMeasure.busyShare = 0.97 }
        #expect(closed.refusals.isEmpty && closed.caveats.count == 1)
    }

    @Test func sendingLateFalsifiesOnlyWhatItDistorts() {
        #expect(judge(latency: 4_000_000) { $0.selfMeasure.sendLag = single(3_000_000) }.refusals.count == 1)
        #expect(judge(latency: 40_000_000) { $0.selfMeasure.sendLag = single(3_000_000) }.refusals.isEmpty)
        #expect(judge(latency: 100_000) { $0.selfMeasure.sendLag = single(90_000) }.refusals.isEmpty)
        #expect(judge(.window(1)) { $0.selfMeasure.sendLag = single(3_000_000) }.refusals.isEmpty)
    }

    @Test func longTurnsFalsifyOnlyWhatTheyDistort() {
        #expect(judge(latency: 20_000_000) { $0.selfMeasure.turn = single(19_000_000) }.refusals.count == 1)
        #expect(judge(latency: 90_000_000) { $0.selfMeasure.turn = single(19_000_000) }.refusals.isEmpty)
    }

    @Test func whatWasNotSentIsSaid() {
        let server = judge { $0.selfMeasure.sentRatio = 0.7 }
        #expect(server.refusals.isEmpty && server.caveats[0].contains("the server did not take more"))
        let slow = judge {
            $0.selfMeasure.sentRatio = 0.7
            $0.heldBack = 1
        }
        #expect(slow.caveats[0].contains("slowest subscriber"))
        let own = judge {
            $0.selfMeasure.sentRatio = 0.7
            $0.selfMeasure.busyShare = 1
        }
        #expect(own.refusals.count == 2)
    }

    @Test func stolenProcessorsAreSaid() {
        let verdict = judge { $0.selfMeasure.stolenShare = 0.032 }
        #expect(verdict.refusals.isEmpty && verdict.caveats.count == 1)
        #expect(verdict.caveats[0].contains("took 3.2 % of the processors' time"))
        #expect(judge { $0.selfMeasure.stolenShare = 0.009 }.caveats.isEmpty)
    }

    @Test func boundsAreRead() {
        #expect(LatencyBound("p99=20ms") == LatencyBound(percentile: 99, nanoseconds: 20_000_000))
        #expect(LatencyBound("p99.9=500us") == LatencyBound(percentile: 99.9, nanoseconds: 500_000))
        #expect(LatencyBound("p50=1.5s") == LatencyBound(percentile: 50, nanoseconds: 1_500_000_000))
        for bad in ["", "p99", "99=1ms", "p0=1ms", "p101=1ms", "p99=", "p99=0ms", "p99=1", "p99=1h", "p99=1ms=2"] {
            #expect(LatencyBound(bad) == nil, "\(bad)")
        }
    }

    @Test func aScheduleKeepsItsDistancesAndStartsAnew() {
        var schedule = Schedule()
        var dues: [UInt64] = []
        for _ in 0..<4 {
            dues.append(schedule.due(rate: 1_000, now: 500))
            schedule.take()
        }
        #expect(dues == [500, 1_000_500, 2_000_500, 3_000_500])
        #expect(schedule.due(rate: 2_000, now: 9_000) == 9_000)
        schedule.reset()
        #expect(schedule.due(rate: 2_000, now: 77) == 77)
    }
}
