/// Which messages of one channel all subscribers of one thread have.
///
/// Subscribers move through the sequence in order, so it is enough to count how many stand at each position: the lowest
/// position that is occupied is the frontier, and everything before it is complete. A move costs two additions however
/// many messages it spans, which is why completion needs no counter per message and no atomic per delivery.
///
/// Invariant: `counts[p & mask]` subscribers expect sequence `p`, for `frontier <= p <= frontier + mask`; their sum
/// is `members`.
@safe struct Frontier {
    /// The lowest sequence that some subscriber still expects.
    private(set) var position: UInt64 = 1
    /// Subscribers counted.
    private(set) var members = 0

    /// Ring of counters by sequence. Owned by this value's holder: freed by `free()`.
    private let counts: UnsafeMutablePointer<UInt32>
    private let mask: UInt64

    /// - Parameter span: how many positions may lie between the slowest and the fastest subscriber; a power of two.
    init(span: Int) {
        precondition(span > 1 && span & (span - 1) == 0)
        unsafe counts = .allocate(capacity: span)
        unsafe counts.initialize(repeating: 0, count: span)
        mask = UInt64(span - 1)
    }

    /// Gives the ring back. The value must not be used any more.
    func free() { unsafe counts.deallocate() }

    /// How many positions fit between the slowest and the fastest subscriber.
    var span: UInt64 { mask + 1 }

    /// Counts a subscriber that expects the first message.
    mutating func join() {
        precondition(position == 1)
        unsafe counts[Int(1 & mask)] += 1
        members += 1
    }

    /// Moves one subscriber forward. True when the frontier moved.
    mutating func move(from old: UInt64, to new: UInt64) -> Bool {
        leave(old)
        enter(new)
        return advance(from: old)
    }

    /// Takes a subscriber out, whose connection is gone. True when the frontier moved.
    mutating func remove(at old: UInt64) -> Bool {
        leave(old)
        members -= 1
        return advance(from: old)
    }

    mutating func leave(_ position: UInt64) { unsafe counts[Int(position & mask)] &-= 1 }

    mutating func enter(_ position: UInt64) { unsafe counts[Int(position & mask)] &+= 1 }

    mutating func advance(from old: UInt64) -> Bool {
        guard old == position, unsafe counts[Int(old & mask)] == 0 else { return false }
        guard members > 0 else { return true }
        repeat { position += 1 } while unsafe counts[Int(position & mask)] == 0
        return true
    }
}
