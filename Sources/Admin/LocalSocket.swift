import CPosix
import Glibc

/// Why a Unix-domain socket cannot be used, for people.
public struct LocalSocketError: Error, CustomStringConvertible, Equatable {
    public let description: String
    /// The errno of the system call that failed, if one did.
    var code: Int32 = 0

    /// Whether nobody listens at the path, or there is no such path.
    var isNobodyThere: Bool { code == ENOENT || code == ECONNREFUSED }
}

/// Unix-domain stream sockets, blocking, as the admin socket and its clients use them.
enum LocalSocket {
    /// Bytes of a path and the zero behind it (unix(7)).
    static let pathBytesMax = 108
    /// Connections that may wait to be accepted.
    private static let backlog: Int32 = 16

    /// Listens at `path`, readable and writable for this user only. A file left behind by a process that is gone is
    /// replaced; one that somebody answers at is only if `replaces` says so.
    static func listen(at path: String, replaces: Bool = false) throws(LocalSocketError) -> Int32 {
        if !replaces, let descriptor = try? connect(to: path) {
            close(descriptor)
            throw LocalSocketError(description: "\(path): another node answers there")
        }
        let descriptor = try make()
        var status = stat()
        if unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK { unsafe unlink(path) }
        // The file must never be open to others, not even for a moment.
        let mask = umask(0o177)
        let result = unsafe try with(path) { address, length in unsafe bind(descriptor, address, length) }
        let code = errno
        umask(mask)
        guard result == 0, Glibc.listen(descriptor, backlog) == 0 else {
            close(descriptor)
            throw failure(path, result == 0 ? errno : code)
        }
        return descriptor
    }

    static func connect(to path: String) throws(LocalSocketError) -> Int32 {
        let descriptor = try make()
        let result = unsafe try with(path) { address, length in unsafe Glibc.connect(descriptor, address, length) }
        if result != 0 {
            let code = errno
            close(descriptor)
            throw failure(path, code)
        }
        return descriptor
    }

    /// Whether the process at the other end runs as this user or as root.
    static func isPeerTrusted(_ descriptor: Int32) -> Bool {
        let user = cposix_peer_user(descriptor)
        return user == Int64(geteuid()) || user == 0
    }

    /// Writes everything. False when the peer is gone, or does not take it in time.
    static func write(_ text: String, to descriptor: Int32) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var sent = 0
            while sent < bytes.count {
                guard let base = bytes.baseAddress else { return true }
                let count = unsafe send(descriptor, base + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
                if count < 0 && errno == EINTR { continue }
                if count <= 0 { return false }
                sent += count
            }
            return true
        }
    }

    /// Gives up on a peer that neither sends nor takes anything for so long.
    static func setTimeout(_ descriptor: Int32, seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            _ = unsafe setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    private static func make() throws(LocalSocketError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        if descriptor < 0 { throw failure("socket", errno) }
        return descriptor
    }

    private static func with(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(LocalSocketError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        if bytes.isEmpty || bytes.count > room {
            throw LocalSocketError(description: "\(path): a socket's path has 1 to \(room) bytes")
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        return unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func failure(_ path: String, _ code: Int32) -> LocalSocketError {
        LocalSocketError(description: unsafe "\(path): \(String(cString: strerror(code)))", code: code)
    }
}

/// Reads lines from a descriptor.
struct LineReader {
    /// Bytes of one line.
    static let lineBytesMax = 4 << 20

    let descriptor: Int32
    private var pending: [UInt8] = []
    private var searched = 0

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// The next line without its end; nil at the end, on an error, or when a line is too long.
    mutating func next() -> String? {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            if let end = pending[searched...].firstIndex(of: 0x0A) {
                let line = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeFirst(end + 1)
                searched = 0
                return line
            }
            searched = pending.count
            if pending.count > LineReader.lineBytesMax { return nil }
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { return nil }
            pending += chunk[..<count]
        }
    }
}
