public import Synchronization

/// A node of a `Mailbox`: the link, and a payload that the owner of the node lays behind it.
@safe public struct MailNode: ~Copyable {
    public let next: Atomic<UnsafeMutableRawPointer?>

    public init() { unsafe next = unsafe Atomic(nil) }
}

/// A lock-free queue of many producers and one consumer (the intrusive queue of D. Vyukov), and the flag by which
/// producers know whether the consumer sleeps and must be woken.
///
/// Nodes are linked in place: posting allocates nothing and never waits. A node belongs to its poster until `push` and
/// to the consumer after `pop`. Order: nodes of one poster come out in the order posted; and if `push` a returned
/// before `push` b began, a comes out before b, whoever posted them.
@safe public struct Mailbox: ~Copyable {
    private let head: Atomic<UnsafeMutableRawPointer?>
    private let padding0 = InlineArray<7, UInt64>(repeating: 0)
    private let sleeping = Atomic<Bool>(false)
    /// Nodes pushed and popped, for the bound that senders hold to. Each is written by one side only… by all producers.
    private let pending = Atomic<Int>(0)
    private let padding1 = InlineArray<6, UInt64>(repeating: 0)
    /// Points to the consumer's end; the consumer alone touches what it points to. A pointer, so that taking mail is no
    /// access to the mailbox that would exclude posting to it.
    private let consumerEnd: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private let stub: UnsafeMutableRawPointer

    public init() {
        unsafe stub = UnsafeMutableRawPointer.allocate(byteCount: MemoryLayout<MailNode>.size, alignment: 16)
        unsafe stub.bindMemory(to: MailNode.self, capacity: 1).initialize(to: MailNode())
        unsafe consumerEnd = UnsafeMutablePointer.allocate(capacity: 1)
        unsafe consumerEnd.initialize(to: stub)
        unsafe head = unsafe Atomic(stub)
    }

    deinit {
        unsafe consumerEnd.deallocate()
        unsafe stub.assumingMemoryBound(to: MailNode.self).deinitialize(count: 1)
        unsafe stub.deallocate()
    }

    /// Nodes that were posted and not yet taken. Read by anybody.
    public var pendingCount: Int { pending.load(ordering: .relaxed) }

    /// Posts `node` (a `MailNode` at its start). From any thread. Returns whether the consumer sleeps: then the caller,
    /// and only this caller, must wake it.
    public borrowing func push(_ node: UnsafeMutableRawPointer) -> Bool {
        pending.wrappingAdd(1, ordering: .relaxed)
        unsafe link(node)
        // Pairs with the consumer, which stores `sleeping` and then looks at the queue: one of the two sees the other.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        return sleeping.load(ordering: .relaxed) && sleeping.exchange(false, ordering: .acquiringAndReleasing)
    }

    private borrowing func link(_ node: UnsafeMutableRawPointer) {
        let typed = unsafe node.assumingMemoryBound(to: MailNode.self)
        unsafe typed.pointee.next.store(nil, ordering: .relaxed)
        let previous = unsafe head.exchange(node, ordering: .acquiringAndReleasing)
        guard let previous = unsafe previous else { preconditionFailure("a mailbox without its stub") }
        unsafe previous.assumingMemoryBound(to: MailNode.self).pointee.next.store(node, ordering: .releasing)
    }

    /// The oldest node, or nil when there is none (or its poster is in the middle of `push`). Consumer only.
    public borrowing func pop() -> UnsafeMutableRawPointer? {
        var first = unsafe consumerEnd.pointee
        var next = unsafe first.assumingMemoryBound(to: MailNode.self).pointee.next.load(ordering: .acquiring)
        if unsafe first == stub {
            guard let behind = unsafe next else { return nil }
            unsafe consumerEnd.pointee = behind
            unsafe first = unsafe behind
            unsafe next = unsafe behind.assumingMemoryBound(to: MailNode.self).pointee.next.load(ordering: .acquiring)
        }
        if let next = unsafe next {
            unsafe consumerEnd.pointee = next
            pending.wrappingSubtract(1, ordering: .relaxed)
            return unsafe first
        }
        if unsafe head.load(ordering: .acquiring) != first { return nil }
        unsafe link(stub)
        unsafe next = unsafe first.assumingMemoryBound(to: MailNode.self).pointee.next.load(ordering: .acquiring)
        guard let next = unsafe next else { return nil }
        unsafe consumerEnd.pointee = next
        pending.wrappingSubtract(1, ordering: .relaxed)
        return unsafe first
    }

    /// Consumer only: says that it is about to sleep. False when there is mail: then it must not sleep.
    public borrowing func prepareToSleep() -> Bool {
        sleeping.store(true, ordering: .relaxed)
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        // Empty is only when both ends stand at the stub: at another node they stand together before it is taken.
        let newest = unsafe head.load(ordering: .acquiring)
        if unsafe newest == stub && consumerEnd.pointee == stub { return true }
        sleeping.store(false, ordering: .relaxed)
        return false
    }

    /// Consumer only: says that it is awake.
    public borrowing func wakeUp() { sleeping.store(false, ordering: .relaxed) }
}
