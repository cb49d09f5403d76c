import CPosix
import Glibc

/// Watches one file. Its folder is watched, since a file is often replaced rather than written; and the file is looked
/// at every few seconds all the same, for file systems that tell nothing.
@safe struct FileWatch: ~Copyable {
    private let path: String
    /// An inotify descriptor, or -1 when the kernel gives none: then only looking helps.
    let descriptor: Int32
    private var seen: Signature

    /// What tells one state of a file from another without reading it.
    struct Signature: Equatable, Sendable {
        var inode: UInt64 = 0
        var size: Int64 = -1
        var seconds = 0
        var nanoseconds = 0
    }

    /// - Parameter seen: the file as it was before it was read: what changed meanwhile is a change.
    init(path: String, seen: Signature) {
        self.path = path
        descriptor = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
        if descriptor >= 0 {
            let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
            let events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ATTRIB
            _ = unsafe inotify_add_watch(descriptor, folder, UInt32(events))
        }
        self.seen = seen
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Whether the file is another than at the last call. Takes what the kernel has told off its list.
    mutating func hasChanged() -> Bool {
        if descriptor >= 0 {
            var buffer = [UInt8](repeating: 0, count: 4_096)
            while unsafe read(descriptor, &buffer, buffer.count) > 0 {}
        }
        let now = Self.look(path)
        defer { seen = now }
        return now != seen
    }

    static func look(_ path: String) -> Signature {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return Signature() }
        return Signature(
            inode: UInt64(status.st_ino), size: Int64(status.st_size), seconds: status.st_mtim.tv_sec,
            nanoseconds: status.st_mtim.tv_nsec)
    }
}
