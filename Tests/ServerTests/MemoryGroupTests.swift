import ClarionEngine
import Glibc
import Testing

@testable import ClarionServer

/// Limits of control groups, read from folders made up as the kernel would show them.
@Suite struct MemoryGroupTests {
    /// A folder that plays the root of the file system, gone when the test is over.
    private final class Tree {
        let root: String
        private var made: [String] = []

        init(_ files: [String: String]) {
            var name = Array("/tmp/clarion-groups-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
            root = unsafe mkdtemp(&name).map { unsafe String(cString: $0) } ?? ""
            for (path, text) in files { write(path, text) }
        }

        func write(_ path: String, _ text: String) {
            var folder = root
            for name in path.split(separator: "/").dropLast() {
                folder += "/\(name)"
                if unsafe mkdir(folder, 0o755) == 0 { made.append(folder) }
            }
            guard let file = unsafe fopen("\(root)/\(path)", "w") else {
                Issue.record("no file \(path)")
                return
            }
            unsafe fputs(text, file)
            unsafe fclose(file)
            made.append("\(root)/\(path)")
        }

        deinit {
            for path in made.reversed() { unsafe remove(path) }
            unsafe remove(root)
        }
    }

    private static let version2Mount = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
    private static let version1Mounts = """
        32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:7 - cgroup cgroup rw,memory
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw

        """

    @Test func version2TakesTheSmallestLimitUpToTheRoot() throws {
        let tree = Tree([
            "proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/sda rw\n" + Self.version2Mount,
            "proc/self/cgroup": "0::/system.slice/clarion.service\n",
            "sys/fs/cgroup/cgroup.controllers": "memory\n",
            "sys/fs/cgroup/system.slice/memory.max": "4000000\n", "sys/fs/cgroup/system.slice/memory.high": "max\n",
            "sys/fs/cgroup/system.slice/memory.current": "3900000\n",
            "sys/fs/cgroup/system.slice/memory.stat": "anon 5\ninactive_file 1900000\nactive_file 7\nsock 1\n",
            "sys/fs/cgroup/system.slice/clarion.service/memory.max": "max\n",
            "sys/fs/cgroup/system.slice/clarion.service/memory.high": "1000000\n",
            "sys/fs/cgroup/system.slice/clarion.service/memory.current": "400000\n",
        ])
        let group = try #require(MemoryGroup(root: tree.root))
        #expect(group.limitBytes == 1_000_000 && group.levels.map(\.limitBytes) == [1_000_000, 4_000_000])
        // The group above is the fuller one, even without what it could drop.
        #expect(group.fullest() == .init(bytes: 2_000_000, limitBytes: 4_000_000))
        tree.write("sys/fs/cgroup/system.slice/clarion.service/memory.current", "930000\n")
        #expect(group.fullest() == .init(bytes: 930_000, limitBytes: 1_000_000))
        #expect(MemoryGuard.judge(.ample, group.fullest()) == .connections)
        withExtendedLifetime(tree) {}
    }

    @Test func version1CountsGroupsAboveWhereTheyCountWhatIsBelow() throws {
        let files = [
            "proc/self/mountinfo": Self.version1Mounts,
            "proc/self/cgroup": "9:name=systemd:/\n4:memory:/a/b\n1:cpu:/a\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.use_hierarchy": "1\n",
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "5000000\n",
            "sys/fs/cgroup/memory/a/memory.use_hierarchy": "1\n",
            "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "8000000\n",
            "sys/fs/cgroup/memory/a/b/memory.use_hierarchy": "0\n",
            "sys/fs/cgroup/memory/a/b/memory.usage_in_bytes": "7000000\n",
            "sys/fs/cgroup/memory/a/b/memory.stat": "inactive_file 1\ntotal_inactive_file 1000000\n",
        ]
        let tree = Tree(files)
        let group = try #require(MemoryGroup(root: tree.root))
        #expect(group.levels.map(\.limitBytes) == [8_000_000, 5_000_000])
        let alone = Tree(files.merging(["sys/fs/cgroup/memory/a/memory.use_hierarchy": "0\n"]) { $1 })
        let own = try #require(MemoryGroup(root: alone.root))
        #expect(own.levels.map(\.limitBytes) == [8_000_000])
        #expect(own.fullest() == .init(bytes: 6_000_000, limitBytes: 8_000_000))
        withExtendedLifetime((tree, alone)) {}
    }

    @Test func bothVersionsAtOnce() throws {
        let tree = Tree([
            "proc/self/mountinfo": Self.version1Mounts, "proc/self/cgroup": "4:cpu,memory:/x\n0::/y\n",
            "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "3000000\n",
            "sys/fs/cgroup/unified/y/memory.max": "2000000\n",
        ])
        let group = try #require(MemoryGroup(root: tree.root))
        #expect(Set(group.levels.map(\.limitBytes)) == [2_000_000, 3_000_000] && group.limitBytes == 2_000_000)
        // Files that are not there count as nothing used.
        #expect(group.fullest().bytes == 0)
    }

    /// A container sees its own group as what is mounted, by its name on the host or by "/".
    @Test(arguments: [("/docker/77", "/docker/77"), ("/", "/"), ("/docker/77", "/docker/77/inner"), ("/", "/../..")])
    func containers(_ mounted: String, _ named: String) throws {
        let tree = Tree([
            "proc/self/mountinfo": "31 23 0:28 \(mounted) /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
            "proc/self/cgroup": "0::\(named)\n", "sys/fs/cgroup/memory.max": "536870912\n",
            "sys/fs/cgroup/inner/memory.max": "max\n",
        ])
        #expect(MemoryGroup(root: tree.root)?.limitBytes == 536_870_912)
    }

    @Test(arguments: ["", "0::/\n", "nonsense\n", "4:memory:/\n0::/../x\n", "0:/\n"])
    func noLimit(_ cgroup: String) {
        let tree = Tree([
            "proc/self/mountinfo": Self.version1Mounts + Self.version2Mount + "a b c\n - - -\n",
            "proc/self/cgroup": cgroup,
            "sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/unified/memory.max": "max\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        ])
        #expect(MemoryGroup(root: tree.root) == nil)
    }

    @Test func levelsAreLeftBelowWhereTheyBegan() {
        func level(_ percent: Int, from: MemoryLevel) -> MemoryLevel {
            MemoryGuard.judge(from, .init(bytes: percent * 10_000, limitBytes: 1_000_000))
        }
        #expect(level(69, from: .ample) == .ample && level(70, from: .ample) == .contexts)
        #expect(level(74, from: .logs) == .logs && level(73, from: .logs) == .contexts)
        #expect(level(65, from: .contexts) == .ample && level(100, from: .ample) == .connections)
    }
}
