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

    @Test func aServerThatIsNotThereIsSaid() throws {
        let server = FaultyServer(fault: .nothing, pieceBytes: 1)
        server.stop()
        let plan = BenchPlan(shape: .fanout, dialect: .json, host: "127.0.0.1", port: server.port, path: "/ws")
        var run = try BenchRun(plan: plan)
        let report = try run.run()
        #expect(report.connectFailures > 0)
        #expect(report.failure != nil)
        #expect(!report.isGood)
    }
}
