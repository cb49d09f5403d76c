/// From keyed hashes to slots: an open-addressed table with linear probing and without tombstones.
///
/// It knows hashes and slots only; the caller compares names (two names may share a hash). At most three quarters full;
/// grows by doubling, shrinks never below `smallestCapacity`. Used by one thread.
@safe public struct NameTable: ~Copyable {
    struct Entry: BitwiseCopyable {
        var hash: UInt64
        /// `vacant`, or the slot.
        var slot: UInt32
    }
    static let vacant = UInt32.max
    static let smallestCapacity = 64

    private var entries: UnsafeMutablePointer<Entry>
    private var capacity: Int
    public private(set) var count = 0

    public init() {
        capacity = NameTable.smallestCapacity
        unsafe entries = unsafe NameTable.make(capacity)
    }

    deinit { unsafe entries.deallocate() }

    private static func make(_ capacity: Int) -> UnsafeMutablePointer<Entry> {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
        unsafe entries.initialize(repeating: Entry(hash: 0, slot: vacant), count: capacity)
        return unsafe entries
    }

    /// The slot stored under `hash` for which `matches` says yes, if any.
    public func find(_ hash: UInt64, matches: (UInt32) -> Bool) -> UInt32? {
        var index = Int(truncatingIfNeeded: hash) & (capacity - 1)
        while unsafe entries[index].slot != NameTable.vacant {
            if unsafe entries[index].hash == hash && matches(entries[index].slot) { return unsafe entries[index].slot }
            index = (index + 1) & (capacity - 1)
        }
        return nil
    }

    /// Stores `slot` under `hash`. The pair must not be there yet.
    public mutating func insert(_ hash: UInt64, slot: UInt32) {
        precondition(slot != NameTable.vacant)
        if (count + 1) * 4 > capacity * 3 { resize(to: capacity * 2) }
        place(Entry(hash: hash, slot: slot))
        count += 1
    }

    /// Removes `slot` from under `hash`; it must be there.
    public mutating func remove(_ hash: UInt64, slot: UInt32) {
        let mask = capacity - 1
        var hole = Int(truncatingIfNeeded: hash) & mask
        while unsafe entries[hole].slot != slot {
            unsafe precondition(entries[hole].slot != NameTable.vacant)
            hole = (hole + 1) & mask
        }
        // Entries behind the hole that would no longer be found move into it (deletion by backward shift).
        var next = (hole + 1) & mask
        while unsafe entries[next].slot != NameTable.vacant {
            let ideal = unsafe Int(truncatingIfNeeded: entries[next].hash) & mask
            if (next - ideal) & mask >= (next - hole) & mask {
                unsafe entries[hole] = unsafe entries[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        unsafe entries[hole].slot = NameTable.vacant
        count -= 1
        if capacity > NameTable.smallestCapacity && count * 8 < capacity { resize(to: capacity / 2) }
    }

    private mutating func place(_ entry: Entry) {
        var index = Int(truncatingIfNeeded: entry.hash) & (capacity - 1)
        while unsafe entries[index].slot != NameTable.vacant { index = (index + 1) & (capacity - 1) }
        unsafe entries[index] = entry
    }

    private mutating func resize(to newCapacity: Int) {
        let old = unsafe entries
        let oldCapacity = capacity
        unsafe entries = unsafe NameTable.make(newCapacity)
        capacity = newCapacity
        for index in 0..<oldCapacity where unsafe old[index].slot != NameTable.vacant { unsafe place(old[index]) }
        unsafe old.deallocate()
    }
}
