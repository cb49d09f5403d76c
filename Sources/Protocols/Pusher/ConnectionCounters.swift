import Glibc
import Synchronization

/// Open connections of each application on the whole node; workers share it. Has a counter for every application that a
/// node may have; those of numbers that are not in use take address space only.
@safe public final class ConnectionCounters: Sendable {
    /// Points to two counters for each of `PusherLimits.applicationsMax`: open connections, then (behind all of those)
    /// connections that were opened. Owned by this object. Memory of zeros is a counter of 0.
    nonisolated(unsafe) private let counters: UnsafeMutablePointer<Atomic<Int>>

    public init() {
        guard let memory = unsafe calloc(2 * PusherLimits.applicationsMax, MemoryLayout<Atomic<Int>>.stride) else {
            preconditionFailure("no memory for the counters of connections")
        }
        unsafe counters = unsafe memory.bindMemory(to: Atomic<Int>.self, capacity: 2 * PusherLimits.applicationsMax)
    }

    deinit { unsafe free(counters) }

    /// Connections of the application number `index` now.
    public func value(_ index: Int) -> Int { unsafe counter(index).pointee.load(ordering: .relaxed) }

    /// Connections that the application number `index` has had.
    public func openedTotal(_ index: Int) -> Int {
        unsafe counter(index)[PusherLimits.applicationsMax].load(ordering: .relaxed)
    }

    /// Takes a place. False, and none taken, when `limit` are taken.
    func acquire(_ index: Int, limit: Int?) -> Bool {
        if !take(index, limit: limit) { return false }
        unsafe counter(index)[PusherLimits.applicationsMax].wrappingAdd(1, ordering: .relaxed)
        return true
    }

    private func take(_ index: Int, limit: Int?) -> Bool {
        let counter = unsafe counter(index)
        guard let limit else {
            unsafe counter.pointee.wrappingAdd(1, ordering: .relaxed)
            return true
        }
        var seen = unsafe counter.pointee.load(ordering: .relaxed)
        while seen < limit {
            let (exchanged, original) = unsafe counter.pointee.weakCompareExchange(
                expected: seen, desired: seen + 1, ordering: .relaxed)
            if exchanged { return true }
            seen = original
        }
        return false
    }

    /// Gives a place back.
    func release(_ index: Int) { unsafe counter(index).pointee.wrappingSubtract(1, ordering: .relaxed) }

    private func counter(_ index: Int) -> UnsafeMutablePointer<Atomic<Int>> {
        precondition(index >= 0 && index < PusherLimits.applicationsMax)
        return unsafe counters + index
    }
}
