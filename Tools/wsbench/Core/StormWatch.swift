import CBench
import Glibc
import Synchronization

/// Starts the storms of a run at their time and sees who comes back.
struct StormWatch {
    /// How long those who were dropped may take to come back once the measured time is over.
    static let returnNanosecondsMax: UInt64 = 120_000_000_000
    /// How often the server's health is asked for.
    static let healthPauseMicroseconds: UInt32 = 20_000

    private struct Storm {
        let part: BenchPart
        var startedAt: UInt64 = 0
        var readyBefore: UInt64 = 0
        var lostBefore: UInt64 = 0
        var isOver = false
    }

    private var storms: [Storm]

    init(_ parts: [BenchPart]) {
        storms = parts.filter { $0.plan.shape == .storm }.map { Storm(part: $0) }
    }

    /// Whether a storm has begun and not everybody is back.
    var isUnderWay: Bool { storms.contains { $0.startedAt > 0 && !$0.isOver } }

    /// Looks after the storms.
    /// - Parameter elapsed: nanoseconds since the measured time began.
    @discardableResult
    mutating func look(_ elapsed: UInt64, _ run: inout BenchRun) -> Bool {
        for index in storms.indices {
            let part = storms[index].part
            let board = part.board
            if storms[index].startedAt == 0 {
                if run.health == nil { run.health = HealthProbe(plan: part.plan) }
                guard elapsed >= part.plan.stormAfterNanoseconds else { continue }
                part.report.rampFromBoard(board)
                storms[index].readyBefore = board.total(.ready)
                storms[index].lostBefore = board.total(.disconnected)
                storms[index].startedAt = board.now
                run.health?.reset()
                board.set(.storms, board[.storms] + 1)
                board.wakeAll()
            } else if !storms[index].isOver, board.now - storms[index].startedAt > BenchRun.lookNanoseconds * 5 {
                let lost = board.total(.disconnected) - storms[index].lostBefore
                if board.total(.dropped) > 0, board.total(.ready) + lost >= storms[index].readyBefore {
                    storms[index].isOver = true
                    run.health?.pause()
                }
            }
        }
        return true
    }

    /// Writes what was seen into the reports.
    func book() {
        for storm in storms where storm.startedAt > 0 {
            let board = storm.part.board
            var report = BenchReport.Storm()
            report.dropped = Int(board.total(.dropped))
            report.atSeconds = Double(storm.startedAt) / 1e9
            let missing = Int(storm.readyBefore) - Int(board.total(.ready))
            report.returned = report.dropped - max(0, min(report.dropped, missing))
            report.failedAttempts = board.total(.failedAttempts)
            if storm.isOver {
                report.secondsUntilAllBack = Double(board.highest(.latestReadyAt) - storm.startedAt) / 1e9
            }
            let last = board.highest(.latestHandshakeAt)
            if last > storm.startedAt {
                report.handshakesPerSecond = Double(report.returned) * 1e9 / Double(last - storm.startedAt)
            }
            storm.part.report.storm = report
        }
    }
}

/// Asks for the server's health path again and again, each time over a connection of its own, as a balancer does.
final class HealthProbe: @unchecked Sendable {
    private let connector: Connector?
    private let request: [UInt8]
    private let state = Mutex(State())
    private var thread = pthread_t()

    private struct State {
        var nanoseconds: [UInt64] = []
        var failures = 0
        var isOn = false
        var isStopped = false
    }

    init(plan: BenchPlan) {
        connector = try? Connector(plan: plan, handshake: Handshake(plan: plan))
        request = Array(
            "GET \(plan.healthPath) HTTP/1.1\r\nHost: \(plan.host):\(plan.port)\r\nConnection: close\r\n\r\n".utf8)
        let me = unsafe Unmanaged.passUnretained(self)
        let code = unsafe pthread_create(
            &thread, nil,
            { argument in
                unsafe Unmanaged<HealthProbe>.fromOpaque(argument!).takeUnretainedValue().run()
                return nil
            }, unsafe me.toOpaque())
        precondition(code == 0, "no thread could be started")
    }

    /// Forgets what was measured, and measures.
    func reset() {
        state.withLock {
            $0.nanoseconds = []
            $0.failures = 0
            $0.isOn = true
        }
    }

    /// Measures no more.
    func pause() { state.withLock { $0.isOn = false } }

    /// Ends the thread.
    func stop() {
        state.withLock { $0.isStopped = true }
        pthread_join(thread, nil)
    }

    /// The times of the answers in nanoseconds, and how many did not come.
    var result: (nanoseconds: [UInt64], failures: Int) { state.withLock { ($0.nanoseconds, $0.failures) } }

    private func run() {
        cbench_prefer_thread()
        while true {
            let (isOn, isStopped) = state.withLock { ($0.isOn, $0.isStopped) }
            if isStopped { return }
            if isOn {
                let start = cbench_now()
                let isGood = ask()
                let time = cbench_now() - start
                state.withLock { if isGood { $0.nanoseconds.append(time) } else { $0.failures += 1 } }
            }
            usleep(StormWatch.healthPauseMicroseconds)
        }
    }

    private func ask() -> Bool {
        guard let socket = try? connector?.connect(timeoutMilliseconds: Connector.greetingMilliseconds) else {
            return false
        }
        defer { socket.close() }
        guard socket.sendAll(request) else { return false }
        let answer = unsafe [UInt8](unsafeUninitializedCapacity: 4_096) { buffer, count in
            count = unsafe max(0, socket.receive(buffer.baseAddress, 4_096))
        }
        return String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 200")
    }
}

extension BenchReport {
    /// How the connections came to stand, before some of them are dropped.
    mutating func rampFromBoard(_ board: Board) {
        let first = board.firstOpenAt
        rampSeconds = Double(board.highest(.latestHandshakeAt) - first) / 1e9
        handshakesPerSecond = rampSeconds > 0 ? Double(board.total(.handshakes)) / rampSeconds : 0
    }
}

extension BenchReport.Storm {
    /// Takes over what the health path answered.
    mutating func take(_ probe: HealthProbe?) {
        guard let result = probe?.result else { return }
        var distribution = LatencyDistribution()
        var counts: [UInt64: UInt64] = [:]
        for time in result.nanoseconds { counts[time, default: 0] += 1 }
        for time in counts.keys.sorted() { distribution.append(nanoseconds: time, count: counts[time] ?? 0) }
        up = BenchReport.Latency(distribution)
        upFailures = result.failures
    }
}
