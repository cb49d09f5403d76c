import CBench
import CBenchReport
import FoundationEssentials
import Glibc

/// Finds out where the program runs. What cannot be found out stays nil: no run fails for it.
public enum EnvironmentProbe {
    /// Options whose values never go into a result.
    private static let secretWords = ["secret", "password", "token", "key"]
    private static let fileBytesMax = 65_536

    /// The environment of this process now.
    /// - Parameter arguments: the command line, the program first.
    public static func collect(arguments: [String]) -> RunEnvironment {
        var found = RunEnvironment()
        let now = Date()
        found.startedAt = now.formatted(.iso8601)
        found.startedAtSeconds = now.timeIntervalSince1970
        found.command = redacted(arguments)
        found.commit = commit()
        found.kernel = read("/proc/sys/kernel/osrelease") ?? ""
        #if arch(x86_64)
            found.architecture = "x86_64"
        #elseif arch(arm64)
            found.architecture = "aarch64"
        #endif
        found.system = read("/etc/os-release").flatMap { value(of: "PRETTY_NAME", in: $0) }
        found.processor = read("/proc/cpuinfo").flatMap { processorName(inCPUInfo: $0) }
        found.processorsOnline = max(0, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        let status = read("/proc/self/status") ?? ""
        found.processorsUsable =
            line("Cpus_allowed_list:", in: status).map { processors(inList: $0) } ?? found.processorsOnline
        found.processorsQuota = read("/sys/fs/cgroup/cpu.max").flatMap { quota(inCPUMax: $0) }
        found.memoryBytes = read("/proc/meminfo").flatMap { line("MemTotal:", in: $0) }.flatMap {
            $0.split(separator: " ").first.flatMap { Int64($0) }.map { $0 * 1_024 }
        }
        let limits = read("/proc/self/limits").flatMap { line("Max open files", in: $0) }?.split(separator: " ") ?? []
        found.descriptorsSoft = limits.first.flatMap { UInt64($0) }
        found.descriptorsHard = limits.dropFirst().first.flatMap { UInt64($0) }
        found.congestionControl = read("/proc/sys/net/ipv4/tcp_congestion_control")
        found.ephemeralPorts = read("/proc/sys/net/ipv4/ip_local_port_range").map {
            $0.split(whereSeparator: \.isWhitespace).joined(separator: "–")
        }
        found.listenBacklogMax = read("/proc/sys/net/core/somaxconn").flatMap { Int($0) }
        found.loadBefore = read("/proc/loadavg").flatMap { $0.split(separator: " ").first.flatMap { Double($0) } }
        return found
    }

    // MARK: Parts

    /// The command line without what must not be published.
    static func redacted(_ arguments: [String]) -> [String] {
        var hides = false
        return arguments.map { argument in
            if hides, !argument.hasPrefix("--") {
                hides = false
                return "***"
            }
            hides = false
            guard argument.hasPrefix("--") else { return argument }
            let name = argument.prefix { $0 != "=" }.lowercased()
            guard secretWords.contains(where: { name.contains($0) }) else { return argument }
            if let equals = argument.firstIndex(of: "=") { return argument[...equals] + "***" }
            hides = true
            return argument
        }
    }

    static func processorName(inCPUInfo text: String) -> String? {
        for key in ["model name", "Model", "Hardware"] {
            guard let found = line(key, in: text) else { continue }
            return found.drop { $0 == ":" || $0.isWhitespace }.split(separator: " ").joined(separator: " ")
        }
        return nil
    }

    /// How many processors a list such as `0-3,8` names.
    static func processors(inList text: String) -> Int {
        text.split(separator: ",").reduce(0) { sum, range in
            let ends = range.split(separator: "-").compactMap { Int($0.filter(\.isNumber)) }
            guard let first = ends.first, let last = ends.last, last >= first else { return sum }
            return sum + (last - first + 1)
        }
    }

    /// `max 100000` sets no bound, `150000 100000` one of 1.5 processors.
    static func quota(inCPUMax text: String) -> Double? {
        let fields = text.split(separator: " ").compactMap { Double($0) }
        guard fields.count == 2, fields[1] > 0 else { return nil }
        return fields[0] / fields[1]
    }

    /// The rest of the first line that begins with a key.
    static func line(_ key: String, in text: String) -> String? {
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            return trimmed(line.dropFirst(key.count))
        }
        return nil
    }

    /// The value of `KEY="value"`.
    static func value(of key: String, in text: String) -> String? {
        line(key + "=", in: text).map { trimmed($0.filter { $0 != "\"" }) }
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        let start = text.drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }

    static func read(_ path: String) -> String? {
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: fileBytesMax) { buffer, count in
            count = max(0, Int(unsafe cbench_read_file(path, buffer.baseAddress, fileBytesMax)))
        }
        let text = trimmed(String(decoding: bytes, as: UTF8.self))
        return text.isEmpty ? nil : text
    }

    // MARK: The commit

    /// Asks git about the work tree in which the program lies.
    private static func commit() -> String? {
        guard let hash = git("rev-parse --short=12 HEAD"), !hash.isEmpty else { return nil }
        let changes = git("status --porcelain --untracked-files=no") ?? ""
        return changes.isEmpty ? hash : hash + "+changes"
    }

    private static func git(_ arguments: String) -> String? {
        var isGiven = false
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: fileBytesMax) { buffer, count in
            let got = unsafe cbreport_git(arguments, buffer.baseAddress, fileBytesMax)
            isGiven = got >= 0
            count = max(0, got)
        }
        return isGiven ? trimmed(String(decoding: bytes, as: UTF8.self)) : nil
    }
}
