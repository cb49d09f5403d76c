/// What a message that is not the expected one was.
enum SequenceVerdict: Equatable, Sendable {
    /// Messages before it have not come (yet): so many.
    case gap(UInt64)
    /// It was missed before and comes late.
    case reordered
    /// It had been delivered already.
    case doubled
}

/// The faults in the order of messages, counted over all subscribers of one thread.
///
/// A subscriber's own state is one number, the sequence it expects next, and the common case is one comparison outside
/// of this type. Only what differs comes here, so nothing here needs to be fast.
///
/// Invariant: a sequence is in `missing` when it lies below its subscriber's expected number and has not come.
struct SequenceLedger {
    /// Messages that never came, as known so far.
    private(set) var lost: UInt64 = 0
    /// Messages that came again.
    private(set) var doubled: UInt64 = 0
    /// Messages that came after a later one.
    private(set) var reordered: UInt64 = 0

    /// How many missing messages are remembered one by one; beyond them a late message counts as doubled, and lost
    /// stays.
    static let missingMax = 1 << 20

    private struct Missing: Hashable {
        var subscriber: Int
        var sequence: UInt64
    }

    private var missing: Set<Missing> = []

    /// A ledger without a fault.
    init() {}

    /// Judges a message that is not the expected one.
    /// - Parameters:
    ///   - sequence: the message's number.
    ///   - expected: what the subscriber expected; moved behind the message when it leaves a gap.
    ///   - subscriber: which subscriber, as a key.
    mutating func judge(_ sequence: UInt64, expected: inout UInt64, subscriber: Int) -> SequenceVerdict {
        if sequence >= expected {
            let count = sequence - expected
            for late in expected..<sequence where missing.count < Self.missingMax {
                missing.insert(Missing(subscriber: subscriber, sequence: late))
            }
            lost += count
            expected = sequence + 1
            return .gap(count)
        }
        if missing.remove(Missing(subscriber: subscriber, sequence: sequence)) != nil {
            lost -= 1
            reordered += 1
            return .reordered
        }
        doubled += 1
        return .doubled
    }

    /// Books what a subscriber still waited for when the run ended.
    mutating func close(expected: UInt64, published: UInt64) {
        if published >= expected { lost += published - expected + 1 }
    }
}
