import Testing

@testable import WSBenchCore

/// Whole runs against a server that is right, or wrong in one known way.
@Suite struct BenchRunTests {
    private func run(
        _ fault: FaultyServer.Fault, pieceBytes: Int = 1 << 20, shape: BenchShape = .fanout,
        change: (inout BenchPlan) -> Void = { _ in }
    ) throws -> BenchReport {
        let server = FaultyServer(fault: fault, pieceBytes: pieceBytes)
        server.start()
        defer { server.stop() }
        var plan = BenchPlan(
            shape: shape, dialect: shape == .echo ? .raw : .json, host: "127.0.0.1", port: server.port, path: "/ws")
        plan.connections = 5
        plan.pace = .window(4)
        plan.warmupNanoseconds = 20_000_000
        plan.durationNanoseconds = 150_000_000
        change(&plan)
        var run = try BenchRun(plan: plan)
        return try run.run()
    }

    @Test func aRightServerIsFoundRight() throws {
        let report = try run(.nothing)
        #expect(report.isGood)
        #expect(report.published > 0)
        #expect(report.latency?.count ?? 0 > 0)
    }

    @Test func twoThreadsShareTheSubscribers() throws {
        let report = try run(.nothing) { $0.threads = 2 }
        #expect(report.isGood)
        #expect(report.delivered > 0)
    }

    @Test func framesMayBeCutAnywhere() throws {
        for pieceBytes in [1, 3, 7] { #expect(try run(.nothing, pieceBytes: pieceBytes).isGood) }
    }

    @Test(arguments: [200, 70_000, 300_000])
    func longPayloadsAreFollowedToTheirEnd(textBytes: Int) throws {
        let report = try run(.nothing, pieceBytes: 10_000) {
            $0.textBytes = textBytes
            $0.pace = .window(1)
            $0.warmupNanoseconds = 0
            $0.durationNanoseconds = 1_000_000_000
        }
        #expect(report.isGood)
        #expect(report.delivered > 0)
    }

    @Test func everyConnectionGetsItsOwnEcho() throws {
        let report = try run(.nothing, shape: .echo)
        #expect(report.isGood)
        #expect(report.delivered > 0)
    }

    @Test func burstsAndSchedulesWorkToo() throws {
        #expect(try run(.nothing) { $0.sendsBursts = true }.isGood)
        let report = try run(.nothing) { $0.pace = .rate(1_000) }
        #expect(report.isGood)
        #expect(report.published > 0)
        #expect(try run(.nothing, shape: .echo) { $0.pace = .rate(1_000) }.isGood)
    }

    @Test func anIdleRunProvesItsSubscriptions() throws {
        #expect(try run(.nothing, shape: .idle).isGood)
    }

    @Test func aLostMessageIsSeen() throws {
        let report = try run(.lose)
        #expect(report.lost == 1)
        #expect(report.doubled == 0)
        #expect(report.reordered == 0)
        #expect(!report.isGood)
    }

    @Test func aDoubledMessageIsSeen() throws {
        let report = try run(.double)
        #expect(report.doubled == 1)
        #expect(report.lost == 0)
        #expect(!report.isGood)
    }

    @Test func aReorderedMessageIsSeen() throws {
        let report = try run(.swap)
        #expect(report.reordered == 1)
        #expect(report.lost == 0)
        #expect(!report.isGood)
    }

    @Test(arguments: [FaultyServer.Fault.cut, .close])
    func aLostConnectionIsSeenAndHoldsNobodyBack(fault: FaultyServer.Fault) throws {
        let report = try run(fault)
        #expect(report.disconnected == 1)
        #expect(report.delivered > 0)
        #expect(!report.stalled)
        #expect(!report.isGood)
    }

    @Test func aLateMessageIsSeen() throws {
        let report = try run(.delay) {
            $0.pace = .rate(50)
            $0.lateNanoseconds = UInt64(FaultyServer.delayMicroseconds) * 1_000
            $0.warmupNanoseconds = 0
            $0.durationNanoseconds = 500_000_000
        }
        #expect(report.late >= 1)
        #expect(report.latency?.max ?? 0 >= Double(FaultyServer.delayMicroseconds))
        #expect(report.lost == 0)
        #expect(report.isGood)
    }

    @Test func theRatioOfDeliveryIsThatOfWhatCame() throws {
        let report = try run(.lose) {
            $0.pace = .rate(200)
            $0.connections = 2
        }
        #expect(report.deliveryRatio < 1)
        #expect(report.deliveryRatio > 0.9)
        #expect(try run(.nothing).deliveryRatio == 1)
    }

    @Test func aSubscriptionThatDoesNotEndIsSeen() throws {
        func churn(_ fault: FaultyServer.Fault) throws -> BenchReport {
            try run(fault, shape: .churn) {
                $0.pace = .rate(100)
                $0.churnRate = 1
                $0.churnShare = 0.9
                $0.durationNanoseconds = 1_600_000_000
            }
        }
        let right = try churn(.nothing)
        #expect(right.isGood)
        #expect(right.churn?.unsubscribed ?? 0 >= 1)
        let wrong = try churn(.deaf)
        #expect(wrong.churn?.afterEnd ?? 0 > 0)
        #expect(!wrong.isGood)
    }

    @Test func aMixMeasuresEachPartOnItsOwn() throws {
        let servers = [
            FaultyServer(fault: .nothing, pieceBytes: 1 << 20), FaultyServer(fault: .lose, pieceBytes: 1 << 20),
        ]
        defer { for server in servers { server.stop() } }
        let plans = servers.map { server in
            server.start()
            var plan = BenchPlan(shape: .fanout, dialect: .json, host: "127.0.0.1", port: server.port, path: "/ws")
            plan.connections = 3
            plan.warmupNanoseconds = 20_000_000
            plan.durationNanoseconds = 150_000_000
            return plan
        }
        var run = try BenchRun(plans: plans)
        let report = try run.run()
        #expect(report.lost == 0 && report.delivered > 0)
        #expect(report.parts.count == 1)
        #expect(report.parts[0].lost == 1)
        #expect(!report.isGood)
    }

    @Test func theHighestRateIsVerified() throws {
        let server = FaultyServer(fault: .nothing, pieceBytes: 1 << 20)
        server.start()
        defer { server.stop() }
        var plan = BenchPlan(shape: .fanout, dialect: .json, host: "127.0.0.1", port: server.port, path: "/ws")
        plan.connections = 2
        plan.pace = .rate(1)
        plan.reopens = true
        plan.durationNanoseconds = 100_000_000
        plan.warmupNanoseconds = 10_000_000
        var run = try BenchRun(plan: plan)
        // A bound that a machine with other work keeps, too; the server reads and writes one message at a time.
        let bound = LatencyBound(percentile: 50, nanoseconds: 200_000_000)
        let report = try run.findMax(FindMax(bound: bound, startRate: 200, precision: 1))
        let maximum = try #require(report.maximum)
        #expect(maximum.steps.count > 1)
        if let rate = maximum.rate { #expect(maximum.steps.last?.rate == rate && maximum.steps.last?.holds == true) }
        #expect(maximum.rate != nil || !report.isTrusted)
    }

    @Test func aServerThatIsNotThereIsSaid() throws {
        let server = FaultyServer(fault: .nothing, pieceBytes: 1)
        server.stop()
        let plan = BenchPlan(shape: .fanout, dialect: .json, host: "127.0.0.1", port: server.port, path: "/ws")
        var run = try BenchRun(plan: plan)
        let error = #expect(throws: BenchPlanError.self) { _ = try run.run() }
        #expect(error?.description.contains("start the server") == true)
    }
}
