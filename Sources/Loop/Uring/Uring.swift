// The backend for io_uring: connections live in the ring's own file table, bytes come by one standing receive for each,
// sends of a turn leave in one system call.

import CPosix
import CUring
public import ClarionBytes
import Glibc

/// io_uring in completion shape (Linux 6.1 and later). A `Handle` is an index of the ring's file table, so connections
/// use no descriptors of the process. The kernel bounds that table by the soft limit of descriptors though; where more
/// connections are wanted, those beyond it are ordinary descriptors, and their handles follow those of the table:
/// `directCount` + descriptor. Made, used and given up by one thread.
///
/// What the kernel holds of a connection is written in its entry's flags: `receiveArmed` (a multishot receive) and
/// `writing` (a poll). Only when neither is set may the file be closed, and only the close's completion frees the
/// entry.
@safe public struct Uring: ~Copyable, Backend {
    public static let name = "uring"

    public internal(set) var counters = BackendCounters()

    let ring: Ring
    /// Places of the file table, and how many of them hold a connection.
    let directCount: Int
    var directOpenCount = 0
    /// Below this, ordinary descriptors are taken; the rest is left to the process. 0: none are taken.
    let descriptorsEnd: Int
    let wake: OwnedDescriptor
    var buffers: ProvidedBuffers
    var handles: HandleTable
    /// What came out of the ring outside of a turn.
    var stash: CompletionStash
    let listeners: ReservedMemory<UringListener>
    var restingListenerCount = 0
    /// Connections that a listener may still bring.
    var acceptAllowance = Int.max
    /// Where the kernel writes addresses of connections to come: `UringLimits.acceptPlaces` for each listener.
    let acceptPlaces: ReservedMemory<AcceptPlace>
    /// Whose connection a handle is, for listeners that name peers. Touched only there.
    let addresses: ReservedMemory<PeerAddress>
    let sendResults: ReservedMemory<Int32>
    let sendBatchMax: Int
    var sendCount = 0
    /// What `reset` sets; the kernel reads it when the operation is submitted.
    let lingerNone: ReservedMemory<linger>
    /// Whether some connection may be the kernel's to make records for, so that sends have to look.
    var hasSealedByKernel = false
    /// One message; the kernel reads it when the operation is submitted.
    let recordMessage: ReservedMemory<cposix_record_message>

    public init(options: BackendOptions) throws(LoopError) {
        precondition(options.connectionsMax > 0 && options.sendBatchMax > 0)
        // Locals first: what throws may not leave a half-made value behind, and each local gives itself back.
        let submissions = UringLimits.controlEntries + options.sendBatchMax
        let completions = max(
            UringLimits.completionsMin, 4 * options.sendBatchMax + 2 * options.receiveBufferCount)
        let ring = try Ring(
            submissions: submissions, completions: completions, disabled: options.restrictsOperations)
        let wake = try OwnedDescriptor(SystemCall.eventDescriptor(), from: "eventfd")
        let buffers = try ProvidedBuffers(
            count: options.receiveBufferCount, bufferBytes: options.receiveBufferBytes, of: ring)
        // The kernel bounds the table by the soft limit of descriptors, though it takes none.
        let fileCount = min(options.connectionsMax, SystemCall.descriptorsMax(), UringLimits.filesMax)
        let registered = ring.registerFiles(count: fileCount)
        guard registered >= 0 else { throw .system(call: "io_uring_register", errno: -registered) }
        if options.restrictsOperations { try ring.restrict(sealsByKernel: options.sealsByKernel) }
        // Address space only, until a descriptor has that number.
        let descriptorCount = fileCount < options.connectionsMax ? SystemCall.descriptorsMax() : 0
        let handles = try HandleTable(count: fileCount + descriptorCount)
        let stash = try CompletionStash(capacity: completions)
        let listeners = try ReservedMemory<UringListener>(count: UringLimits.listenersMax)
        let acceptPlaces = try ReservedMemory<AcceptPlace>(count: UringLimits.listenersMax * UringLimits.acceptPlaces)
        let addresses = try ReservedMemory<PeerAddress>(count: fileCount + descriptorCount)
        let sendResults = try ReservedMemory<Int32>(count: options.sendBatchMax + 1)
        let recordMessage = unsafe try ReservedMemory<cposix_record_message>(count: 1)
        let lingerNone = try ReservedMemory<linger>(count: 1)
        unsafe lingerNone.base.pointee = linger(l_onoff: 1, l_linger: 0)
        self.ring = ring
        directCount = fileCount
        descriptorsEnd = max(descriptorCount - UringLimits.descriptorsKept, 0)
        self.wake = wake
        self.buffers = buffers
        self.handles = handles
        self.stash = stash
        self.listeners = listeners
        self.acceptPlaces = acceptPlaces
        self.addresses = addresses
        self.sendResults = sendResults
        self.lingerNone = lingerNone
        unsafe self.recordMessage = unsafe recordMessage
        sendBatchMax = options.sendBatchMax
        armWake()
    }

    deinit {
        // Before the buffers go, whatever the order of the fields.
        ring.exit()
    }

    public var wakeDescriptor: Int32 { wake.number }

    // MARK: Receiving

    public mutating func receive(_ handle: Handle, token: Token) {
        let entry = unsafe handles.open(handle)
        unsafe entry.pointee.token = token.raw
        unsafe entry.pointee.flags.insert(.reading)
        armReceive(handle)
    }

    public mutating func pauseReceiving(_ handle: Handle) {
        let entry = unsafe handles.open(handle)
        unsafe entry.pointee.flags.insert(.paused)
        cancelReceive(handle)
    }

    public mutating func resumeReceiving(_ handle: Handle) {
        unsafe handles.open(handle).pointee.flags.remove(.paused)
        armReceive(handle)
    }

    public mutating func recycle(buffer: UInt16) { buffers.giveBack(buffer) }

    /// Asks for bytes if they are wanted and nobody asks already. A receive that is being cancelled asks again itself.
    mutating func armReceive(_ handle: Handle) {
        let entry = unsafe handles[handle]
        guard unsafe entry.pointee.wantsReading, unsafe !entry.pointee.flags.contains(.receiveArmed) else { return }
        unsafe entry.pointee.flags.insert(.receiveArmed)
        unsafe curing_prep_receive(nextEntry(), file(of: handle), ProvidedBuffers.group, name(.receive, handle))
    }

    /// The kernel looks the operation up in 256 lists at most; that is why a connection which has ended is not
    /// cancelled.
    mutating func cancelReceive(_ handle: Handle) {
        let entry = unsafe handles[handle]
        guard unsafe entry.pointee.flags.intersection([.receiveArmed, .receiveCancelled]) == .receiveArmed else {
            return
        }
        unsafe entry.pointee.flags.insert(.receiveCancelled)
        unsafe curing_prep_cancel(nextEntry(), name(.receive, handle), Token(uring: .silent).raw)
    }

    // MARK: Sending

    public mutating func send(_ handle: Handle, bytes: UnsafePointer<UInt8>, count: Int) -> Int {
        precondition(sendCount < sendBatchMax && count > 0)
        let index = sendCount
        let offered = UInt32(min(count, UringLimits.sendBytesMax))
        // Only a send that took less than this tells so.
        unsafe sendResults.base[index] = Int32(offered)
        sendCount = index + 1
        if unsafe hasSealedByKernel && handles[handle].pointee.flags.contains(.sealedByKernel) {
            let name = Token(uring: .send, slot: UInt32(index)).raw
            unsafe curing_prep_send_records(nextEntry(), file(of: handle), bytes, offered, name)
            return index
        }
        unsafe curing_prep_send(
            nextEntry(), file(of: handle), bytes, offered, Token(uring: .send, slot: UInt32(index)).raw)
        return index
    }

    /// Sends never wait, so the kernel carries them out while it takes them, and what failed or was short is in the
    /// ring when the call returns (seen on 6.18 with full socket buffers).
    public mutating func submitSends() {
        sendCount = 0
        carryOut()
    }

    /// Submits all, and has the results of what does not wait.
    mutating func carryOut() {
        submitAll()
        takeOut()
        while ring.hasOverflowed {
            counters.completionOverflows += 1
            enter(waits: false, nanoseconds: 0)
            takeOut()
        }
    }

    public func sendResult(_ index: Int) -> Int32 {
        precondition(index >= 0 && index < sendBatchMax)
        return unsafe sendResults.base[index]
    }

    /// Empties the ring: results of sends to their places, everything else to the next turn.
    private mutating func takeOut() {
        var rest = ring.readyCount
        while rest > 0 {
            let completion = ring.first
            ring.dropFirst()
            let token = Token(raw: completion.data)
            if token.operation == UringOperation.send.rawValue {
                noteSend(index: Int(token.slot), result: completion.result)
            } else {
                stash.append(completion)
            }
            rest -= 1
        }
    }

    mutating func noteSend(index: Int, result: Int32) {
        precondition(index <= sendBatchMax)
        // Records that the kernel makes tell of every send; the place holds what was offered until then.
        if unsafe result > 0 && result == sendResults.base[index] { return }
        // A send of which nothing was taken and nothing went wrong does not exist; should it, it is a full socket.
        unsafe sendResults.base[index] = result == 0 ? -EAGAIN : result
        if result > 0 { counters.shortSends += 1 } else { counters.refusedSends += 1 }
    }

    public mutating func awaitWritable(_ handle: Handle) {
        let entry = unsafe handles.open(handle)
        guard unsafe !entry.pointee.flags.contains(.writing) else { return }
        unsafe entry.pointee.flags.insert(.writing)
        unsafe curing_prep_poll_writable(nextEntry(), file(of: handle), name(.poll, handle))
    }

    // MARK: Closing

    public mutating func shutdownSending(_ handle: Handle) {
        let entry = unsafe handles.open(handle)
        guard unsafe !entry.pointee.flags.contains(.shuttingDown) else { return }
        unsafe entry.pointee.flags.insert(.shuttingDown)
        unsafe curing_prep_shutdown(nextEntry(), file(of: handle), name(.shutdown, handle))
    }

    public mutating func close(_ handle: Handle, token: Token, reset: Bool) {
        let entry = unsafe handles.open(handle)
        handles.relieve(handle)
        unsafe entry.pointee.token = token.raw
        unsafe entry.pointee.flags.remove([.open, .reading])
        unsafe entry.pointee.flags.insert(.closing)
        if reset {
            unsafe curing_prep_linger(nextEntry(), file(of: handle), lingerNone.base, Token(uring: .silent).raw)
        }
        cancelReceive(handle)
        if unsafe entry.pointee.flags.contains(.writing) {
            unsafe curing_prep_cancel(nextEntry(), name(.poll, handle), Token(uring: .silent).raw)
        }
        closeWhenIdle(handle)
    }

    /// The last step of closing: nothing of the connection is in flight any more.
    mutating func closeWhenIdle(_ handle: Handle) {
        let flags = unsafe handles[handle].pointee.flags
        guard flags.contains(.closing), flags.isDisjoint(with: [.receiveArmed, .writing, .shuttingDown]) else { return }
        unsafe curing_prep_close(nextEntry(), file(of: handle), name(.close, handle))
    }

    // MARK: The ring

    /// The socket behind a handle.
    func file(of handle: Handle) -> curing_file {
        Int(handle) < directCount
            ? curing_file(number: handle, flags: curing_fixed)
            : curing_file(number: handle - Int32(directCount), flags: 0)
    }

    /// What an operation of a connection is called in the ring.
    func name(_ operation: UringOperation, _ handle: Handle) -> UInt64 {
        unsafe Token(
            operation: operation.rawValue, generation: handles[handle].pointee.generation,
            slot: UInt32(bitPattern: handle)
        ).raw
    }

    /// An entry to fill. When the ring is full the kernel takes what is there first.
    mutating func nextEntry() -> UnsafeMutablePointer<io_uring_sqe> {
        while true {
            if let entry = unsafe ring.entry() { return unsafe entry }
            submitAll()
        }
    }

    /// Hands everything over. The kernel takes all of it in one go but for want of memory, and then it is asked again:
    /// entries point to bytes that only stay until then.
    mutating func submitAll() {
        while ring.pendingCount > 0 {
            counters.systemCalls += 1
            let result = ring.submit()
            if result < 0 && result != -EINTR {
                checkEntered(result)
                sched_yield()
            }
        }
    }

    mutating func enter(waits: Bool, nanoseconds: Int64) {
        counters.systemCalls += 1
        let result = ring.submitAndWait(waits, nanoseconds: nanoseconds)
        if result < 0 { checkEntered(result) }
    }

    /// What a system call may answer to a ring in order. Anything else is our bug, as using the ring from another
    /// thread.
    private func checkEntered(_ result: Int32) {
        switch -result {
        // EBADR: a completion was lost for want of memory.
        case ETIME, EINTR, EAGAIN, EBUSY, ENOMEM, EBADR: return
        default: preconditionFailure("io_uring_enter: errno \(-result)")
        }
    }

    mutating func armWake() {
        unsafe curing_prep_poll_wake(nextEntry(), wake.number, Token(uring: .wake).raw)
    }
}

/// What a completion of the ring is about.
enum UringOperation: UInt8 {
    /// Nobody waits for it.
    case silent = 0
    case accept
    case receive
    /// The slot is the send's index in its batch.
    case send
    case poll
    case close
    case wake
    case shutdown
}

extension Token {
    /// A name in the ring of something that is no connection's.
    init(uring operation: UringOperation, generation: UInt32 = 0, slot: UInt32 = 0) {
        self.init(operation: operation.rawValue, generation: generation, slot: slot)
    }
}

/// The bounds of an io_uring worker.
enum UringLimits {
    /// Most entries of the file table (the kernel's own bound is the same); 24 bytes of address space each.
    static let filesMax = 1 << 20
    /// Descriptors left to the process (files, its API, logs) when ordinary ones are taken for connections.
    static let descriptorsKept = 128
    /// So few places of the file table are left that connections are taken one by one, each with its place known: a
    /// standing accept that finds the table full has lost a connection.
    static let directScarce = 4096
    /// Submission entries beside those for a batch of sends: 64 bytes each. More only cost a further system call.
    static let controlEntries = 512
    /// Least entries of the completion ring: 16 bytes each. The kernel sizes its table of what can be cancelled by it.
    static let completionsMin = 8192
    static let listenersMax = BackendLimits.listenersMax
    /// Accepts in flight of a listener that brings connections one by one; at most 16, the bits of a word.
    static let acceptPlaces = 16
    /// See `UringListener.settlingRounds`; as many as there may be accepts that were cancelled as they were woken.
    static let settlingRoundsMax = acceptPlaces
    /// Beside the number of a listener, which is less.
    static let ordinaryBit = 0x80
    /// The place of a standing accept, which needs no room.
    static let standingPlace = acceptPlaces
    /// Most bytes offered in one send.
    static let sendBytesMax = 1 << 30
}
