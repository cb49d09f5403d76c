/// A piece of memory from a `BlockPool`; an empty one has no memory.
@frozen
@safe public struct Block: BitwiseCopyable {
    /// Points to `capacity` bytes, owned by whoever took the block until it is given back. nil when `capacity` is 0.
    public var base: UnsafeMutablePointer<UInt8>?
    public var capacity: UInt32

    @inlinable
    public init() {
        unsafe base = nil
        capacity = 0
    }
}

/// Memory of a worker for what lives shortly: channel logs, replies that wait, messages that are put together.
///
/// Blocks come in powers of two from `smallestBytes` on. Given-back blocks wait in a list per size, at most
/// `keptBytesMax` in each; more goes back to the allocator. Used by one thread. Invariant: `outstandingBytes` is the
/// sum of the capacities of all blocks taken and not yet given back.
@safe public struct BlockPool: ~Copyable {
    public static let smallestBytes = 256
    static let classCount = 24
    /// Free blocks of one size that are kept for the next taker, in bytes.
    static let keptBytesMax = 1 << 20

    /// Heads of the lists of free blocks; a free block holds the address of the next in its first 8 bytes.
    private let free: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private let freeCount: UnsafeMutablePointer<Int>
    public private(set) var outstandingBytes: Int = 0

    public init() {
        unsafe free = UnsafeMutablePointer.allocate(capacity: BlockPool.classCount)
        unsafe free.initialize(repeating: nil, count: BlockPool.classCount)
        unsafe freeCount = UnsafeMutablePointer.allocate(capacity: BlockPool.classCount)
        unsafe freeCount.initialize(repeating: 0, count: BlockPool.classCount)
    }

    deinit {
        for index in 0..<BlockPool.classCount {
            while let block = unsafe free[index] {
                unsafe free[index] = unsafe block.load(as: UnsafeMutableRawPointer?.self)
                unsafe block.deallocate()
            }
        }
        unsafe free.deallocate()
        unsafe freeCount.deallocate()
    }

    private static func classIndex(for bytes: Int) -> Int {
        let wanted = max(bytes, smallestBytes)
        return Int.bitWidth - (wanted - 1).leadingZeroBitCount - smallestBytes.trailingZeroBitCount
    }

    /// A block of at least `bytes` bytes (at most 2 GiB).
    public mutating func take(_ bytes: Int) -> Block {
        let index = BlockPool.classIndex(for: bytes)
        precondition(index < BlockPool.classCount)
        let capacity = BlockPool.smallestBytes << index
        outstandingBytes += capacity
        var block = Block()
        block.capacity = UInt32(capacity)
        if let found = unsafe free[index] {
            unsafe free[index] = unsafe found.load(as: UnsafeMutableRawPointer?.self)
            unsafe freeCount[index] -= 1
            unsafe block.base = unsafe found.assumingMemoryBound(to: UInt8.self)
        } else {
            unsafe block.base = unsafe UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
                .bindMemory(to: UInt8.self, capacity: capacity)
        }
        return block
    }

    /// Gives `block` back and empties it.
    public mutating func give(_ block: inout Block) {
        guard let base = unsafe block.base else { return }
        let capacity = Int(block.capacity)
        let index = BlockPool.classIndex(for: capacity)
        outstandingBytes -= capacity
        block = Block()
        let raw = UnsafeMutableRawPointer(base)
        if unsafe (freeCount[index] + 1) * capacity > BlockPool.keptBytesMax {
            unsafe raw.deallocate()
        } else {
            unsafe raw.storeBytes(of: free[index], as: UnsafeMutableRawPointer?.self)
            unsafe free[index] = unsafe raw
            unsafe freeCount[index] += 1
        }
    }

    /// A block of at least `bytes` bytes that begins with the first `used` bytes of `block`, which is given back.
    public mutating func grow(_ block: inout Block, used: Int, to bytes: Int) {
        if Int(block.capacity) >= bytes { return }
        let larger = take(max(bytes, min(Int(block.capacity) * 2, 1 << 30)))
        if used > 0, let source = unsafe block.base, let target = unsafe larger.base {
            unsafe target.update(from: source, count: used)
        }
        give(&block)
        block = larger
    }
}
