// The receive buffers of a ring: memory that the kernel picks from when bytes arrive, so that idle connections need
// none.

import CUring
import Glibc

/// A ring of provided buffers. It must outlive the `Ring` it is registered with.
///
/// Invariant: `heldCount` buffers have come out by completions and not been given back.
struct ProvidedBuffers: ~Copyable {
    /// The only group of a ring.
    static let group: UInt16 = 0

    private let memory: ReservedMemory<UInt8>
    /// The ring itself, shared with the kernel.
    private let shared: ReservedMemory<io_uring_buf>
    let count: Int
    private let bufferBytes: Int
    private let stride: Int
    private(set) var heldCount = 0

    init(count: Int, bufferBytes: Int, of ring: borrowing Ring) throws(LoopError) {
        precondition(count > 0 && count <= 1 << 15 && count & (count - 1) == 0)
        precondition(bufferBytes > 0 && bufferBytes <= 1 << 24)
        let stride = ReceivePool.stride(bufferBytes: bufferBytes)
        let memory = try ReservedMemory<UInt8>(count: count * stride)
        let shared = try ReservedMemory<io_uring_buf>(count: count)
        let result = unsafe curing_register_buffers(ring.ring, shared.base, UInt32(count), ProvidedBuffers.group)
        guard result == 0 else { throw .system(call: "io_uring_register", errno: -result) }
        self.memory = memory
        self.shared = shared
        self.stride = stride
        self.count = count
        self.bufferBytes = bufferBytes
        for buffer in 0..<count { provide(UInt16(buffer)) }
    }

    /// The bytes of a buffer, valid as long as this value.
    func bytes(of buffer: UInt16) -> UnsafeMutablePointer<UInt8> {
        precondition(Int(buffer) < count)
        return unsafe memory.base + Int(buffer) * stride
    }

    /// A completion brought a buffer.
    mutating func noteTaken() {
        heldCount += 1
    }

    mutating func giveBack(_ buffer: UInt16) {
        precondition(Int(buffer) < count && heldCount > 0)
        heldCount -= 1
        provide(buffer)
    }

    private func provide(_ buffer: UInt16) {
        unsafe curing_provide(shared.base, bytes(of: buffer), UInt32(bufferBytes), buffer, UInt32(count))
    }
}
