import CPosix
import ClarionBytes
import Glibc

/// The mailbox of a service thread: many may post, the thread takes. Posting never waits and takes no lock; the thread
/// sleeps when there is nothing.
///
/// Bounds are the poster's: a service says how much may be on its way to it.
@safe public final class ServiceInbox<Item: Sendable>: Sendable {
    private struct Node: ~Copyable {
        var link = MailNode()
        var item: Item
    }

    /// Points to one mailbox; owned by this object.
    nonisolated(unsafe) private let mailbox: UnsafeMutablePointer<Mailbox>
    private let wakeDescriptor: Int32

    public init() {
        unsafe mailbox = UnsafeMutablePointer.allocate(capacity: 1)
        unsafe mailbox.initialize(to: Mailbox())
        wakeDescriptor = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        precondition(wakeDescriptor >= 0, "no descriptor for a service")
    }

    deinit {
        while pop() != nil {}
        unsafe mailbox.deinitialize(count: 1)
        unsafe mailbox.deallocate()
        close(wakeDescriptor)
    }

    /// Posts an item. From any thread.
    public func post(_ item: Item) {
        let node = UnsafeMutablePointer<Node>.allocate(capacity: 1)
        unsafe node.initialize(to: Node(item: item))
        if unsafe !mailbox.pointee.push(UnsafeMutableRawPointer(node)) { return }
        var one: UInt64 = 1
        // EAGAIN: the counter is at its end, so the thread is being woken already.
        while unsafe write(wakeDescriptor, &one, MemoryLayout<UInt64>.size) < 0 && errno == EINTR {}
    }

    /// The oldest item, or nil. The service's thread only.
    public func pop() -> Item? {
        guard let raw = unsafe mailbox.pointee.pop() else { return nil }
        let node = unsafe raw.assumingMemoryBound(to: Node.self)
        let item = unsafe node.pointee.item
        unsafe node.deinitialize(count: 1)
        unsafe node.deallocate()
        return item
    }

    /// Sleeps until there is an item, `descriptor` (when not negative) can be read, or the time has come. The service's
    /// thread only.
    /// - Parameter time: milliseconds of `serviceMilliseconds`; nil: however long it takes.
    public func sleep(untilMilliseconds time: UInt64?, or descriptor: Int32 = -1) {
        if unsafe !mailbox.pointee.prepareToSleep() { return }
        let now = serviceMilliseconds()
        let wait = time.map { $0 > now ? Int32(clamping: $0 - now) : 0 } ?? -1
        var descriptors = [
            pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        _ = unsafe poll(&descriptors, nfds_t(descriptors.count), wait)
        var count: UInt64 = 0
        _ = unsafe read(wakeDescriptor, &count, MemoryLayout<UInt64>.size)
        unsafe mailbox.pointee.wakeUp()
    }
}

/// Milliseconds of a clock that never goes back.
public func serviceMilliseconds() -> UInt64 { cposix_monotonic_nanoseconds() / 1_000_000 }

/// Milliseconds since 1970.
public func unixMilliseconds() -> Int64 {
    var time = timespec()
    _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
}
