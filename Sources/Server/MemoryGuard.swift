import CPosix
import ClarionEngine
import ClarionLog
import ClarionService
import Glibc
import Synchronization

/// Looks at the memory of the process, or of its control group, and tells the workers how near it is to its bound.
final class MemoryGuard: Sendable {
    /// Between two looks: while there is plenty, and from half of the bound on.
    private static let stepMicroseconds: UInt32 = 100_000
    private static let closeStepMicroseconds: UInt32 = 10_000
    /// Hundredths of the bound from which each level holds; one is left this much below where it began.
    private static let thresholds: [(level: MemoryLevel, percent: Int)] = [
        (.contexts, 70), (.logs, 78), (.readers, 85), (.connections, 92),
    ]
    private static let slackPercent = 4
    /// Hundredths of the bound that logs and waiting replies of all workers may have.
    static let blocksPercent = 40

    /// What is guarded: the memory of this process against the setting, or its control group's against its limit.
    enum Bound: Sendable {
        case resident(bytesMax: Int)
        case group(MemoryGroup)

        /// The setting, else the limits of the control group, else nil.
        init?(_ setting: Int) {
            if setting > 0 {
                self = .resident(bytesMax: setting)
            } else if let group = MemoryGroup() {
                self = .group(group)
            } else {
                return nil
            }
        }

        var bytesMax: Int {
            switch self {
            case .resident(let bytesMax): bytesMax
            case .group(let group): group.limitBytes
            }
        }

        /// How much of it is used now.
        func fill() -> MemoryGroup.Filling {
            switch self {
            case .resident(let bytesMax):
                MemoryGroup.Filling(bytes: ProcessFacts.residentBytes, limitBytes: bytesMax)
            case .group(let group): group.fullest()
            }
        }
    }

    private let node: Node
    private let bound: Bound
    private let log: Logger
    private let isOver = Atomic(false)

    /// Starts looking.
    static func start(_ node: Node, _ bound: Bound, log: Logger) -> MemoryGuard? {
        let memoryGuard = MemoryGuard(node, bound, log)
        guard let thread = ServiceThread({ memoryGuard.run() }) else { return nil }
        thread.detach()
        return memoryGuard
    }

    private init(_ node: Node, _ bound: Bound, _ log: Logger) {
        self.node = node
        self.bound = bound
        self.log = log
    }

    func stop() { isOver.store(true, ordering: .releasing) }

    private func run() {
        var level = MemoryLevel.ample
        while !isOver.load(ordering: .acquiring) {
            let before = level
            let filling = bound.fill()
            level = MemoryGuard.judge(level, filling)
            if level != before {
                log.warning(
                    "memory",
                    [
                        "level": .text("\(level)"), "used": LogValue(filling.bytes),
                        "resident": LogValue(ProcessFacts.residentBytes), "bound": LogValue(filling.limitBytes),
                    ])
            }
            if level != .ample || before != .ample {
                let now = level
                for worker in 0..<node.workerCount { node.call(worker: worker) { $0.shed(now) } }
            }
            let isFar = filling.bytes < filling.limitBytes / 2
            usleep(isFar ? MemoryGuard.stepMicroseconds : MemoryGuard.closeStepMicroseconds)
            if level >= .logs { cposix_give_back_memory() }
        }
    }

    static func judge(_ before: MemoryLevel, _ filling: MemoryGroup.Filling) -> MemoryLevel {
        var level = MemoryLevel.ample
        for (step, percent) in thresholds {
            let least = before >= step ? percent - slackPercent : percent
            if filling.bytes / 100 * 100 >= filling.limitBytes / 100 * least { level = step }
        }
        return level
    }
}
