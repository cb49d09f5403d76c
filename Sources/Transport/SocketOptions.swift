import CPosix
import Glibc

/// What is set on listening sockets. Linux copies it to every connection that they accept.
public struct SocketOptions: Sendable, Equatable {
    /// Small messages leave at once (TCP_NODELAY).
    public var hasNoDelay = true
    /// Seconds of silence before the kernel probes, 0: never; between probes; and how many it sends.
    public var keepaliveSeconds = 60
    public var keepaliveIntervalSeconds = 15
    public var keepaliveProbes = 4
    /// Seconds for which sent data may stay unacknowledged (TCP_USER_TIMEOUT).
    public var unacknowledgedSeconds = 60
    /// Bytes of the kernel's buffers; 0: the kernel decides.
    public var sendBufferBytes = 0
    public var receiveBufferBytes = 0
    /// Connections that the kernel holds for us until they are accepted.
    public var backlog = 4096

    public init() {}

    /// Sets what a TCP socket takes, before it listens: the window of TCP follows from the buffer of then.
    func apply(to descriptor: Int32) {
        let tcp = Int32(IPPROTO_TCP)
        SocketOptions.set(descriptor, tcp, TCP_NODELAY, hasNoDelay ? 1 : 0)
        SocketOptions.set(descriptor, SOL_SOCKET, SO_KEEPALIVE, keepaliveSeconds > 0 ? 1 : 0)
        if keepaliveSeconds > 0 {
            SocketOptions.set(descriptor, tcp, TCP_KEEPIDLE, Int32(clamping: keepaliveSeconds))
            SocketOptions.set(descriptor, tcp, TCP_KEEPINTVL, Int32(clamping: max(keepaliveIntervalSeconds, 1)))
            SocketOptions.set(descriptor, tcp, TCP_KEEPCNT, Int32(clamping: max(keepaliveProbes, 1)))
        }
        // The kernel takes milliseconds in 32 bits.
        let milliseconds = Int32(min(max(unacknowledgedSeconds, 1), Int(Int32.max) / 1000)) * 1000
        SocketOptions.set(descriptor, tcp, TCP_USER_TIMEOUT, milliseconds)
        applyBuffers(to: descriptor)
    }

    /// Sets what a socket of any kind takes.
    func applyBuffers(to descriptor: Int32) {
        if sendBufferBytes > 0 {
            SocketOptions.set(descriptor, SOL_SOCKET, SO_SNDBUF, Int32(clamping: sendBufferBytes))
        }
        if receiveBufferBytes > 0 {
            SocketOptions.set(descriptor, SOL_SOCKET, SO_RCVBUF, Int32(clamping: receiveBufferBytes))
        }
    }

    static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        // An option that the kernel does not know costs a comfort, not the service.
        _ = unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
