/// The receive buffers of an epoll worker: a stack of free ones, so that the warmest is used first.
///
/// Invariant: `freeCount` numbers below `count`, all different, are in `free`; the worker holds the others.
struct ReceivePool: ~Copyable {
    private let memory: ReservedMemory<UInt8>
    private let free: ReservedMemory<UInt16>
    let count: Int
    let bufferBytes: Int
    private let stride: Int
    private(set) var freeCount: Int

    init(count: Int, bufferBytes: Int) throws(LoopError) {
        precondition(count > 0 && count <= 1 << 15 && count & (count - 1) == 0)
        precondition(bufferBytes > 0 && bufferBytes <= 1 << 24)
        let stride = ReceivePool.stride(bufferBytes: bufferBytes)
        let memory = try ReservedMemory<UInt8>(count: count * stride)
        let free = try ReservedMemory<UInt16>(count: count)
        // The lowest number on top.
        for index in 0..<count { unsafe free.base[index] = UInt16(count - 1 - index) }
        self.memory = memory
        self.free = free
        self.stride = stride
        self.count = count
        self.bufferBytes = bufferBytes
        freeCount = count
    }

    /// The distance of two buffers: the bytes, the spare ones, and room up to the next cache line.
    static func stride(bufferBytes: Int) -> Int {
        (bufferBytes + BackendLimits.receiveSpareBytes + 63) & ~63
    }

    /// The bytes of a buffer, valid as long as the pool.
    func bytes(of buffer: UInt16) -> UnsafeMutablePointer<UInt8> {
        unsafe memory.base + Int(buffer) * stride
    }

    mutating func take() -> UInt16 {
        precondition(freeCount > 0)
        freeCount -= 1
        return unsafe free.base[freeCount]
    }

    mutating func giveBack(_ buffer: UInt16) {
        precondition(Int(buffer) < count && freeCount < count)
        unsafe free.base[freeCount] = buffer
        freeCount += 1
    }
}
