import CUring
import ClarionBytes
import Glibc
import Testing

@testable import ClarionLoop

/// A ring that was told what it is for. Where there is no io_uring there is nothing to see.
@Suite(.enabled(if: (try? probeUring().get()) != nil))
struct RestrictedRingTests {
    /// What the kernel answers to one operation of a restricted ring.
    private func answer(_ fill: (UnsafeMutablePointer<io_uring_sqe>) -> Void) throws -> Int32 {
        let ring = try Ring(submissions: 8, completions: 64, disabled: true)
        try ring.restrict()
        let entry = try unsafe #require(ring.entry())
        unsafe fill(entry)
        _ = ring.submitAndWait(true, nanoseconds: 1_000_000_000)
        try #require(ring.readyCount == 1)
        return ring.first.result
    }

    @Test func whatNoWorkerDoesIsRefused() throws {
        let forbidden = [
            IORING_OP_NOP, IORING_OP_OPENAT, IORING_OP_OPENAT2, IORING_OP_READ, IORING_OP_WRITE, IORING_OP_STATX,
            IORING_OP_CONNECT, IORING_OP_SOCKET, IORING_OP_UNLINKAT, IORING_OP_RENAMEAT, IORING_OP_MKDIRAT,
            IORING_OP_SPLICE,
            IORING_OP_PROVIDE_BUFFERS, IORING_OP_FILES_UPDATE, IORING_OP_SENDMSG, IORING_OP_RECVMSG,
            IORING_OP_EPOLL_CTL,
        ]
        for operation in forbidden {
            let result = unsafe try answer { entry in
                unsafe entry.pointee = io_uring_sqe()
                unsafe entry.pointee.opcode = UInt8(operation.rawValue)
            }
            #expect(result == -EACCES, "operation \(operation.rawValue)")
        }
    }

    @Test func flagsThatNoWorkerSetsAreRefused() throws {
        for flag in [1 << 1, 1 << 2, 1 << 3, 1 << 4] {
            // In the order of linux/io_uring.h: drain, link, hard link, async.
            let result = unsafe try answer { entry in
                unsafe curing_prep_poll_writable(entry, curing_file(), 0)
                unsafe entry.pointee.flags = UInt8(flag)
            }
            #expect(result == -EACCES, "flag \(flag)")
        }
    }

    @Test func messagesAreForThoseWithKernelTLS() throws {
        let ring = try Ring(submissions: 8, completions: 64, disabled: true)
        try ring.restrict(sealsByKernel: true)
        let entry = try unsafe #require(ring.entry())
        unsafe entry.pointee = io_uring_sqe()
        unsafe entry.pointee.opcode = UInt8(IORING_OP_SENDMSG.rawValue)
        unsafe entry.pointee.fd = -1
        _ = ring.submitAndWait(true, nanoseconds: 1_000_000_000)
        try #require(ring.readyCount == 1)
        #expect(ring.first.result != -EACCES && ring.first.result < 0)
    }

    @Test func nothingIsRegisteredLater() throws {
        let ring = try Ring(submissions: 8, completions: 64, disabled: true)
        try ring.restrict()
        #expect(ring.registerFiles(count: 8) == -EACCES)
    }

    @Test func aDisabledRingTakesNothing() throws {
        let ring = try Ring(submissions: 8, completions: 64, disabled: true)
        let entry = try unsafe #require(ring.entry())
        unsafe curing_prep_nop(entry, 1)
        #expect(ring.submit() == -EBADFD)
    }
}
