import CBench

/// What /proc says of the server's processes (proc(5)).
struct ProcessProbe: Sendable {
    /// The memory of a moment.
    struct Memory: Equatable, Sendable {
        /// Resident bytes.
        var residentBytes: Int64
        /// Proportional share of the resident bytes, 0 where the kernel does not tell.
        var proportionalBytes: Int64
    }

    private let processes: [Int32]

    /// - Parameter processes: the server's processes; their numbers are added up.
    init(processes: [Int32]) { self.processes = processes }

    /// User and system time of all threads so far in nanoseconds, or nil when a process is gone or none was named.
    func cpuNanoseconds() -> UInt64? {
        guard !processes.isEmpty else { return nil }
        var total: UInt64 = 0
        for process in processes {
            guard let text = Self.read("/proc/\(process)/stat"), let ticks = Self.cpuTicks(inStat: text) else {
                return nil
            }
            total += ticks * 1_000_000_000 / UInt64(cbench_ticks_per_second())
        }
        return total
    }

    /// How long all threads were ready to run and waited for a processor so far, in nanoseconds; nil when none was
    /// named or the kernel does not tell (`CONFIG_SCHED_INFO`).
    func waitNanoseconds() -> UInt64? {
        guard !processes.isEmpty else { return nil }
        var total: UInt64 = 0
        for process in processes {
            let waited = cbench_waited(process)
            if waited < 0 { return nil }
            total += UInt64(waited)
        }
        return total
    }

    /// The first process that is not there.
    func missing() -> Int32? { processes.first { Self.read("/proc/\($0)/stat") == nil } }

    /// Resident bytes now, by a look that costs the process nothing; nil when a process is gone or none was named.
    func residentBytes() -> Int64? {
        guard !processes.isEmpty else { return nil }
        var total: Int64 = 0
        for process in processes {
            guard let text = Self.read("/proc/\(process)/statm"),
                let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int64($0) })
            else { return nil }
            total += pages * cbench_page_bytes()
        }
        return total
    }

    /// Open descriptors now; nil when a process is gone, none was named, or the kernel does not allow to look.
    func descriptors() -> Int? {
        guard !processes.isEmpty else { return nil }
        var total = 0
        for process in processes {
            let count = cbench_count_descriptors(process)
            if count < 0 { return nil }
            total += Int(count)
        }
        return total
    }

    /// Memory now, or nil when a process is gone, none was named, or the kernel does not allow to look.
    func memory() -> Memory? {
        guard !processes.isEmpty else { return nil }
        var sum = Memory(residentBytes: 0, proportionalBytes: 0)
        for process in processes {
            let rollup = Self.read("/proc/\(process)/smaps_rollup")
            if let rollup, let resident = Self.kilobytes("Rss:", in: rollup) {
                sum.residentBytes += resident * 1_024
                sum.proportionalBytes += (Self.kilobytes("Pss:", in: rollup) ?? 0) * 1_024
            } else if let status = Self.read("/proc/\(process)/status"),
                let resident = Self.kilobytes("VmRSS:", in: status)
            {
                sum.residentBytes += resident * 1_024
            } else {
                return nil
            }
        }
        return sum
    }

    /// The fields utime and stime of a line of /proc/PID/stat, added. The name in parentheses may hold anything, so the
    /// fields are counted from its last closing parenthesis.
    static func cpuTicks(inStat text: String) -> UInt64? {
        guard let name = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: name)...].split(separator: " ")
        guard fields.count > 12, let user = UInt64(fields[11]), let system = UInt64(fields[12]) else { return nil }
        return user + system
    }

    /// The number behind a key in a table of `Key:   123 kB` lines.
    static func kilobytes(_ key: String, in text: String) -> Int64? {
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            return line.dropFirst(key.count).split(separator: " ").first.flatMap { Int64($0) }
        }
        return nil
    }

    static func read(_ path: String) -> String? {
        let fileBytesMax = 16_384
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: fileBytesMax) { buffer, count in
            let got = unsafe cbench_read_file(path, buffer.baseAddress, fileBytesMax)
            count = max(0, Int(got))
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }
}
