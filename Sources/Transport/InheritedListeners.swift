import Glibc

/// Listening sockets that the process was started with: by a supervisor (socket activation), or by the node that it
/// takes over from. Whoever waits in their queues is served as if nothing had happened.
///
/// Each is taken by the listener whose address it is bound to; what is left over belongs to `leftOver`.
public struct InheritedListeners: Sendable {
    private struct Socket: Sendable {
        let descriptor: Int32
        let family: Int32
        /// Bytes of the address, without the port; of the path, if it is a Unix-domain socket.
        let address: [UInt8]
        /// 0 for a Unix-domain socket.
        let port: UInt16
    }

    private var sockets: [Socket] = []

    /// None.
    public init() {}

    /// Takes over descriptors; those that are no listening stream sockets are closed.
    public init(descriptors: [Int32]) {
        for descriptor in descriptors {
            if let socket = InheritedListeners.look(at: descriptor) {
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL, 0) | O_NONBLOCK)
                sockets.append(socket)
            } else {
                close(descriptor)
            }
        }
    }

    /// What nothing was configured for; theirs to close who made the list.
    public var leftOver: [Int32] { sockets.map(\.descriptor) }

    /// The sockets for a TCP address, at least `count` of them (missing ones are copies), and their port; nil when
    /// there are none. Those bound to the very address come first; then any with the port, for where it listens is
    /// then the supervisor's decision. Port 0 is any port.
    public mutating func take(
        _ address: ListenAddress, count: Int, options: SocketOptions
    ) throws(TransportError) -> (descriptors: [Int32], port: UInt16)? {
        if sockets.isEmpty { return nil }
        var (storage, _) = try Listener.resolve(address)
        let wanted = InheritedListeners.parts(of: &storage)
        let isTCP = { (socket: Socket) in socket.family != AF_UNIX }
        let exact = sockets.first {
            isTCP($0) && $0.address == wanted.address && (address.port == 0 || $0.port == address.port)
        }
        guard let first = exact ?? sockets.first(where: { isTCP($0) && $0.port == address.port }) else { return nil }
        let taken = take { isTCP($0) && $0.port == first.port && $0.address == first.address }
        for descriptor in taken {
            options.apply(to: descriptor)
        }
        let copied = try InheritedListeners.fill(taken, count: count)
        return (copied, first.port)
    }

    /// The same for a Unix-domain socket.
    public mutating func take(path: String, count: Int) throws(TransportError) -> [Int32]? {
        let wanted = Array(path.utf8)
        let taken = take { $0.family == AF_UNIX && $0.address == wanted }
        return taken.isEmpty ? nil : try InheritedListeners.fill(taken, count: count)
    }

    private mutating func take(where matches: (Socket) -> Bool) -> [Int32] {
        let taken = sockets.filter(matches).map(\.descriptor)
        sockets.removeAll(where: matches)
        return taken
    }

    private static func fill(_ descriptors: [Int32], count: Int) throws(TransportError) -> [Int32] {
        var all = descriptors
        while all.count < count {
            let copy = fcntl(descriptors[all.count % descriptors.count], F_DUPFD_CLOEXEC, 0)
            if copy < 0 { throw .system(call: "fcntl", address: ListenAddress(host: "", port: 0), errno: errno) }
            all.append(copy)
        }
        return all
    }

    private static func look(at descriptor: Int32) -> Socket? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0, value != 0 else {
            return nil
        }
        var storage = sockaddr_storage()
        length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = unsafe withUnsafeMutablePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(descriptor, $0, &length) }
        }
        if result != 0 { return nil }
        let parts = parts(of: &storage, length: Int(length))
        return Socket(
            descriptor: descriptor, family: Int32(storage.ss_family), address: parts.address, port: parts.port)
    }

    /// Address and port of a socket address, whose layout is that of sockaddr_in, sockaddr_in6 or sockaddr_un.
    private static func parts(
        of storage: inout sockaddr_storage, length: Int = MemoryLayout<sockaddr_storage>.size
    ) -> (address: [UInt8], port: UInt16) {
        let family = Int32(storage.ss_family)
        return unsafe withUnsafeBytes(of: &storage) { bytes in
            switch family {
            case AF_INET:
                return unsafe (Array(bytes[4..<8]), UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
            case AF_INET6:
                return unsafe (Array(bytes[8..<24]), UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
            default:
                let path = unsafe bytes[2..<min(max(length, 2), bytes.count)]
                return unsafe (Array(path.prefix { $0 != 0 }), 0)
            }
        }
    }
}
