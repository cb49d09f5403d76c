import CBench
import Glibc
import WSBenchReport

/// Carries out a plan: connects, subscribes, starts the loops, watches the clock, and sums up. Several plans are
/// carried out at the same time, each with connections and numbers of its own.
public struct BenchRun {
    /// Without a delivery for so long a run is given up.
    static let stallNanoseconds: UInt64 = 5_000_000_000
    /// At least so many messages of a slow open loop must be missing before that.
    static let stallMessages = 5.0
    /// How long subscriptions may take to be in force, beyond a millisecond for each.
    static let subscribeNanosecondsMin: UInt64 = 10_000_000_000
    /// How long nothing may come to stand while connections are opened: longer than one may take.
    static let silenceNanosecondsMax: UInt64 = Handshake.timeoutNanoseconds + 2_000_000_000
    /// How often the controller looks.
    static let lookNanoseconds: UInt64 = 10_000_000
    /// How often a sample is taken.
    static let sampleNanoseconds: UInt64 = 500_000_000

    let probe: ProcessProbe
    private var progress: ProgressDisplay
    private(set) var parts: [BenchPart] = []
    private let plans: [BenchPlan]
    private var samplers: [BenchSampler] = []
    var health: HealthProbe?

    /// - Throws: when the plan cannot be carried out.
    public init(plan: BenchPlan) throws(BenchPlanError) { try self.init(plans: [plan]) }

    /// - Parameter plans: the parts of a mix. The first one's warm-up, duration and server are everybody's.
    public init(plans: [BenchPlan]) throws(BenchPlanError) {
        guard let first = plans.first else { throw BenchPlanError(description: "a mix needs at least one part") }
        for plan in plans {
            do { try plan.validate() } catch {
                let part = plans.count > 1 ? "part \(plan.name ?? plan.shape.rawValue): " : ""
                throw BenchPlanError(description: part + error.description)
            }
        }
        self.plans = plans
        probe = ProcessProbe(processes: first.serverProcesses)
        progress = ProgressDisplay(style: first.progress)
    }

    /// Carries the plan out. Blocks for as long as it takes.
    public mutating func run() throws(BenchPlanError) -> BenchReport {
        try carryOut { run in run.measure() }
    }

    /// Connects, has `work` done, and sums up.
    mutating func carryOut(_ work: (inout BenchRun) -> Void) throws(BenchPlanError) -> BenchReport {
        let limit = Int(clamping: cbench_raise_descriptor_limit())
        if let gone = probe.missing() {
            throw BenchPlanError(description: "there is no process \(gone) to measure; check --server-pid")
        }
        let before = probe.memory()
        for plan in plans { parts.append(try BenchPart(plan: plan, descriptors: limit / plans.count)) }
        samplers = parts.map { BenchSampler(part: $0, probe: probe) }
        for part in parts { try part.fork() }
        for part in parts { part.start() }
        let isReady = awaitSubscriptions()
        if plans[0].shape == .idle { idle(for: plans[0].warmupNanoseconds, saying: "settling") }
        let connected = probe.memory()
        if isReady { work(&self) }
        for part in parts { part.stop() }
        for index in samplers.indices { samplers[index].take(phase: "draining", isLast: true) }
        health?.stop()
        progress.clear()
        for part in parts { sumUp(part) }
        var report = parts[0].report
        if let before, let connected {
            let count = Double(max(1, parts.reduce(0) { $0 + $1.board.total(.handshakes) }))
            report.memory = BenchReport.Memory(
                beforeBytes: before.residentBytes, connectedBytes: connected.residentBytes,
                endBytes: probe.memory()?.residentBytes ?? 0,
                residentBytesPerConnection: Double(connected.residentBytes - before.residentBytes) / count,
                proportionalBytesPerConnection: Double(connected.proportionalBytes - before.proportionalBytes) / count)
        }
        report.parts = parts.dropFirst().map(\.report)
        return report
    }

    /// Waits until each subscription has been seen to work.
    private mutating func awaitSubscriptions() -> Bool {
        let connections = plans.reduce(0) { $0 + $1.connections }
        let ramp = plans.reduce(0.0) { max($0, $1.connectRate > 0 ? Double($1.connections) / $1.connectRate : 0) }
        let slowestRamp = plans.map(\.connectRate).filter { $0 > 0 }.min() ?? .infinity
        let deadline =
            cbench_now() + Self.subscribeNanosecondsMin + UInt64(connections) * 1_000_000 + UInt64(ramp * 1e9)
        let start = cbench_now()
        var progressAt = cbench_now()
        var latest: UInt64 = 0
        while true {
            let done = parts.reduce(0) {
                $0 + $1.board.total(.handshakes) + $1.board.total(.ready) + $1.board.total(.connectFailures)
            }
            if done != latest {
                latest = done
                progressAt = cbench_now()
            }
            let isStuck = cbench_now() - progressAt > Self.silenceNanosecondsMax + UInt64(1e9 / slowestRamp)
            if parts.allSatisfy(\.isReady), parts.allSatisfy({ $0.board.total(.alive) > 0 }) { return true }
            if parts.contains(where: { !$0.isAlive }) || cbench_now() > deadline || isStuck {
                for part in parts { part.bookUnready() }
                return false
            }
            take(phase: "connecting")
            let isOpen = parts.allSatisfy { $0.board.total(.alive) >= UInt64($0.plan.connections) }
            show(isOpen ? "subscribing" : "connecting", since: start)
            usleep(2_000)
        }
    }

    // MARK: The run

    private mutating func measure() {
        if plans[0].shape == .idle {
            for part in parts { part.board.enter(.draining) }
            let start = BenchMoment(parts, probe)
            idle(for: plans[0].durationNanoseconds, saying: "measuring")
            return book(from: start, to: BenchMoment(parts, probe))
        }
        for part in parts { part.board.enter(.running) }
        if watch(for: plans[0].warmupNanoseconds, saying: "warming up") {
            let start = BenchMoment(parts, probe)
            for part in parts { part.board.set(.measureStart, start.time - part.board.epoch) }
            var storm = StormWatch(parts)
            _ = watch(for: plans[0].durationNanoseconds, saying: "measuring") { run, now in
                storm.look(now - start.time, &run)
            }
            if storm.isUnderWay {
                _ = watch(for: StormWatch.returnNanosecondsMax, saying: "waiting for the dropped") { run, now in
                    storm.look(now - start.time, &run)
                    return storm.isUnderWay
                }
            }
            let end = BenchMoment(parts, probe)
            for part in parts { part.board.set(.measureEnd, end.time - part.board.epoch) }
            finish()
            storm.book()
            book(from: start, to: end)
        } else {
            finish()
        }
    }

    /// Writes the measured interval into the reports.
    func book(from start: BenchMoment, to end: BenchMoment) {
        let seconds = Double(end.time - start.time) / 1e9
        let delivered = end.delivered.reduce(0, +) - start.delivered.reduce(0, +)
        for (index, part) in parts.enumerated() {
            part.report.book(from: start, to: end, part: index)
            if index == 0 {
                // The server's work and ours are those of all parts.
                let each = Double(max(1, delivered))
                if delivered > 0 {
                    part.report.ownMicrosecondsPerDelivery = Double(end.ownCPU - start.ownCPU) / 1e3 / each
                }
                if let before = start.serverCPU, let after = end.serverCPU, after >= before {
                    if delivered > 0 { part.report.serverMicrosecondsPerDelivery = Double(after - before) / 1e3 / each }
                    part.report.serverCPUShare = Double(after - before) / 1e9 / seconds
                }
            }
            part.report.selfMeasure = SelfCheck.measure(part, from: start, to: end, index: index)
        }
    }

    /// Lets time pass while nothing is sent.
    private mutating func idle(for duration: UInt64, saying what: String) {
        let end = cbench_now() + duration
        while cbench_now() < end {
            take(phase: what)
            show(what, since: end - duration, of: duration)
            usleep(UInt32(min(200_000_000, end - min(end, cbench_now())) / 1_000 + 1))
        }
    }

    /// Lets time pass while messages flow. False when they stopped flowing.
    /// - Parameter look: called often with the time; false ends the wait.
    mutating func watch(
        for duration: UInt64, saying what: String, look: (inout BenchRun, UInt64) -> Bool = { _, _ in true }
    ) -> Bool {
        let end = cbench_now() + duration
        var moved = cbench_now()
        var latest = delivered
        while true {
            let now = cbench_now()
            if now >= end { return true }
            if !look(&self, now) { return true }
            usleep(UInt32(min(Self.lookNanoseconds, end - now) / 1_000 + 1))
            if delivered != latest {
                latest = delivered
                moved = cbench_now()
            } else if cbench_now() - moved > stallLimit || parts.contains(where: { !$0.isAlive }) {
                parts[0].report.stalled = true
                return false
            }
            take(phase: what)
            show(what, since: end - duration, of: duration)
        }
    }

    private var delivered: UInt64 { parts.reduce(0) { $0 + $1.board.total(.delivered) } }

    /// How long nothing may arrive.
    private var stallLimit: UInt64 {
        var limit = Self.stallNanoseconds
        for part in parts {
            if case .rate(let rate) = part.plan.pace {
                limit = max(limit, UInt64(min(3_600, Self.stallMessages / rate) * 1e9))
            }
            if part.plan.shape == .presence {
                limit = max(limit, UInt64(Self.stallMessages / part.plan.churnRate * 1e9))
            }
        }
        return limit
    }

    /// Takes samples if it is time. True when it was.
    @discardableResult
    mutating func take(phase: String) -> Bool {
        var isTaken = false
        for index in samplers.indices where samplers[index].take(phase: phase) { isTaken = true }
        return isTaken
    }

    /// Shows where the run stands, if it is time for that.
    private mutating func show(_ phase: String, since start: UInt64, of total: UInt64? = nil) {
        guard progress.isDue(phase: phase) else { return }
        let samples = parts.compactMap(\.report.samples.last)
        let rate = samples.reduce(0) { $0 + $1.deliveredPerSecond }
        // The parts of a mix have latencies of their own; the line shows the worst.
        let worst = samples.max { $0.p99 < $1.p99 }.flatMap { $0.p99 > 0 ? $0 : nil }
        let now = cbench_now()
        progress.show(
            ProgressMoment(
                phase: phase, elapsedSeconds: Double(now - min(now, start)) / 1e9,
                totalSeconds: total.map { Double($0) / 1e9 }, deliveredPerSecond: rate > 0 ? rate : nil,
                connections: parts.reduce(0) { $0 + Int($1.board.total(.alive)) },
                connectionsWanted: plans.reduce(0) { $0 + $1.connections }, p50: worst?.p50, p99: worst?.p99,
                errors: parts.reduce(0) { $0 + $1.errors }))
    }

    /// Lets what is in flight arrive. False when some of it does not.
    @discardableResult
    mutating func finish() -> Bool {
        for part in parts { part.board.enter(.draining) }
        var moved = cbench_now()
        var latest = delivered
        while cbench_now() - moved < Self.stallNanoseconds {
            if parts.allSatisfy(\.isComplete) { return true }
            if delivered != latest {
                latest = delivered
                moved = cbench_now()
            }
            take(phase: "draining")
            usleep(5_000)
        }
        return false
    }

    // MARK: After the run

    /// Adds up what the loops, which have ended, left on the board.
    private func sumUp(_ part: BenchPart) {
        part.report.sumUp(part.board, part.plan, since: part.baseline)
        if part.plan.shape == .storm { part.report.storm?.take(health) }
        let verdict = SelfCheck.judge(part.report, part.plan)
        part.report.refusals = verdict.refusals
        part.report.caveats = verdict.caveats
    }
}
