// Whether this kernel, and whatever confines the process, lets a worker use io_uring. Asked once at start.

import CUring
import ClarionBytes
import Glibc

/// Which kernel interface a worker uses.
public enum BackendChoice: String, Sendable, CaseIterable {
    /// `uring` where `probeUring` succeeds, else `epoll`.
    case auto
    case uring
    case epoll
}

/// Makes a small ring with everything that `Uring` needs and lets it do nothing once. Takes well under a millisecond.
///
/// A success is a sentence of what was found, for a log line. A failure says what is missing or who refused:
/// `.system("io_uring_setup", ENOSYS)` (no io_uring in this kernel), `EPERM` or `EACCES` (a sandbox, or the sysctl
/// kernel.io_uring_disabled), `.unsupported` (the kernel is too old).
public func probeUring() -> Result<String, LoopError> {
    do throws(LoopError) {
        return .success(try describeRing())
    } catch {
        return .failure(error)
    }
}

extension LoopError: CustomStringConvertible {
    /// For a log line.
    public var description: String {
        switch self {
        case .unsupported(let what): return "the kernel lacks \(what)"
        case .system(let call, let error):
            let text = unsafe String(cString: strerror(error))
            switch (call, error) {
            case ("io_uring_setup", ENOSYS):
                return "\(call): \(text) (the kernel has no io_uring, or a sandbox hides it)"
            case ("io_uring_setup", EPERM), ("io_uring_setup", EACCES):
                return "\(call): \(text) (refused by a sandbox or by kernel.io_uring_disabled)"
            default: return "\(call): \(text)"
            }
        }
    }
}

private func describeRing() throws(LoopError) -> String {
    let ring = try Ring(submissions: 8, completions: 64)
    try checkOperations(of: ring)
    let registered = ring.registerFiles(count: 8)
    guard registered >= 0 else { throw .system(call: "io_uring_register", errno: -registered) }
    let buffers = try ProvidedBuffers(count: 8, bufferBytes: 64, of: ring)
    guard let entry = unsafe ring.entry() else { throw .unsupported("room in the submission ring") }
    unsafe curing_prep_nop(entry, Token(uring: .silent).raw)
    let entered = ring.submitAndWait(true, nanoseconds: 1_000_000_000)
    guard entered >= 0 else { throw .system(call: "io_uring_enter", errno: -entered) }
    guard ring.readyCount == 1, ring.first.result == 0 else { throw .unsupported("a working io_uring") }
    ring.exit()
    _ = buffers.count
    var found = "single issuer, deferred task run, file table, provided buffers, multishot accept and receive"
    if ring.isDirect { found += ", no submission array" }
    if ring.isRegistered { found += ", registered ring" }
    return found
}

private func checkOperations(of ring: borrowing Ring) throws(LoopError) {
    guard let probe = unsafe io_uring_get_probe_ring(ring.ring) else { throw .unsupported("the probe of io_uring") }
    defer { unsafe io_uring_free_probe(probe) }
    let needed = [
        ("accept", IORING_OP_ACCEPT), ("recv", IORING_OP_RECV), ("send", IORING_OP_SEND), ("poll", IORING_OP_POLL_ADD),
        ("cancel", IORING_OP_ASYNC_CANCEL), ("close", IORING_OP_CLOSE), ("shutdown", IORING_OP_SHUTDOWN),
    ]
    for (name, operation) in needed where unsafe io_uring_opcode_supported(probe, Int32(operation.rawValue)) == 0 {
        throw .unsupported("\(name) of io_uring")
    }
}
