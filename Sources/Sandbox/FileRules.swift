import Glibc

/// What a process may still do with files and ports. Nothing else of the file system can be opened.
public struct FileRules: Sendable {
    /// Files and folders, with all below them, that may be read.
    public var readable: [String] = []
    /// Files and folders, with all below them, that may also be changed, and in which files may be made and removed.
    public var writable: [String] = []
    /// Folders in which sockets may be made and names be removed.
    public var socketFolders: [String] = []
    /// TCP ports to listen on; 0 is for those that the system chooses.
    public var ports: [UInt16] = []

    public init() {}

    /// Lets the file at `path` be read, and what takes its place: files are mostly replaced, not rewritten. So the rule
    /// is for the folder of the file, and of the one that it links to. Where that would be too much, as in /etc, it is
    /// for the file as it is.
    public mutating func read(fileAt path: String) {
        if path.isEmpty { return }
        readable.append(path)
        for place in Set([path, Self.resolved(path)]) {
            let folder = Self.folder(of: place)
            if !Self.wide.contains(Self.resolved(folder)) { readable.append(folder) }
        }
    }

    /// Folders that hold too much to be opened for one file.
    private static let wide: Set<String> = [
        "/", "/etc", "/usr", "/var", "/home", "/root", "/tmp", "/run", "/proc", "/sys",
    ]

    /// The folder in which the file is.
    public static func folder(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The path without links; as it is when there is nothing at it.
    static func resolved(_ path: String) -> String {
        guard let real = unsafe realpath(path, nil) else { return path }
        defer { unsafe free(real) }
        return unsafe String(cString: real)
    }

    /// What the C library, TLS and databases read while they work: names, certificates of authorities, time zones,
    /// libraries, and the process itself.
    static let ofTheSystem = [
        "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services",
        "/etc/protocols", "/etc/passwd", "/etc/group", "/etc/localtime", "/etc/ld.so.cache", "/etc/ssl/certs",
        "/etc/ssl/openssl.cnf", "/etc/ca-certificates", "/etc/pki/tls/certs", "/etc/pki/ca-trust", "/usr/lib", "/lib",
        "/lib64", "/usr/local/lib", "/usr/share/zoneinfo", "/usr/share/ca-certificates",
        "/usr/local/share/ca-certificates",
        "/usr/share/locale", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/proc",
        "/sys/fs/cgroup",
        "/sys/devices/system/cpu", "/dev/urandom",
    ]
    static let changedOfTheSystem = ["/dev/null"]
}
