import Glibc

/// Speaks to the service manager that started the process, where it listens for that (sd_notify(3)).
/// The socket is opened at the start, before the process gives anything up, and stays for its life.
struct ServiceManager {
    /// A connected datagram socket; -1: nobody listens.
    private let descriptor: Int32
    /// How often the manager wants to hear that the node is alive, microseconds; nil: not at all.
    let watchdogMicroseconds: UInt64?

    init(_ environment: [String: String]) {
        descriptor = environment["NOTIFY_SOCKET"].map(ServiceManager.open) ?? -1
        let isOurs = environment["WATCHDOG_PID"].map { $0 == String(getpid()) } ?? true
        watchdogMicroseconds = isOurs ? environment["WATCHDOG_USEC"].flatMap { UInt64($0) } : nil
    }

    private static func open(_ path: String) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return -1 }
        // An abstract name begins with a byte 0.
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if descriptor < 0 { return -1 }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let result = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe connect(descriptor, $0, length) }
        }
        if result == 0 { return descriptor }
        close(descriptor)
        return -1
    }

    /// Sends lines such as `READY=1`. Nobody listens: nothing happens.
    func tell(_ text: String) {
        if descriptor < 0 { return }
        let line = Array(text.utf8)
        _ = unsafe send(descriptor, line, line.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }
}
