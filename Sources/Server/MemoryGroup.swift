import Glibc

/// The limits of memory of the control group that this process is in, and of those above it; version 1, version 2 or
/// both, as they are mounted. Every limit is held against what the kernel accounts to its group: all processes in it,
/// and in version 2 what sockets hold.
struct MemoryGroup: Sendable, Equatable {
    /// A group with a limit.
    struct Level: Sendable, Equatable {
        var usageFile: String
        var statisticsFile: String
        /// The line of the statistics with pages of files that the kernel drops before it kills anybody.
        var reclaimableName: String
        var limitBytes: Int
    }

    /// What is used of a limit.
    struct Filling: Sendable, Equatable {
        var bytes: Int
        var limitBytes: Int
    }

    /// From the process's own group up; at least one.
    let levels: [Level]

    var limitBytes: Int { levels.reduce(Int.max) { min($0, $1.limitBytes) } }

    /// Hundredths of a limit below which it does not matter what of its usage could be reclaimed: asking costs more
    /// than a look at the usage.
    private static let plentyPercent = 50
    /// Without a limit version 1 tells a number beyond any machine.
    private static let limitBytesMax = 1 << 50

    /// nil when no group up to the root has a limit.
    ///
    /// - Parameter root: put before every path; not empty in tests only.
    init?(root: String = "") {
        var found: [Level] = []
        let mounts = (Self.read("\(root)/proc/self/mountinfo") ?? "").split(separator: "\n").compactMap(Mount.init)
        for line in (Self.read("\(root)/proc/self/cgroup") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 3 else { continue }
            let isVersion2 = parts[0] == "0" && parts[1].isEmpty
            guard isVersion2 || parts[1].split(separator: ",").contains("memory"),
                let mount = mounts.first(where: { isVersion2 ? $0.isVersion2 : $0.hasMemoryOfVersion1 })
            else { continue }
            for folder in mount.folders(ofGroup: parts[2]) {
                let path = "\(root)\(folder)"
                let isOwn = folder == mount.own(parts[2])
                let level = isVersion2 ? Self.version2(path) : Self.version1(path, isOwn: isOwn)
                if let level { found.append(level) }
            }
        }
        if found.isEmpty { return nil }
        levels = found
    }

    private static func version2(_ folder: String) -> Level? {
        // Above memory.high the kernel slows the group down until it is hardly alive: that is a limit too.
        let limits = ["memory.max", "memory.high"].compactMap { number("\(folder)/\($0)") }
        guard let least = limits.min(), least < limitBytesMax else { return nil }
        return Level(
            usageFile: "\(folder)/memory.current", statisticsFile: "\(folder)/memory.stat",
            reclaimableName: "inactive_file", limitBytes: least)
    }

    private static func version1(_ folder: String, isOwn: Bool) -> Level? {
        // A group counts what is in the groups below it only where it is told to.
        if !isOwn && number("\(folder)/memory.use_hierarchy") != 1 { return nil }
        guard let limit = number("\(folder)/memory.limit_in_bytes"), limit < limitBytesMax else { return nil }
        return Level(
            usageFile: "\(folder)/memory.usage_in_bytes", statisticsFile: "\(folder)/memory.stat",
            reclaimableName: "total_inactive_file", limitBytes: limit)
    }

    /// The group that is nearest to its limit. What cannot be read counts as nothing used.
    func fullest() -> Filling {
        var worst = Filling(bytes: 0, limitBytes: limitBytes)
        for level in levels {
            var bytes = Self.number(level.usageFile) ?? 0
            if bytes >= level.limitBytes / 100 * Self.plentyPercent {
                bytes = max(0, bytes - reclaimable(level))
            }
            if Double(bytes) / Double(level.limitBytes) > Double(worst.bytes) / Double(worst.limitBytes) {
                worst = Filling(bytes: bytes, limitBytes: level.limitBytes)
            }
        }
        return worst
    }

    private func reclaimable(_ level: Level) -> Int {
        for line in (Self.read(level.statisticsFile) ?? "").split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2 && words[0] == level.reclaimableName { return Int(words[1]) ?? 0 }
        }
        return 0
    }

    /// The one number in a file; nil when there is none above 0, as in "max".
    private static func number(_ path: String) -> Int? {
        guard let text = read(path), let value = Int(text), value > 0 else { return nil }
        return value
    }

    private static let fileBytesMax = 64 << 10

    private static func read(_ path: String) -> String? {
        guard let file = unsafe fopen(path, "re") else { return nil }
        defer { unsafe fclose(file) }
        var text = [UInt8](repeating: 0, count: fileBytesMax)
        var end = unsafe fread(&text, 1, text.count, file)
        while end > 0 && text[end - 1] == UInt8(ascii: "\n") { end -= 1 }
        return String(decoding: text.prefix(end), as: UTF8.self)
    }
}

/// A line of /proc/self/mountinfo (proc(5)).
private struct Mount {
    let isVersion2: Bool
    let hasMemoryOfVersion1: Bool
    /// Which group of its hierarchy is mounted, and where.
    private let group: String
    private let point: String

    init?(_ line: Substring) {
        let words = line.split(separator: " ").map(String.init)
        guard let dash = words.firstIndex(of: "-"), dash > 4, words.count > dash + 3 else { return nil }
        isVersion2 = words[dash + 1] == "cgroup2"
        hasMemoryOfVersion1 =
            words[dash + 1] == "cgroup" && words[dash + 3].split(separator: ",").contains("memory")
        if !isVersion2 && !hasMemoryOfVersion1 { return nil }
        group = words[3] == "/" ? "" : words[3]
        point = words[4]
    }

    /// The folder of a group; that of the mount when the group is not below it, as for a process that was moved.
    func own(_ path: String) -> String { folders(ofGroup: path)[0] }

    /// The folders of a group and of those above it, up to what is mounted.
    func folders(ofGroup path: String) -> [String] {
        var names: [Substring] = []
        if path == group || path.hasPrefix(group + "/") { names = path.dropFirst(group.count).split(separator: "/") }
        if names.contains("..") { names = [] }
        return (0...names.count).reversed().map { ([point] + names.prefix($0).map(String.init)).joined(separator: "/") }
    }
}
