import ClarionBytes
import Glibc
import Synchronization

/// What one worker tells another.
enum MailKind: UInt8, BitwiseCopyable {
    /// To a home: order this frame and deliver it. `number`: the poster's count of such mail to this home.
    case publish
    /// From a home: a message for channel `slot` of the receiver. `number`: its offset.
    case deliver
    /// To a home: the poster's channel (`slot`, `generation`) has `number` subscribers now; `frame` holds the name.
    case interest
    /// From a home: from now on everything of channel `slot` is delivered.
    case joined
    /// From a home: every publish up to `number` has its place, and its deliveries are posted.
    case ordered
    /// To a home: let connection `excludedSlot`, `excludedGeneration` of the poster in; `slot`, `generation`: its
    /// channel there; `number`: the request. `frame` names the channel and holds the member, if there is one.
    case enter
    /// To a home: that connection, which had entered as a member, has left the channel that `frame` names.
    case leave
    /// From a home: request `number` is granted; `frame` is what the connection is told first.
    case entered
    /// From a home: request `number` is refused; `excludedNumber`: an `EntryRefusal`.
    case turnedAway
    /// A closure to run: `call` holds it, retained.
    case call
    /// Leave.
    case stop
}

/// One item of mail; plain data. The receiver owns the references that it carries.
@safe struct Mail: BitwiseCopyable {
    var kind: MailKind
    /// The worker that posted it.
    var from: UInt8 = 0
    /// Whether an `interest` wants a `joined`.
    var wantsAnswer = false
    /// Of a `publish`: the home keeps the message for newcomers. Of an `enter`: the newcomer wants it.
    var keeps = false
    var slot: UInt32 = 0
    var generation: UInt32 = 0
    /// A connection of the receiver that must not get the message (generation 0: none), or for a publish the whole
    /// socket number in `excludedNumber`.
    var excludedSlot: UInt32 = 0
    var excludedGeneration: UInt32 = 0
    var frame: SharedFrame?
    var number: UInt64 = 0
    var excludedNumber: UInt64 = 0
    var call: UnsafeMutableRawPointer?

    init(_ kind: MailKind) { self.kind = kind }
}

/// Several items of mail that travel as one node of a mailbox.
@safe struct MailBatch: ~Copyable {
    static let capacity = 63

    var node = MailNode()
    var count = 0
    var next: UnsafeMutablePointer<MailBatch>?
    var items = InlineArray<63, Mail>(repeating: Mail(.stop))
}

/// A closure on its way to another worker.
final class MailCall: Sendable {
    let body: @Sendable (Core) -> Void

    init(_ body: @escaping @Sendable (Core) -> Void) { self.body = body }
}

/// What all workers of a node share: the mailboxes, the descriptors that wake them, and the secret of the hash.
/// Made before the workers start; outlives them.
@safe final class Exchange: Sendable {
    let workerCount: Int
    let hash: SipHash
    /// Key of the permutation behind socket numbers.
    let socketKey: SipHash
    /// Points to `workerCount` mailboxes; owned by this object.
    nonisolated(unsafe) private let mailboxes: UnsafeMutablePointer<Mailbox>
    /// The eventfd of each worker, -1 until it runs.
    nonisolated(unsafe) private let wakeDescriptors: UnsafeMutablePointer<Atomic<Int32>>
    /// Connections of the node by address, where they are bounded.
    let addressCounts: AddressCounts
    let addressRates: AddressRates
    /// Connections of all workers that have not said what they want.
    let unidentified = Atomic<Int>(0)
    /// New connections of the node, where their rate is bounded.
    let acceptBucket = SharedBucket()
    /// Bytes that all workers have set aside for contexts of permessage-deflate.
    let deflateBytes = Atomic<Int>(0)
    /// Workers that have left, or never came.
    private let leftCount = Atomic<Int>(0)
    /// Workers that were told to stop and whose publishes all have their place.
    private let quietCount = Atomic<Int>(0)
    /// Workers that send their clients away: whose earlier publishes have their place, and that have told everybody.
    private let settledCount = Atomic<Int>(0)
    private let drainedCount = Atomic<Int>(0)

    init(workerCount: Int, hash: SipHash, socketKey: SipHash) {
        self.workerCount = workerCount
        self.hash = hash
        addressCounts = AddressCounts(hash: hash)
        addressRates = AddressRates(hash: hash)
        self.socketKey = socketKey
        unsafe mailboxes = UnsafeMutablePointer.allocate(capacity: workerCount)
        unsafe wakeDescriptors = UnsafeMutablePointer.allocate(capacity: workerCount)
        for index in 0..<workerCount {
            unsafe (mailboxes + index).initialize(to: Mailbox())
            unsafe (wakeDescriptors + index).initialize(to: Atomic(-1))
        }
    }

    deinit {
        // What was posted after its receiver had left.
        for index in 0..<workerCount {
            while let raw = unsafe mailboxes[index].pop() {
                unsafe Exchange.discard(raw.assumingMemoryBound(to: MailBatch.self))
            }
        }
        unsafe mailboxes.deinitialize(count: workerCount)
        unsafe mailboxes.deallocate()
        unsafe wakeDescriptors.deinitialize(count: workerCount)
        unsafe wakeDescriptors.deallocate()
    }

    /// Frees a batch that nobody will read, with what its items from number `first` on carry.
    static func discard(_ batch: UnsafeMutablePointer<MailBatch>, from first: Int = 0) {
        for index in unsafe first..<batch.pointee.count {
            unsafe discard(batch.pointee.items[index])
        }
        unsafe batch.deinitialize(count: 1)
        unsafe batch.deallocate()
    }

    /// Gives back what an item carries that nobody will read.
    static func discard(_ mail: Mail) {
        mail.frame?.release()
        if let call = unsafe mail.call { unsafe Unmanaged<MailCall>.fromOpaque(call).release() }
    }

    func mailbox(_ worker: Int) -> UnsafeMutablePointer<Mailbox> {
        precondition(worker >= 0 && worker < workerCount)
        return unsafe mailboxes + worker
    }

    /// Posts a batch and wakes its receiver if it sleeps. From any thread.
    func post(_ batch: UnsafeMutablePointer<MailBatch>, to worker: Int) -> Bool {
        let mustWake = unsafe mailbox(worker).pointee.push(UnsafeMutableRawPointer(batch))
        if mustWake { wake(worker) }
        return mustWake
    }

    func setWakeDescriptor(_ descriptor: Int32, of worker: Int) {
        unsafe wakeDescriptors[worker].store(descriptor, ordering: .releasing)
    }

    /// Says that one more worker has nothing to do of its own any more, or has failed. The last one wakes the others.
    func leave() {
        if leftCount.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue < workerCount { return }
        for worker in 0..<workerCount { wake(worker) }
    }

    /// Says that what one more worker took in before it was told to stop has its place, so that the deliveries of it
    /// are in the mailboxes. The last one wakes the others.
    func becomeQuiet() {
        if quietCount.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue < workerCount { return }
        for worker in 0..<workerCount { wake(worker) }
    }

    var areAllQuiet: Bool { quietCount.load(ordering: .acquiring) >= workerCount }

    /// Says that what one more worker published before it began to send its clients away has its place.
    func becomeSettled() { settledCount.wrappingAdd(1, ordering: .acquiringAndReleasing) }
    var areAllSettled: Bool { settledCount.load(ordering: .acquiring) >= workerCount }

    /// Says that one more worker has sent its clients away.
    func becomeDrained() { drainedCount.wrappingAdd(1, ordering: .acquiringAndReleasing) }
    var areAllDrained: Bool { drainedCount.load(ordering: .acquiring) >= workerCount }

    var haveAllLeft: Bool { leftCount.load(ordering: .acquiring) >= workerCount }

    private func wake(_ worker: Int) {
        let descriptor = unsafe wakeDescriptors[worker].load(ordering: .acquiring)
        if descriptor < 0 { return }
        var one: UInt64 = 1
        // EAGAIN: the counter is at its end, so the worker is being woken already.
        while unsafe write(descriptor, &one, MemoryLayout<UInt64>.size) < 0 && errno == EINTR {}
    }

    /// Posts one item from a thread that is no worker.
    func post(_ mail: Mail, to worker: Int) {
        let batch = UnsafeMutablePointer<MailBatch>.allocate(capacity: 1)
        unsafe batch.initialize(to: MailBatch())
        unsafe batch.pointee.items[0] = mail
        unsafe batch.pointee.count = 1
        _ = unsafe post(batch, to: worker)
    }
}
