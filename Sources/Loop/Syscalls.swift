// One wrapper per system call of this floor. Each goes on after EINTR and gives a failure back as -errno, a value like
// any other. Above this file nobody reads `errno`.

import CPosix
import Glibc

/// The kernel's calls as plain functions: a result ≥ 0, or -errno.
enum SystemCall {
    // MARK: Descriptors

    static func close(_ descriptor: Int32) {
        // Linux gives the number back even when it reports EINTR, so there is no second try.
        _ = Glibc.close(descriptor)
    }

    static func eventDescriptor() -> Int32 {
        retrying { eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC)) }
    }

    /// A descriptor that does nothing and only holds its number, to be given up when the process has none left.
    static func spareDescriptor() -> Int32 {
        retrying { unsafe open("/dev/null", O_RDONLY | O_CLOEXEC) }
    }

    /// The most descriptors the process may have open (the soft limit), at most `Int32.max`.
    static func descriptorsMax() -> Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        return Int(min(limit.rlim_cur, UInt(Int32.max)))
    }

    /// The kernel's release, such as 6.12.30; empty when it does not say.
    static func kernelRelease() -> String {
        var names = utsname()
        guard unsafe uname(&names) == 0 else { return "" }
        return unsafe withUnsafeBytes(of: &names.release) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    // MARK: Sockets

    /// Whether there is something to read, or to accept, right now.
    static func isReadable(_ descriptor: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, 0) > 0
    }

    /// A new non-blocking descriptor, or -errno.
    static func accept(_ listener: Int32) -> Int32 {
        while true {
            let result = cposix_accept(listener)
            if result != -EINTR { return result }
        }
    }

    /// Whose connection it is, while there is one.
    static func peerAddress(_ socket: Int32) -> PeerAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = unsafe withUnsafeMutablePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getpeername(socket, $0, &length) }
        }
        if result != 0 { return .unknown }
        return unsafe withUnsafeBytes(of: &storage) {
            unsafe PeerAddress(socketAddress: UnsafeRawBufferPointer(rebasing: $0.prefix(Int(length))))
        }
    }

    static func receive(_ socket: Int32, into bytes: UnsafeMutablePointer<UInt8>, capacity: Int) -> Int32 {
        retryingLong { unsafe recv(socket, bytes, capacity, dontWait) }
    }

    static func send(_ socket: Int32, _ bytes: UnsafePointer<UInt8>, count: Int) -> Int32 {
        retryingLong { unsafe Glibc.send(socket, bytes, count, dontWait | noSignal) }
    }

    static func shutdownSending(_ socket: Int32) {
        // Fails only when the connection is gone, which reading tells.
        _ = shutdown(socket, Int32(SHUT_WR))
    }

    /// Makes the next close send RST and drop what is unsent.
    static func resetOnClose(_ socket: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        _ = unsafe setsockopt(socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    static let dontWait = Int32(MSG_DONTWAIT)
    static let noSignal = Int32(MSG_NOSIGNAL)
    static let waitAll = Int32(MSG_WAITALL)

    // MARK: Epoll

    static func epollCreate() -> Int32 {
        retrying { epoll_create1(Int32(EPOLL_CLOEXEC)) }
    }

    static func epollControl(_ epoll: Int32, _ operation: Int32, _ descriptor: Int32, events: UInt32, data: UInt64)
        -> Int32
    {
        var event = unsafe epoll_event(events: events, data: epoll_data_t(u64: data))
        return retrying { unsafe epoll_ctl(epoll, operation, descriptor, &event) }
    }

    /// Unlike the others it returns -EINTR: the caller's deadline may have moved.
    static func epollWait(
        _ epoll: Int32, _ events: UnsafeMutablePointer<epoll_event>, capacity: Int32, milliseconds: Int32
    ) -> Int32 {
        let result = unsafe epoll_wait(epoll, events, capacity, milliseconds)
        return result >= 0 ? result : -errno
    }

    // MARK: Clock and memory

    static func monotonicNanoseconds() -> UInt64 { cposix_monotonic_nanoseconds() }

    /// Zeroed pages that cost memory only where they are touched.
    static func mapReserved(byteCount: Int) -> UnsafeMutableRawPointer? {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let base = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0)
        return unsafe base == MAP_FAILED ? nil : base
    }

    static func unmap(_ base: UnsafeMutableRawPointer, byteCount: Int) {
        _ = unsafe munmap(base, byteCount)
    }

    // MARK: Retrying

    @inline(__always)
    private static func retrying(_ call: () -> Int32) -> Int32 {
        while true {
            let result = call()
            if result >= 0 { return result }
            let error = errno
            if error != EINTR { return -error }
        }
    }

    @inline(__always)
    private static func retryingLong(_ call: () -> Int) -> Int32 {
        while true {
            let result = call()
            if result >= 0 { return Int32(truncatingIfNeeded: result) }
            let error = errno
            if error != EINTR { return -error }
        }
    }
}
