internal import Glibc

/// Slots of one type, found by index: connections, channels, subscriptions.
///
/// The address space for `capacity` slots is reserved at once and touched only as slots are used, so pointers stay
/// valid and unused capacity costs no memory. Freed slots are used again, last freed first. Each slot has a generation
/// that changes when it is freed. Used by one thread. `Element` is plain data: nothing runs when a slot is freed.
@safe public struct Slab<Element: BitwiseCopyable>: ~Copyable {
    /// Points to `capacity` elements, the first `touched` of them used at least once; owned by this slab.
    public let base: UnsafeMutablePointer<Element>
    /// The generation of each slot, and the next free slot of a free one.
    private let generations: UnsafeMutablePointer<UInt32>
    private let nextFree: UnsafeMutablePointer<UInt32>
    public let capacity: Int
    /// Slots in use.
    public private(set) var count: Int = 0
    /// Slots that have ever been used: indices are below this.
    public private(set) var touched: Int = 0
    private var firstFree: UInt32 = UInt32.max
    private let pristine: Element

    /// Room for `capacity` elements, each a copy of `pristine` when it is taken.
    public init(capacity: Int, pristine: Element) {
        precondition(capacity > 0 && capacity < Int(UInt32.max))
        self.capacity = capacity
        self.pristine = pristine
        unsafe base = unsafe Slab.reserve(Element.self, capacity)
        unsafe generations = unsafe Slab.reserve(UInt32.self, capacity)
        unsafe nextFree = unsafe Slab.reserve(UInt32.self, capacity)
    }

    deinit {
        unsafe munmap(base, capacity * MemoryLayout<Element>.stride)
        unsafe munmap(generations, capacity * MemoryLayout<UInt32>.stride)
        unsafe munmap(nextFree, capacity * MemoryLayout<UInt32>.stride)
    }

    private static func reserve<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
        let memory = unsafe mmap(
            nil, count * MemoryLayout<T>.stride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
            -1, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            preconditionFailure("no address space for a slab")
        }
        return unsafe memory.bindMemory(to: T.self, capacity: count)
    }

    /// A slot for a new element, or nil when all are in use.
    public mutating func take() -> UInt32? {
        let slot: UInt32
        if firstFree != UInt32.max {
            slot = firstFree
            firstFree = unsafe nextFree[Int(slot)]
        } else {
            if touched == capacity { return nil }
            slot = UInt32(touched)
            touched += 1
            unsafe generations[Int(slot)] = 1
        }
        count += 1
        unsafe nextFree[Int(slot)] = Slab.inUse
        unsafe base[Int(slot)] = pristine
        return slot
    }

    /// What stands in `nextFree` for a slot in use.
    private static var inUse: UInt32 { UInt32.max - 1 }

    public func isInUse(_ slot: UInt32) -> Bool {
        unsafe Int(slot) < touched && nextFree[Int(slot)] == Slab.inUse
    }

    /// Frees `slot`, which is in use. Its generation changes: what still names it is stale.
    public mutating func give(_ slot: UInt32) {
        precondition(isInUse(slot))
        unsafe generations[Int(slot)] = unsafe Slab.successor(of: generations[Int(slot)])
        unsafe nextFree[Int(slot)] = firstFree
        firstFree = slot
        count -= 1
    }

    /// Generations go 1, 2 … and never are 0, so that 0 can mean "none".
    private static func successor(of generation: UInt32) -> UInt32 {
        generation + 1 == Token.generationLimit ? 1 : generation + 1
    }

    @inlinable
    public subscript(slot: UInt32) -> UnsafeMutablePointer<Element> { unsafe base + Int(slot) }

    public func generation(of slot: UInt32) -> UInt32 {
        unsafe Int(slot) < touched ? generations[Int(slot)] : 0
    }
}
