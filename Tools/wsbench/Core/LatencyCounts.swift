import Synchronization

/// A histogram of times in memory that processes share: one writer, and readers who may look at any time.
///
/// Classes are laid out as HdrHistogram does it with three digits: below 2 048 units of 64 ns one class each, above it
/// 1 024 classes for each doubling, so that none is wider than a thousandth of its value. The package's own histogram
/// cannot be used here because it keeps its counts in an array of its process.
@safe struct LatencyCounts {
    /// Units of 64 ns: the clock is not better than that.
    static let unitShift: UInt64 = 6
    static let classBits: UInt64 = 10
    /// Two minutes; longer times count as this.
    static let nanosecondsMax: UInt64 = (1 << 37) - 1
    static let classCount = index(of: nanosecondsMax) + 1

    /// `classCount` counters. Owned by the board, for the life of the process.
    private let counts: UnsafeMutablePointer<Atomic<UInt64>>

    init(counts: UnsafeMutablePointer<Atomic<UInt64>>) { unsafe self.counts = counts }

    /// The class of a time, 0 or more.
    @inline(__always)
    static func index(of nanoseconds: UInt64) -> Int {
        let value = min(nanoseconds, nanosecondsMax) >> unitShift
        let bits = 64 - value.leadingZeroBitCount
        let shift = max(0, bits - Int(classBits) - 1)
        return shift << Int(classBits) + Int(value >> UInt64(shift))
    }

    /// The longest time of a class.
    static func highest(of index: Int) -> UInt64 {
        let shift = max(0, index >> Int(classBits) - 1)
        let value = UInt64(index - shift << Int(classBits))
        return ((value + 1) << UInt64(shift)) << unitShift - 1
    }

    /// Counts a time, by the one writer.
    @inline(__always)
    func record(_ nanoseconds: UInt64, count: UInt64 = 1) {
        let counter = unsafe counts + Self.index(of: nanoseconds)
        unsafe counter.pointee.store(counter.pointee.load(ordering: .relaxed) &+ count, ordering: .relaxed)
    }

    /// Adds what is counted so far to `totals`, which has `classCount` elements.
    func add(to totals: inout [UInt64]) {
        for index in 0..<Self.classCount {
            unsafe totals[index] &+= counts[index].load(ordering: .relaxed)
        }
    }
}

extension LatencyDistribution {
    /// What was counted between two looks at the same counters.
    init(from before: [UInt64], to after: [UInt64]) {
        self.init()
        for index in after.indices where after[index] > before[index] {
            append(nanoseconds: LatencyCounts.highest(of: index), count: after[index] - before[index])
        }
    }
}
