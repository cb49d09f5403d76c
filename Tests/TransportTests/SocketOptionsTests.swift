import Glibc
import Testing

@testable import ClarionTransport

/// What is set on a listener holds for the connections that it accepts.
struct SocketOptionsTests {
    private func value(_ descriptor: Int32, _ level: Int32, _ option: Int32) -> Int32 {
        var value: Int32 = -1
        var length = socklen_t(MemoryLayout<Int32>.size)
        _ = unsafe getsockopt(descriptor, level, option, &value, &length)
        return value
    }

    /// A connection accepted from a listener with these options, and all descriptors that it took.
    private func accepted(_ options: SocketOptions) throws -> (connection: Int32, all: [Int32]) {
        let opened = try Listener.open(ListenAddress(host: "127.0.0.1", port: 0), count: 1, options: options)
        let listener = opened.descriptors[0]
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = opened.port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(connected == 0)
        var connection: Int32 = -1
        for _ in 0..<10_000 where connection < 0 {
            connection = accept(listener, nil, nil)
            if connection < 0 { usleep(1000) }
        }
        return (connection, [listener, client, connection])
    }

    private static let tcp = Int32(IPPROTO_TCP)

    @Test
    func defaults() throws {
        let (connection, all) = try accepted(SocketOptions())
        defer { for descriptor in all { close(descriptor) } }
        #expect(value(connection, SocketOptionsTests.tcp, TCP_NODELAY) != 0)
        #expect(value(connection, SOL_SOCKET, SO_KEEPALIVE) == 1)
        #expect(value(connection, SocketOptionsTests.tcp, TCP_KEEPIDLE) == 60)
        #expect(value(connection, SocketOptionsTests.tcp, TCP_KEEPINTVL) == 15)
        #expect(value(connection, SocketOptionsTests.tcp, TCP_KEEPCNT) == 4)
        #expect(value(connection, SocketOptionsTests.tcp, TCP_USER_TIMEOUT) == 60_000)
    }

    @Test
    func others() throws {
        var options = SocketOptions()
        options.hasNoDelay = false
        options.keepaliveSeconds = 7
        options.keepaliveIntervalSeconds = 3
        options.keepaliveProbes = 2
        options.unacknowledgedSeconds = 9
        options.sendBufferBytes = 32 << 10
        options.receiveBufferBytes = 16 << 10
        options.backlog = 5
        let (connection, all) = try accepted(options)
        defer { for descriptor in all { close(descriptor) } }
        #expect(value(connection, SocketOptionsTests.tcp, TCP_NODELAY) == 0)
        #expect(value(connection, SocketOptionsTests.tcp, TCP_KEEPIDLE) == 7)
        #expect(value(connection, SocketOptionsTests.tcp, TCP_KEEPINTVL) == 3)
        #expect(value(connection, SocketOptionsTests.tcp, TCP_KEEPCNT) == 2)
        #expect(value(connection, SocketOptionsTests.tcp, TCP_USER_TIMEOUT) == 9_000)
        // The kernel doubles what it is told, for its own bookkeeping.
        #expect(value(connection, SOL_SOCKET, SO_SNDBUF) == 64 << 10)
        #expect(value(connection, SOL_SOCKET, SO_RCVBUF) == 32 << 10)
        options.keepaliveSeconds = 0
        let (silent, others) = try accepted(options)
        defer { for descriptor in others { close(descriptor) } }
        #expect(value(silent, SOL_SOCKET, SO_KEEPALIVE) == 0)
    }
}
