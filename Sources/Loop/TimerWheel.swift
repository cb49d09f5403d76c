// Coarse timers, one for each slot: idle connections, handshakes that take too long, closings that never end.

/// A hashed wheel of one timer per slot. Setting, moving, cancelling and expiring one are O(1); a slot costs 12 bytes,
/// and only in pages where timers were ever set.
///
/// A tick is `tickNanoseconds`; the wheel turns once in `bucketCount` ticks. A deadline further away sits in the bucket
/// of its tick and is passed over until its turn has come.
///
/// Invariants: a slot is in the list of bucket `deadline % bucketCount` exactly when its `deadline` is not 0; the first
/// of a list has `previous` = the bucket's complement, the last has `next` = -1; no deadline ≤ `currentTick` is in a
/// list.
public struct TimerWheel: ~Copyable {
    /// How fine deadlines are.
    public static let tickNanoseconds: UInt64 = 62_500_000
    /// Lists of timers: a turn of the wheel takes 64 seconds.
    public static let bucketCount = 1024

    /// The last tick that `advance` has reached. Ticks start at 1.
    public private(set) var currentTick: UInt32
    /// Timers that are set.
    public private(set) var count = 0

    private let slots: ReservedMemory<TimerSlot>
    /// The first slot of each list, or -1.
    private let buckets: ReservedMemory<Int32>
    /// A bit for each bucket that has timers: what `nextTick` looks at.
    private let occupied: ReservedMemory<UInt64>

    /// A wheel for slots `0 ..< slotsMax` (at most 2^30) that stands at `currentTick`.
    public init(slotsMax: Int, currentTick: UInt32 = 1) throws(LoopError) {
        precondition(slotsMax > 0 && slotsMax <= 1 << 30)
        precondition(TimerWheel.bucketCount % 64 == 0)
        let slots = try ReservedMemory<TimerSlot>(count: slotsMax)
        let buckets = try ReservedMemory<Int32>(count: TimerWheel.bucketCount)
        let occupied = try ReservedMemory<UInt64>(count: TimerWheel.bucketCount / 64)
        self.slots = slots
        self.buckets = buckets
        self.occupied = occupied
        self.currentTick = max(1, currentTick)
        for bucket in 0..<TimerWheel.bucketCount { unsafe self.buckets.base[bucket] = -1 }
    }

    /// The tick in which a time lies, counted from 1 at time 0.
    public static func tick(ofNanoseconds nanoseconds: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: min(nanoseconds / tickNanoseconds + 1, UInt64(UInt32.max - 1)))
    }

    /// Whether the slot's timer is set.
    public func isScheduled(_ slot: Int) -> Bool {
        precondition(slot >= 0 && slot < slots.count)
        return unsafe slots.base[slot].deadline != 0
    }

    /// Sets or moves the slot's timer. A tick that is over, or the current one, counts as the next.
    public mutating func schedule(_ slot: Int, tick: UInt32) {
        precondition(slot >= 0 && slot < slots.count)
        let deadline = max(tick, currentTick + 1)
        let old = unsafe slots.base[slot].deadline
        if old == deadline { return }
        if old != 0 { unlink(slot) }
        link(slot, deadline)
    }

    /// Takes the slot's timer back; does nothing when none is set.
    public mutating func cancel(_ slot: Int) {
        precondition(slot >= 0 && slot < slots.count)
        if unsafe slots.base[slot].deadline != 0 { unlink(slot) }
    }

    /// Turns the wheel to `tick` and writes the slots whose timers have expired to `expired`, by tick, at most
    /// `capacity`. Returns how many. When that is `capacity` there may be more: call again with the same tick.
    public mutating func advance(to tick: UInt32, expired: UnsafeMutablePointer<Int32>, capacity: Int) -> Int {
        var written = 0
        while currentTick < tick {
            let reached = currentTick + 1
            guard count > 0 else {
                currentTick = tick
                break
            }
            let bucket = TimerWheel.bucket(of: reached)
            var slot = unsafe buckets.base[bucket]
            while slot >= 0 {
                let next = unsafe slots.base[Int(slot)].next
                if unsafe slots.base[Int(slot)].deadline == reached {
                    // The tick is not over: what is left of it comes with the next call.
                    if written == capacity { return written }
                    unlink(Int(slot))
                    unsafe expired[written] = slot
                    written += 1
                }
                slot = next
            }
            currentTick = reached
        }
        return written
    }

    /// The next tick at which `advance` may find something, nil when no timer is set. Never later than the first
    /// deadline. It can be earlier, by whole turns of the wheel.
    public var nextTick: UInt32? {
        guard count > 0 else { return nil }
        let start = TimerWheel.bucket(of: currentTick + 1)
        let wordCount = TimerWheel.bucketCount / 64
        // The word of the first bucket is looked at twice: its upper part first, its lower part last.
        for step in 0...wordCount {
            let word = (start / 64 + step) % wordCount
            var bits = unsafe occupied.base[word]
            if step == 0 { bits &= UInt64.max << UInt64(start % 64) }
            if step == wordCount { bits &= ~(UInt64.max << UInt64(start % 64)) }
            if bits == 0 { continue }
            let bucket = word * 64 + bits.trailingZeroBitCount
            let distance = (bucket - start + TimerWheel.bucketCount) % TimerWheel.bucketCount
            return currentTick + 1 + UInt32(distance)
        }
        return nil
    }

    // Bits are set and cleared without `|=`: 6.3.1 makes invalid code of it under the thread sanitizer.

    // MARK: Lists

    private static func bucket(of tick: UInt32) -> Int { Int(tick) % bucketCount }

    private mutating func link(_ slot: Int, _ deadline: UInt32) {
        let bucket = TimerWheel.bucket(of: deadline)
        let first = unsafe buckets.base[bucket]
        unsafe slots.base[slot] = TimerSlot(deadline: deadline, next: first, previous: ~Int32(bucket))
        if first >= 0 { unsafe slots.base[Int(first)].previous = Int32(slot) }
        unsafe buckets.base[bucket] = Int32(slot)
        unsafe occupied.base[bucket / 64] = occupied.base[bucket / 64] | 1 << UInt64(bucket % 64)
        count += 1
    }

    private mutating func unlink(_ slot: Int) {
        let old = unsafe slots.base[slot]
        if old.next >= 0 { unsafe slots.base[Int(old.next)].previous = old.previous }
        if old.previous >= 0 {
            unsafe slots.base[Int(old.previous)].next = old.next
        } else {
            let bucket = Int(~old.previous)
            unsafe buckets.base[bucket] = old.next
            if old.next < 0 {
                unsafe occupied.base[bucket / 64] = occupied.base[bucket / 64] & ~(1 << UInt64(bucket % 64))
            }
        }
        unsafe slots.base[slot].deadline = 0
        count -= 1
    }
}

/// One timer. Not private to the wheel: 6.3.1 cannot compile a module that destroys a wheel of a private type.
struct TimerSlot: BitwiseCopyable {
    /// The tick at which the timer expires; 0 when none is set.
    var deadline: UInt32
    var next: Int32
    /// The slot before this one, or ~bucket (negative) for the first.
    var previous: Int32
}
