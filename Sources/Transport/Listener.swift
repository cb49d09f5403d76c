import CPosix
import Glibc

/// Where a node listens: a numeric address or a name, and a TCP port (0: the kernel chooses).
public struct ListenAddress: Sendable, Equatable {
    public var host: String
    public var port: UInt16

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }
}

/// What is said and expected on the connections of a listener before anything else.
public struct ListenerTraits: OptionSet, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// TLS.
    public static let secured = ListenerTraits(rawValue: 1)
    /// Connections of trusted peers begin with a PROXY header.
    public static let proxied = ListenerTraits(rawValue: 2)
    /// The addresses of peers are wanted.
    public static let namesPeers = ListenerTraits(rawValue: 4)
    /// permessage-deflate is not agreed on.
    public static let deflatesNothing = ListenerTraits(rawValue: 8)
    /// permessage-deflate without contexts of connections.
    public static let deflatesShared = ListenerTraits(rawValue: 16)
}

/// A listening descriptor of one worker.
public struct WorkerListener: Sendable {
    public var descriptor: Int32
    public var traits: ListenerTraits

    public init(descriptor: Int32, traits: ListenerTraits = []) {
        self.descriptor = descriptor
        self.traits = traits
    }
}

/// Why a listener could not be made.
public enum TransportError: Error, Equatable, Sendable {
    /// The name has no address; the text is the resolver's.
    case unresolved(host: String, text: String)
    /// The system call that failed, for which address, and its errno.
    case system(call: String, address: ListenAddress, errno: Int32)
    /// The same for a Unix-domain socket.
    case local(call: String, path: String, errno: Int32)
}

/// Listening sockets, with their options (`SocketOptions`).
public enum Listener {
    /// Makes `count` sockets that listen on the same address; with more than one the kernel spreads connections over
    /// them (SO_REUSEPORT). Owned by the caller. Returns them and the port.
    public static func open(
        _ address: ListenAddress, count: Int, options: SocketOptions
    ) throws(TransportError) -> (descriptors: [Int32], port: UInt16) {
        var (storage, length) = try resolve(address)
        let family = Int32(storage.ss_family)
        // A port that somebody else holds is a mistake, not something to share: the first socket is bound without
        // SO_REUSEPORT to find out, and given back.
        let probe = try makeSocket(family, address, &storage, length, shared: false)
        var port = boundPort(probe)
        close(probe)
        if address.port != 0 { port = address.port }
        setPort(&storage, port)
        var descriptors: [Int32] = []
        do throws(TransportError) {
            for _ in 0..<max(count, 1) {
                let descriptor = try makeSocket(family, address, &storage, length, shared: true)
                descriptors.append(descriptor)
                options.apply(to: descriptor)
                if listen(descriptor, Int32(clamping: options.backlog)) != 0 {
                    throw .system(call: "listen", address: address, errno: errno)
                }
            }
        } catch {
            for descriptor in descriptors { close(descriptor) }
            throw error
        }
        return (descriptors, port)
    }

    /// The socket address of a numeric address or a name, and its length.
    static func resolve(_ address: ListenAddress) throws(TransportError) -> (sockaddr_storage, socklen_t) {
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_UNSPEC
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_PASSIVE
        var list: UnsafeMutablePointer<addrinfo>?
        let resolved = unsafe getaddrinfo(address.host, String(address.port), &hints, &list)
        guard resolved == 0, let first = unsafe list else {
            throw unsafe .unresolved(host: address.host, text: String(cString: gai_strerror(resolved)))
        }
        defer { unsafe freeaddrinfo(first) }
        let length = unsafe first.pointee.ai_addrlen
        var storage = sockaddr_storage()
        guard let source = unsafe first.pointee.ai_addr, Int(length) <= MemoryLayout<sockaddr_storage>.size else {
            throw .unresolved(host: address.host, text: "no address")
        }
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: source, count: Int(length)))
        }
        return (storage, length)
    }

    /// Listens on a Unix-domain socket at `path`, once, and makes `count` descriptors of it; owned by the caller. The
    /// kernel gives each connection to one of them. A socket that is there already is taken away if nobody listens on
    /// it: the one of a node that was killed.
    public static func open(path: String, count: Int, options: SocketOptions) throws(TransportError) -> [Int32] {
        var storage = sockaddr_un()
        storage.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: storage.sun_path), !bytes.isEmpty else {
            throw .local(call: "bind", path: path, errno: ENAMETOOLONG)
        }
        unsafe withUnsafeMutableBytes(of: &storage.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        if descriptor < 0 { throw .local(call: "socket", path: path, errno: errno) }
        var failure: (call: String, code: Int32)?
        if unsafe call(bind, descriptor, &storage) != 0 {
            failure = ("bind", errno)
            if errno == EADDRINUSE, isAbandoned(&storage), unsafe unlink(path) == 0 {
                failure = unsafe call(bind, descriptor, &storage) == 0 ? nil : ("bind", errno)
            }
        }
        options.applyBuffers(to: descriptor)
        if failure == nil, listen(descriptor, Int32(clamping: options.backlog)) != 0 { failure = ("listen", errno) }
        var descriptors = [descriptor]
        while failure == nil && descriptors.count < count {
            let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            if copy < 0 { failure = ("fcntl", errno) } else { descriptors.append(copy) }
        }
        guard let failure else { return descriptors }
        for descriptor in descriptors { close(descriptor) }
        throw .local(call: failure.call, path: path, errno: failure.code)
    }

    /// Whether a name in the file system is that of a socket which refuses connections.
    private static func isAbandoned(_ storage: inout sockaddr_un) -> Bool {
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if probe < 0 { return false }
        defer { close(probe) }
        return unsafe call(connect, probe, &storage) != 0 && errno == ECONNREFUSED
    }

    private static func call(
        _ body: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32, _ descriptor: Int32,
        _ storage: inout sockaddr_un
    ) -> Int32 {
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        return unsafe withUnsafePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body(descriptor, $0, length) }
        }
    }

    private static func makeSocket(
        _ family: Int32, _ address: ListenAddress, _ storage: inout sockaddr_storage, _ length: socklen_t, shared: Bool
    ) throws(TransportError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, type, Int32(IPPROTO_TCP))
        if descriptor < 0 { throw .system(call: "socket", address: address, errno: errno) }
        SocketOptions.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if shared { SocketOptions.set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
        let bound = unsafe withUnsafePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
        }
        if bound != 0 {
            let code = errno
            close(descriptor)
            throw .system(call: "bind", address: address, errno: code)
        }
        return descriptor
    }

    private static func boundPort(_ descriptor: Int32) -> UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = unsafe withUnsafeMutablePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(descriptor, $0, &length) }
        }
        if result != 0 { return 0 }
        // The port is at the same place, in network order, for IPv4 and IPv6.
        return unsafe withUnsafeBytes(of: &storage) {
            unsafe UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        }
    }

    private static func setPort(_ storage: inout sockaddr_storage, _ port: UInt16) {
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe $0.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
        }
    }
}
