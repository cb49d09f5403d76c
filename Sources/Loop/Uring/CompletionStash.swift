/// Completions that were read out of the ring while looking for the results of sends, in order, for the next turn.
///
/// Invariant: `first ≤ end ≤ memory.count`; both are 0 when it is empty, so that only the first pages are ever used.
struct CompletionStash: ~Copyable {
    private var memory: ReservedMemory<RingCompletion>
    private var first = 0
    private var end = 0

    init(capacity: Int) throws(LoopError) {
        memory = try ReservedMemory(count: capacity)
    }

    var isEmpty: Bool { first == end }

    mutating func append(_ completion: RingCompletion) {
        if end == memory.count { makeRoom() }
        unsafe memory.base[end] = completion
        end += 1
    }

    /// The oldest one, of which there must be one.
    var oldest: RingCompletion {
        precondition(first < end)
        return unsafe memory.base[first]
    }

    mutating func dropOldest() {
        first += 1
        if first == end {
            first = 0
            end = 0
        }
    }

    /// Moves to the front, or to twice the room. There cannot be more than a few completions for each connection.
    private mutating func makeRoom() {
        if first > 0 {
            let count = end - first
            unsafe memory.base.update(from: memory.base + first, count: count)
            first = 0
            end = count
            return
        }
        do throws(LoopError) {
            let larger = try ReservedMemory<RingCompletion>(count: memory.count * 2)
            unsafe larger.base.update(from: memory.base, count: end)
            memory = larger
        } catch {
            preconditionFailure("no memory for completions: \(error)")
        }
    }
}
