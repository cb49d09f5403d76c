import CBench
import Glibc

/// One load of a run: its connections, the loops that drive them, and the processes the loops run in. A plain run has
/// one part, a mix several.
@safe final class BenchPart {
    /// Descriptors of a process for other things than connections.
    static let descriptorsReserved = 64

    let plan: BenchPlan
    let board: Board
    var report: BenchReport
    /// What is taken off the sums in the end: what happened before the last step of a search.
    var baseline = BenchBaseline()
    private let handshake: Handshake
    /// Kept for as long as the connections that it opened: their TLS tells it of new sessions.
    private let connector: Connector
    private let processes: Int
    private var publisher: Socket?
    private var httpPublishers: [Socket] = []
    private(set) var children: [Int32] = []
    private var loops = unsafe UnsafeMutableBufferPointer<BenchLoop>(start: nil, count: 0)
    private var threads: [pthread_t] = []

    /// Looks whether the server is there, and opens what publishes.
    /// - Parameter descriptors: the most that a process may have.
    init(plan: BenchPlan, descriptors: Int) throws(BenchPlanError) {
        self.plan = plan
        handshake = try Handshake(plan: plan)
        let usable = descriptors - Self.descriptorsReserved - plan.publishers - 2 * plan.threads
        let needed = usable > 0 ? (plan.connections - 1) / usable + 1 : Int.max
        processes = plan.processes == 0 ? needed : plan.processes
        guard processes >= needed else {
            throw BenchPlanError(
                description: "\(plan.connections) connections need \(needed) processes of at most \(usable) each, but "
                    + "--processes is \(plan.processes); leave it at 0, or raise ulimit -n")
        }
        guard processes * plan.threads <= BenchPlan.loopsMax, processes * plan.threads <= plan.connections else {
            throw BenchPlanError(
                description: "\(processes) processes with \(plan.threads) threads each are more than the "
                    + "\(min(BenchPlan.loopsMax, plan.connections)) there can be; lower --threads or --processes, or "
                    + "raise ulimit -n (now \(descriptors))")
        }
        guard plan.shape != .presence || plan.channels >= processes * plan.threads else {
            throw BenchPlanError(
                description: "presence needs at least as many --channels as threads in all processes "
                    + "(\(processes * plan.threads))")
        }
        report = BenchReport(plan: plan)
        report.processes = processes
        board = try Board(epoch: cbench_now(), channels: plan.channels, loops: processes * plan.threads)
        if case .rate(let rate) = plan.pace { board.set(.rate, rate.bitPattern) }
        connector = try Connector(plan: plan, handshake: handshake)
        let first = try connector.open()
        if plan.shape.hasPublisher { publisher = first } else { first.close() }
        if plan.shape == .publish {
            for _ in 0..<plan.publishers {
                let socket = try connector.connect()
                cbench_set_nonblocking(socket.descriptor)
                httpPublishers.append(socket)
            }
        }
    }

    /// The connections of a loop. Members of a presence channel stay together.
    private func connections(ofLoop index: Int) -> Range<Int> {
        let unit = plan.shape == .presence ? plan.membersPerChannel : 1
        let units = plan.connections / unit
        let count = board.loops.count
        return (units * index / count * unit)..<(units * (index + 1) / count * unit)
    }

    /// Starts the other processes. To be called before there are threads.
    func fork() throws(BenchPlanError) {
        for process in 1..<max(1, processes) {
            let child = cbench_fork()
            guard child >= 0 else {
                throw BenchPlanError(
                    description: "no process could be started (\(unsafe String(cString: strerror(-child))))")
            }
            if child == 0 {
                publisher?.abandon()
                for socket in httpPublishers { socket.abandon() }
                publisher = nil
                httpPublishers = []
                start(process: process)
                join()
                cbench_exit(0)
            }
            children.append(child)
        }
    }

    /// Starts the loops of this process.
    func start() { start(process: 0) }

    private func start(process: Int) {
        unsafe loops = UnsafeMutableBufferPointer<BenchLoop>.allocate(capacity: plan.threads)
        for place in 0..<plan.threads {
            let index = process * plan.threads + place
            let loop = BenchLoop(
                board: board, index: index, plan: plan, handshake: handshake, connections: connections(ofLoop: index),
                publisher: index == 0 ? publisher : nil, httpPublishers: index == 0 ? httpPublishers : [])
            unsafe (loops.baseAddress! + place).initialize(to: loop)
        }
        for place in 0..<plan.threads {
            var thread = pthread_t()
            let code = unsafe pthread_create(
                &thread, nil,
                { argument in
                    unsafe argument!.assumingMemoryBound(to: BenchLoop.self).pointee.run()
                    return nil
                }, unsafe loops.baseAddress! + place)
            precondition(code == 0, "no thread could be started")
            threads.append(thread)
        }
    }

    /// Waits for the loops of this process, which have been told to stop, and books what their readers lack.
    private func join() {
        for thread in threads { pthread_join(thread, nil) }
        threads = []
        for place in unsafe 0..<loops.count {
            unsafe loops[place].closeBooks()
            unsafe loops[place].free()
        }
        if let base = unsafe loops.baseAddress { unsafe base.deinitialize(count: loops.count) }
        unsafe loops.deallocate()
        unsafe loops = unsafe UnsafeMutableBufferPointer<BenchLoop>(start: nil, count: 0)
    }

    /// Ends the loops everywhere.
    func stop() {
        board.enter(.stopped)
        join()
        let deadline = cbench_now() + BenchRun.stallNanoseconds
        for child in children {
            while true {
                let state = cbench_has_ended(child)
                if state != 0 || cbench_now() > deadline {
                    if state != 1 {
                        report.failure = "a process of wsbench ended early; see what it said, or its memory"
                    }
                    if state == 0 { cbench_kill(child) }
                    report.isBroken = report.isBroken || state != 1
                    break
                }
                usleep(1_000)
            }
        }
        children = []
    }

    // MARK: What the controller looks at

    /// Whether all connections have been opened or given up, and all that stand are subscribed.
    var isReady: Bool {
        let done = board.total(.handshakes) + board.total(.connectFailures) + board.total(.slowClosed)
        return done >= UInt64(plan.connections) && board.total(.ready) >= board.total(.alive)
    }

    /// Says what is missing when not everything came to stand.
    func bookUnready() {
        let alive = Int(board.total(.alive))
        let unopened = plan.connections - Int(board.total(.handshakes) + board.total(.connectFailures))
        report.unopened = max(0, unopened)
        report.unsubscribed = max(0, alive - Int(board.total(.ready)))
        if report.unopened > 0 {
            report.failure =
                "\(handshake.server) took \(alive) of \(plan.connections) connections and then no more; raise its "
                + "limits (clarion: limits.connections_max, ulimit -n, --workers), or take fewer"
        } else if report.unsubscribed > 0 {
            report.failure = unsubscribedRemedy
        }
    }

    private var unsubscribedRemedy: String {
        switch plan.dialect {
        case .json, .uws:
            "no message came through some subscriptions; check --protocol, and that clients may publish "
                + "(clarion start --realtime-publish)"
        case .pusher: "the server did not confirm some subscriptions; check --app-key, --app-secret and its limits"
        case .raw: "some connections were lost before the run; look at the server's log"
        }
    }

    var isAlive: Bool { board[.publisherIsGone] == 0 && board.total(.connectFailures) < UInt64(plan.connections) }

    /// Whether everything that was sent has come.
    var isComplete: Bool { board.total(.pending) == 0 }

    var publishedTotal: UInt64 { plan.shape == .echo ? board.total(.sent) : board.publishedTotal() }

    /// CPU time of the other processes so far, in nanoseconds.
    var childrenCPU: UInt64 { children.isEmpty ? 0 : ProcessProbe(processes: children).cpuNanoseconds() ?? 0 }

    /// Faults so far that a later look cannot take back.
    var errors: UInt64 {
        [.lost, .doubled, .reordered, .disconnected, .invalidFrames, .foreign, .publishFailures].reduce(0) {
            $0 + board.total($1)
        }
    }
}
