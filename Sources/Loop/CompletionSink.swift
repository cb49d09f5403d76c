/// Where a turn writes its answers: the caller's array, of which `count` are written.
/// Invariant: 0 ≤ count ≤ capacity; whoever puts one in has asked `isFull` before.
@safe struct CompletionSink {
    /// The caller's array, valid during one turn.
    let base: UnsafeMutablePointer<Completion>
    let capacity: Int
    var count = 0

    init(base: UnsafeMutablePointer<Completion>, capacity: Int) {
        unsafe self.base = unsafe base
        self.capacity = capacity
    }

    var isFull: Bool { count >= capacity }

    mutating func put(_ completion: Completion) {
        precondition(count < capacity)
        unsafe base[count] = completion
        count += 1
    }
}
