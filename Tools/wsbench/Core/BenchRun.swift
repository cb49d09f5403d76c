import CBench
import Glibc
import Histogram
import Synchronization

/// Carries out a plan: connects, subscribes, starts the loops, watches the clock, and sums up.
public struct BenchRun {
    /// Without a delivery for so long a run is given up.
    static let stallNanoseconds: UInt64 = 5_000_000_000
    /// How long subscriptions may take to be in force, beyond a millisecond for each.
    static let subscribeNanosecondsMin: UInt64 = 10_000_000_000
    /// How often the controller looks.
    static let lookNanoseconds: UInt64 = 20_000_000
    /// How often the live line is drawn.
    static let progressNanoseconds: UInt64 = 500_000_000
    /// Open loop: positions between the slowest subscriber and the publisher.
    static let openLoopSpan = 1 << 16
    /// Descriptors for other things than connections.
    static let descriptorsReserved: UInt64 = 32

    private let plan: BenchPlan
    private let probe: ProcessProbe
    private var report: BenchReport
    private let progress: ProgressLine

    /// - Throws: when the plan cannot be carried out.
    public init(plan: BenchPlan) throws(BenchPlanError) {
        try plan.validate()
        self.plan = plan
        probe = ProcessProbe(processes: plan.serverProcesses)
        report = BenchReport(plan: plan)
        progress = ProgressLine(isOn: plan.showsProgress)
    }

    /// Carries the plan out. Blocks for as long as it takes.
    public mutating func run() throws(BenchPlanError) -> BenchReport {
        let limit = cbench_raise_descriptor_limit()
        guard UInt64(plan.connections) + Self.descriptorsReserved <= limit else {
            throw BenchPlanError(description: "\(plan.connections) connections do not fit into \(limit) descriptors")
        }
        let before = probe.memory()
        let connector = try Connector(plan: plan)
        let (connections, publisher) = connect(connector)
        guard !connections.isEmpty, publisher != nil || plan.shape == .echo else {
            report.failure = report.failure ?? "no connection could be opened"
            report.connectFailures = max(1, report.connectFailures)
            return report
        }
        if plan.shape == .idle { progress.wait(plan.warmupNanoseconds, saying: "settling") }
        let connected = probe.memory()
        let (board, loops) = unsafe prepare(connections, publisher)
        let threads = unsafe start(loops)
        if awaitSubscriptions(board), plan.shape != .idle { measure(board) }
        board.enter(.stopped)
        for thread in threads { pthread_join(thread, nil) }
        progress.clear()
        unsafe sumUp(board, loops)
        if let before, let connected {
            let count = Double(connections.count + (publisher == nil ? 0 : 1))
            report.memory = BenchReport.Memory(
                beforeBytes: before.residentBytes, connectedBytes: connected.residentBytes,
                endBytes: probe.memory()?.residentBytes ?? 0,
                residentBytesPerConnection: Double(connected.residentBytes - before.residentBytes) / count,
                proportionalBytesPerConnection: Double(connected.proportionalBytes - before.proportionalBytes) / count)
        }
        return report
    }

    // MARK: Before the run

    /// Opens all connections and subscribes them.
    private mutating func connect(_ connector: Connector) -> ([(OpenConnection, channel: Int)], OpenConnection?) {
        var open: [(OpenConnection, channel: Int)] = []
        open.reserveCapacity(plan.connections)
        let subscriptions = (0..<plan.channels).map { channel in
            plan.dialect.subscription(channel: plan.channelName(channel)).map {
                ClientFrame.build(opcode: 1, payload: Array($0.utf8))
            }
        }
        var next = 0
        while next < plan.connections {
            let count = min(Connector.batchMax, plan.connections - next)
            let batch = connector.open(first: next, count: count)
            if let failure = batch.failure { report.failure = report.failure ?? failure }
            report.connectFailures += count - batch.connections.count
            if batch.connections.isEmpty {  // the rest would fail in the same way, each after its time limit
                report.connectFailures += plan.connections - next - count
                break
            }
            for connection in batch.connections {
                let channel = open.count % plan.channels
                if let subscription = subscriptions[channel], !Connector.send(subscription, to: connection.descriptor) {
                    report.connectFailures += 1
                    cbench_close(connection.descriptor)
                    continue
                }
                open.append((connection, channel))
            }
            next += count
            progress.show("connecting \(open.count) of \(plan.connections)")
        }
        if plan.shape == .echo { return (open, nil) }
        let publisher = connector.open(first: 0, count: 1)
        if let failure = publisher.failure { report.failure = report.failure ?? failure }
        return (open, publisher.connections.first)
    }

    /// Deals the connections out to the loops; the publisher sits in the first.
    private func prepare(
        _ connections: [(OpenConnection, channel: Int)], _ publisher: OpenConnection?
    ) -> (Board, UnsafeMutableBufferPointer<BenchLoop>) {
        let threads = min(plan.threads, connections.count)
        let board = Board(
            epoch: cbench_now(), channels: plan.channels,
            loops: (0..<threads).map { _ in LoopBoard(channels: plan.channels) })
        let loops = UnsafeMutableBufferPointer<BenchLoop>.allocate(capacity: threads)
        var span = Self.openLoopSpan
        if case .window(let window) = plan.pace {
            span = 4
            while span < 2 * window { span *= 2 }
        }
        for index in 0..<threads {
            let first = connections.count * index / threads
            let last = connections.count * (index + 1) / threads
            var share = Array(connections[first..<last])
            if index == 0, let publisher { share.append((publisher, -1)) }
            var loop = BenchLoop(board: board, index: index, plan: plan, connections: share, frontierSpan: span)
            if index == 0, let publisher {
                loop.publisher = Publisher(
                    board: board, plan: plan, descriptor: publisher.descriptor, backlogMax: UInt64(span) - 2)
            }
            unsafe (loops.baseAddress! + index).initialize(to: loop)
        }
        return unsafe (board, loops)
    }

    private func start(_ loops: UnsafeMutableBufferPointer<BenchLoop>) -> [pthread_t] {
        (0..<loops.count).map { index in
            var thread = pthread_t()
            let code = unsafe pthread_create(
                &thread, nil,
                { argument in
                    unsafe argument!.assumingMemoryBound(to: BenchLoop.self).pointee.run()
                    return nil
                }, unsafe loops.baseAddress! + index)
            precondition(code == 0, "no thread could be started")
            return thread
        }
    }

    /// Waits until each subscription has been seen to work.
    private mutating func awaitSubscriptions(_ board: Board) -> Bool {
        let deadline = cbench_now() + Self.subscribeNanosecondsMin + UInt64(plan.connections) * 1_000_000
        while true {
            let ready = board.loops.reduce(0) { $0 + $1.ready.load(ordering: .relaxed) }
            let alive = board.loops.reduce(0) { $0 + $1.alive.load(ordering: .relaxed) }
            if alive > 0, ready >= alive { return true }
            if alive == 0 || board.publisherIsGone.load(ordering: .relaxed) || cbench_now() > deadline {
                report.unsubscribed = max(alive - ready, alive == 0 ? plan.connections : 1)
                return false
            }
            progress.show("subscribed \(ready) of \(alive)")
            usleep(2_000)
        }
    }

    // MARK: The run

    /// Counters at a moment.
    private struct Sample {
        var time: UInt64
        var delivered: UInt64
        var published: UInt64
        var serverCPU: UInt64?
        var ownCPU: UInt64
    }

    private func sample(_ board: Board) -> Sample {
        let delivered = board.loops.reduce(0 as UInt64) { $0 + $1.delivered.load(ordering: .acquiring) }
        let published =
            plan.shape == .echo
            ? board.loops.reduce(0 as UInt64) { $0 + $1.sent.load(ordering: .acquiring) } : board.publishedTotal()
        return Sample(
            time: cbench_now(), delivered: delivered, published: published, serverCPU: probe.cpuNanoseconds(),
            ownCPU: cbench_own_cpu())
    }

    private mutating func measure(_ board: Board) {
        board.enter(.running)
        guard watch(board, for: plan.warmupNanoseconds, saying: "warming up") else { return finish(board) }
        let start = sample(board)
        board.measureStart.store(start.time - board.epoch, ordering: .relaxed)
        _ = watch(board, for: plan.durationNanoseconds, saying: "measuring")
        let end = sample(board)
        board.measureEnd.store(end.time - board.epoch, ordering: .relaxed)
        finish(board)

        report.seconds = Double(end.time - start.time) / 1e9
        report.published = end.published - start.published
        report.delivered = end.delivered - start.delivered
        report.publishedPerSecond = Double(report.published) / report.seconds
        report.deliveredPerSecond = Double(report.delivered) / report.seconds
        guard report.delivered > 0 else { return }
        report.ownMicrosecondsPerDelivery = Double(end.ownCPU - start.ownCPU) / 1e3 / Double(report.delivered)
        if let before = start.serverCPU, let after = end.serverCPU, after >= before {
            report.serverMicrosecondsPerDelivery = Double(after - before) / 1e3 / Double(report.delivered)
            report.serverCPUShare = Double(after - before) / 1e9 / report.seconds
        }
    }

    /// Lets time pass while messages flow. False when they stopped flowing.
    private mutating func watch(_ board: Board, for duration: UInt64, saying what: String) -> Bool {
        let end = cbench_now() + duration
        var moved = cbench_now()
        var drawn = moved
        var last = sample(board)
        var latest = last.delivered
        while true {
            let now = cbench_now()
            if now >= end { return true }
            usleep(UInt32(min(Self.lookNanoseconds, end - now) / 1_000 + 1))
            let delivered = board.loops.reduce(0 as UInt64) { $0 + $1.delivered.load(ordering: .relaxed) }
            if delivered != latest {
                latest = delivered
                moved = cbench_now()
            } else if cbench_now() - moved > Self.stallNanoseconds || board.publisherIsGone.load(ordering: .relaxed) {
                report.stalled = true
                return false
            }
            if progress.isOn, cbench_now() - drawn > Self.progressNanoseconds {
                drawn = cbench_now()
                progress.show("\(what): \(liveLine(board, since: &last))")
            }
        }
    }

    private func liveLine(_ board: Board, since last: inout Sample) -> String {
        let now = sample(board)
        let rate = Double(now.delivered - last.delivered) * 1e9 / Double(now.time - last.time)
        last = now
        var p50: UInt64 = 0
        var p99: UInt64 = 0
        var alive = 0
        for loop in board.loops {
            p50 = max(p50, loop.p50.load(ordering: .relaxed))
            p99 = max(p99, loop.p99.load(ordering: .relaxed))
            alive += loop.alive.load(ordering: .relaxed)
            loop.wantsPercentiles.store(true, ordering: .releasing)
        }
        return "\(Int(rate)) deliveries/s, \(alive) connections, p50 \(p50 / 1_000) µs, p99 \(p99 / 1_000) µs"
    }

    /// Lets what is in flight arrive.
    private func finish(_ board: Board) {
        board.enter(.draining)
        var moved = cbench_now()
        var latest: UInt64 = 0
        while cbench_now() - moved < Self.stallNanoseconds {
            let now = sample(board)
            let isComplete =
                plan.shape == .echo
                ? now.delivered >= now.published
                : (0..<plan.channels).allSatisfy {
                    unsafe board.completed(channel: $0) >= board.published[$0].load(ordering: .relaxed)
                }
            if isComplete { return }
            if now.delivered != latest {
                latest = now.delivered
                moved = cbench_now()
            }
            usleep(5_000)
        }
    }

    // MARK: After the run

    /// Adds up what the loops, which have ended, kept to themselves, and gives their memory back.
    private mutating func sumUp(_ board: Board, _ loops: UnsafeMutableBufferPointer<BenchLoop>) {
        var latencies = unsafe loops[0].latencies
        for index in 0..<loops.count {
            if index > 0 { unsafe latencies.add(loops[index].latencies) }
            unsafe loops[index].closeBooks()
            let loop = unsafe loops[index]
            report.lost += loop.ledger.lost
            report.doubled += loop.ledger.doubled
            report.reordered += loop.ledger.reordered
            report.disconnected += loop.faults.disconnected
            report.invalidFrames += loop.faults.invalidFrames
            report.foreign += loop.faults.foreign
            report.heldBack += loop.publisher?.heldBack ?? 0
            if !loop.faults.latestText.isEmpty { report.latestText = loop.faults.latestText }
            unsafe loops[index].free()
        }
        unsafe loops.baseAddress!.deinitialize(count: loops.count)
        unsafe loops.deallocate()
        var distribution = LatencyDistribution()
        for value in latencies.recordedValues() {
            distribution.append(nanoseconds: value.value, count: value.count)
        }
        report.latency = BenchReport.Latency(distribution)
    }
}
