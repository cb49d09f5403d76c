internal import Glibc

/// What some slots of a slab have beside their element, by the same index.
///
/// The address space is reserved at once and costs memory only where an entry is touched. Entries are zeroed bytes
/// until they are written: who uses one sets it when the slot is taken. Used by one thread.
@safe public struct SideTable<Element: BitwiseCopyable>: ~Copyable {
    /// Points to `capacity` elements; owned by this table.
    private let base: UnsafeMutablePointer<Element>
    private let capacity: Int

    public init(capacity: Int) {
        precondition(capacity > 0 && capacity < Int(UInt32.max))
        self.capacity = capacity
        let memory = unsafe mmap(
            nil, capacity * MemoryLayout<Element>.stride, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            preconditionFailure("no address space for a table")
        }
        unsafe base = unsafe memory.bindMemory(to: Element.self, capacity: capacity)
    }

    deinit { unsafe munmap(base, capacity * MemoryLayout<Element>.stride) }

    /// The entry of a slot, valid as long as the table.
    public subscript(slot: UInt32) -> UnsafeMutablePointer<Element> {
        precondition(Int(slot) < capacity)
        return unsafe base + Int(slot)
    }
}
