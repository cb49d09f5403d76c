import Glibc

/// A listening socket on a free port of the loopback, non-blocking.
final class TestListener {
    let descriptor: Int32
    let port: UInt16
    /// Whether the addresses of its peers are asked for.
    var namesPeers = false

    init(backlog: Int32 = 1024) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        precondition(descriptor >= 0)
        self.descriptor = descriptor
        var address = loopbackAddress(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe precondition(bind(descriptor, generic, length) == 0)
                precondition(listen(descriptor, backlog) == 0)
                unsafe precondition(getsockname(descriptor, generic, &length) == 0)
            }
        }
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit { close(descriptor) }
}

/// A client's end of a connection over the loopback, non-blocking once connected.
final class Peer {
    let descriptor: Int32
    /// The bytes that came and the end that came after them.
    private(set) var received: [UInt8] = []
    private(set) var ended = false
    private(set) var failure: Int32 = 0

    init(port: UInt16, receiveBufferBytes: Int32? = nil) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        precondition(descriptor >= 0)
        self.descriptor = descriptor
        if var bytes = receiveBufferBytes {
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = loopbackAddress(port: port)
        unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe precondition(connect(descriptor, generic, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0)
            }
        }
        precondition(fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0)
    }

    /// Waits until all that was written has come to the other end's socket. False when it has not within five seconds.
    func hasArrived() -> Bool {
        for _ in 0..<5_000 {
            var unacknowledged: Int32 = 0
            let asked = unsafe ioctl(descriptor, UInt(TIOCOUTQ), &unacknowledged)
            if asked == 0 && unacknowledged == 0 { return true }
            usleep(1_000)
        }
        return false
    }

    private var isClosed = false

    deinit { close() }

    func close(reset: Bool = false) {
        if isClosed { return }
        isClosed = true
        if reset {
            var option = linger(l_onoff: 1, l_linger: 0)
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        }
        Glibc.close(descriptor)
    }

    func shutdownSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// How many of the bytes the socket took.
    @discardableResult
    func write(_ bytes: ArraySlice<UInt8>) -> Int {
        let count = unsafe bytes.withUnsafeBytes {
            unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        return max(0, count)
    }

    @discardableResult
    func write(_ bytes: [UInt8]) -> Int { write(bytes[...]) }

    /// Takes what is there, at most `limit` bytes.
    func drain(limit: Int = .max) {
        var rest = limit
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while rest > 0 && !ended {
            let count = unsafe chunk.withUnsafeMutableBytes {
                unsafe recv(descriptor, $0.baseAddress, min(rest, $0.count), 0)
            }
            if count > 0 {
                received.append(contentsOf: chunk[0..<count])
                rest -= count
            } else if count == 0 {
                ended = true
            } else {
                if errno != EAGAIN {
                    ended = true
                    failure = errno
                }
                return
            }
        }
    }
}

private func loopbackAddress(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
}
