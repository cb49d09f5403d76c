// The two rings shared with the kernel, their set-up and the one system call that moves them. It knows no connections.

import CUring
import Glibc

/// An io_uring. Used by the thread that made it.
@safe struct Ring: ~Copyable {
    /// liburing's view of the ring, owned by this value; `ring_fd` is -1 after `exit`.
    let ring: UnsafeMutablePointer<io_uring>
    /// Whether the kernel took the ring without its indirection array (Linux 6.6).
    let isDirect: Bool
    /// Whether the ring is registered, which spares a look-up of its descriptor in each call.
    let isRegistered: Bool

    /// `submissions` and `completions` are rounded up to powers of two and cut at the kernel's bounds. A ring that is
    /// `disabled` takes nothing before `restrict`.
    init(submissions: Int, completions: Int, disabled: Bool = false) throws(LoopError) {
        let ring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
        var parameters = io_uring_params()
        var direct = true
        let waits: Int32 = disabled ? 1 : 0
        var result = unsafe curing_setup(ring, &parameters, UInt32(submissions), UInt32(completions), 1, waits)
        if result == -EINVAL {
            direct = false
            result = unsafe curing_setup(ring, &parameters, UInt32(submissions), UInt32(completions), 0, waits)
        }
        guard result == 0 else {
            unsafe ring.deallocate()
            throw Ring.setupError(-result)
        }
        guard parameters.features & curing_features_needed == curing_features_needed else {
            unsafe io_uring_queue_exit(ring)
            unsafe ring.deallocate()
            throw .unsupported("features \(curing_features_needed & ~parameters.features) of io_uring")
        }
        unsafe self.ring = unsafe ring
        isDirect = direct
        isRegistered = unsafe io_uring_register_ring_fd(ring) == 1
    }

    deinit {
        exit()
        unsafe ring.deallocate()
    }

    /// Gives the ring back to the kernel, with every file and operation in it. Only once counts.
    func exit() {
        guard unsafe ring.pointee.ring_fd >= 0 else { return }
        unsafe io_uring_queue_exit(ring)
        unsafe ring.pointee.ring_fd = -1
    }

    private static func setupError(_ error: Int32) -> LoopError {
        // Before 6.1 the flags are unknown.
        error == EINVAL
            ? .unsupported("deferred task run of io_uring (Linux 6.1)") : .system(call: "io_uring_setup", errno: error)
    }

    // MARK: Submitting

    /// An entry to fill, nil when the kernel has to take some first.
    func entry() -> UnsafeMutablePointer<io_uring_sqe>? { unsafe curing_entry(ring) }

    /// Entries filled and not yet taken.
    var pendingCount: Int { unsafe Int(curing_pending(ring)) }

    /// Whether the kernel waits for a call that gets events.
    var wantsEnter: Bool { unsafe curing_wants_enter(ring) != 0 }

    /// Whether the kernel keeps completions for which the ring had no room.
    var hasOverflowed: Bool { unsafe curing_overflowed(ring) != 0 }

    /// Hands over what is pending, without letting deferred work run. How many were taken, or -errno.
    func submit() -> Int32 { unsafe curing_enter(ring, 0, 0, 0) }

    /// Hands over what is pending, runs deferred work and waits for a completion if `waits`, at most so long (negative:
    /// without end). How many were taken, or -errno (-ETIME and -EINTR are no failures).
    func submitAndWait(_ waits: Bool, nanoseconds: Int64) -> Int32 {
        unsafe curing_enter(ring, 1, waits ? 1 : 0, nanoseconds)
    }

    // MARK: Completions

    var readyCount: Int { unsafe Int(curing_ready(ring)) }

    /// The oldest completion, of which there must be one.
    var first: RingCompletion {
        let entry = unsafe curing_first(ring)!
        return unsafe RingCompletion(
            data: entry.pointee.user_data, result: entry.pointee.res, flags: entry.pointee.flags)
    }

    func dropFirst() { unsafe curing_advance(ring, 1) }

    // MARK: Registering

    /// Puts a descriptor into the first place of the table.
    func registerFirst(_ descriptor: Int32) -> Int32 {
        var descriptor = descriptor
        return unsafe io_uring_register_files_update(ring, 0, &descriptor, 1)
    }

    /// An empty table of files for connections.
    func registerFiles(count: Int) -> Int32 { unsafe io_uring_register_files_sparse(ring, UInt32(count)) }

    /// A disabled ring begins, for the operations of a worker only; whatever else is submitted fails with EACCES.
    /// `sealsByKernel`: they are those of a worker that uses kernel TLS.
    func restrict(sealsByKernel: Bool = false) throws(LoopError) {
        let result = unsafe curing_restrict(ring, sealsByKernel ? 1 : 0)
        guard result >= 0 else { throw .system(call: "io_uring_register", errno: -result) }
    }
}

/// A completion queue entry, copied out of the ring.
struct RingCompletion: BitwiseCopyable {
    var data: UInt64
    var result: Int32
    var flags: UInt32

    /// Whether the operation goes on and will tell more.
    var hasMore: Bool { flags & curing_cqe_more != 0 }
    /// The provided buffer that the kernel used, if any.
    var buffer: UInt16? {
        flags & curing_cqe_buffer != 0 ? UInt16(truncatingIfNeeded: flags >> curing_cqe_buffer_shift) : nil
    }
}
