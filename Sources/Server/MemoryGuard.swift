import CPosix
import ClarionEngine
import ClarionLog
import ClarionService
import Glibc
import Synchronization

/// Looks at the memory of the process and tells the workers how near it is to its bound.
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

    private let node: Node
    private let bytesMax: Int
    private let log: Logger
    private let isOver = Atomic(false)

    /// The bound of the process: the setting, else that of its control group, else nil.
    static func bound(_ setting: Int) -> Int? {
        if setting > 0 { return setting }
        for path in groupFiles {
            guard let text = read(path), let value = Int(text), value > 0 else { continue }
            // Without a limit the older interface tells a number beyond any machine.
            if value < 1 << 50 { return value }
        }
        return nil
    }

    /// Version 2, then version 1, as they are mounted in a container, and by the name of the group elsewhere.
    private static var groupFiles: [String] {
        var files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        for line in (read("/proc/self/cgroup") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            if parts[0] == "0" { files.insert("/sys/fs/cgroup\(parts[2])/memory.max", at: 0) }
            if parts[1] == "memory" { files.insert("/sys/fs/cgroup/memory\(parts[2])/memory.limit_in_bytes", at: 0) }
        }
        return files
    }

    private static func read(_ path: String) -> String? {
        guard let file = unsafe fopen(path, "re") else { return nil }
        defer { unsafe fclose(file) }
        var text = [UInt8](repeating: 0, count: 4096)
        let count = unsafe fread(&text, 1, text.count, file)
        var end = count
        while end > 0 && text[end - 1] == UInt8(ascii: "\n") { end -= 1 }
        return String(decoding: text.prefix(end), as: UTF8.self)
    }

    /// Starts looking.
    static func start(_ node: Node, bytesMax: Int, log: Logger) -> MemoryGuard? {
        let memoryGuard = MemoryGuard(node, bytesMax, log)
        guard let thread = ServiceThread({ memoryGuard.run() }) else { return nil }
        thread.detach()
        return memoryGuard
    }

    private init(_ node: Node, _ bytesMax: Int, _ log: Logger) {
        self.node = node
        self.bytesMax = bytesMax
        self.log = log
    }

    func stop() { isOver.store(true, ordering: .releasing) }

    private func run() {
        var level = MemoryLevel.ample
        while !isOver.load(ordering: .acquiring) {
            let before = level
            let bytes = ProcessFacts.residentBytes
            level = judge(level, bytes)
            if level != before {
                log.warning(
                    "memory",
                    [
                        "level": .text("\(level)"), "resident": LogValue(bytes),
                        "bound": LogValue(bytesMax),
                    ])
            }
            if level != .ample || before != .ample {
                let now = level
                for worker in 0..<node.workerCount { node.call(worker: worker) { $0.shed(now) } }
            }
            usleep(bytes < bytesMax / 2 ? MemoryGuard.stepMicroseconds : MemoryGuard.closeStepMicroseconds)
            if level >= .logs { cposix_give_back_memory() }
        }
    }

    private func judge(_ before: MemoryLevel, _ bytes: Int) -> MemoryLevel {
        var level = MemoryLevel.ample
        for (step, percent) in MemoryGuard.thresholds {
            let least = before >= step ? percent - MemoryGuard.slackPercent : percent
            if bytes / 100 * 100 >= bytesMax / 100 * least { level = step }
        }
        return level
    }
}
