import CPosix
import ClarionEngine
import ClarionLog
import ClarionService
import Glibc
import Synchronization

/// Looks whether every worker's loop still turns: asks each by mail and notes when it answered. A worker that does not
/// answer for too long has the process end, so that a supervisor can start it anew; the service manager hears from the
/// node only while all workers answer.
final class Watchdog: Sendable {
    private struct State {
        /// When each worker answered last, and whether it has been asked since.
        var answered: [UInt64]
        var isAsked: [Bool]
    }

    private static let nanosecondsPerSecond: UInt64 = 1_000_000_000
    /// How long the stuck thread has to show its stack before the process ends without.
    private static let lastSeconds: UInt32 = 2

    private let node: Node
    private let manager: ServiceManager
    private let log: Logger
    /// Silence of a worker that ends the process; 0: none does.
    private let stuckNanoseconds: UInt64
    private let stepNanoseconds: UInt64
    private let state: Mutex<State>
    private let isOver = Atomic(false)

    /// Starts looking; nil when neither the setting nor the service manager asks for it.
    static func start(_ node: Node, seconds: Int, manager: ServiceManager, log: Logger) -> Watchdog? {
        let own = UInt64(max(seconds, 0)) * nanosecondsPerSecond
        let managers = manager.watchdogMicroseconds.map { $0 * 1000 } ?? 0
        guard let shortest = [own, managers].filter({ $0 > 0 }).min() else { return nil }
        let watchdog = Watchdog(node, own, step: max(shortest / 4, nanosecondsPerSecond / 20), manager, log)
        if own > 0 { cposix_show_stack_on_abort() }
        guard let thread = ServiceThread({ watchdog.run() }) else { return nil }
        thread.detach()
        return watchdog
    }

    private init(_ node: Node, _ stuck: UInt64, step: UInt64, _ manager: ServiceManager, _ log: Logger) {
        self.node = node
        self.manager = manager
        self.log = log
        stuckNanoseconds = stuck
        stepNanoseconds = step
        let count = node.workerCount
        let now = cposix_monotonic_nanoseconds()
        state = Mutex(
            State(answered: Array(repeating: now, count: count), isAsked: Array(repeating: false, count: count)))
    }

    /// Ends it: from now on workers may leave.
    func stop() { isOver.store(true, ordering: .releasing) }

    private func run() {
        var last = cposix_monotonic_nanoseconds()
        while !isOver.load(ordering: .acquiring) {
            usleep(UInt32(min(stepNanoseconds / 1000, UInt64(UInt32.max))))
            if isOver.load(ordering: .acquiring) { return }
            let now = cposix_monotonic_nanoseconds()
            // A pause of the whole process is nobody's fault.
            let paused = now - last > 2 * stepNanoseconds ? now - last - stepNanoseconds : 0
            last = now
            let silent = look(now, paused: paused)
            if silent == nil {
                if manager.watchdogMicroseconds != nil { manager.tell("WATCHDOG=1") }
            } else if let silent, stuckNanoseconds > 0, now - silent.since > stuckNanoseconds {
                end(silent.worker, seconds: Int((now - silent.since) / Watchdog.nanosecondsPerSecond))
            }
        }
    }

    /// Asks all who have answered; who has not for longer than a step, and since when.
    private func look(_ now: UInt64, paused: UInt64) -> (worker: Int, since: UInt64)? {
        var silent: (worker: Int, since: UInt64)?
        for worker in 0..<node.workerCount {
            let mustAsk = state.withLock { state in
                if paused > 0 { state.answered[worker] += paused }
                if state.isAsked[worker] && now > state.answered[worker] + 2 * stepNanoseconds {
                    if state.answered[worker] < silent?.since ?? UInt64.max {
                        silent = (worker, state.answered[worker])
                    }
                }
                defer { state.isAsked[worker] = true }
                return !state.isAsked[worker]
            }
            if mustAsk { node.call(worker: worker) { [self] core in answer(core.workerIndex) } }
        }
        return silent
    }

    private func answer(_ worker: Int) {
        let now = cposix_monotonic_nanoseconds()
        state.withLock {
            $0.answered[worker] = now
            $0.isAsked[worker] = false
        }
    }

    private func end(_ worker: Int, seconds: Int) {
        log.error("a worker is stuck; the process ends", ["worker": LogValue(worker), "seconds": LogValue(seconds)])
        log.flush(withinMilliseconds: 1_000)
        node.abort(worker: worker)
        sleep(Watchdog.lastSeconds)
        abort()
    }
}
