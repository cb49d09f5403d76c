// The backend for kernels and sandboxes without io_uring: wait for readiness, do the call, report its result.
// Level-triggered, so that nothing has to be remembered between turns but the events of one `epoll_wait`.

import CPosix
public import ClarionBytes
import Glibc

/// Epoll in completion shape. A `Handle` is the connection's descriptor.
///
/// A handle is in the epoll set only while something is wanted of it. `close` gives the number back to the process at
/// once; events of its former life are told apart by the entry's generation, and its `.closed` is written before any
/// `.accepted` that may carry the number again.
@safe public struct Epoll: ~Copyable, Backend {
    public static let name = "epoll"

    public internal(set) var counters = BackendCounters()

    let epoll: OwnedDescriptor
    let wake: OwnedDescriptor
    /// By descriptor; `EpollLimits.descriptorsMax` entries, of which the kernel backs the touched pages.
    var handles: HandleTable
    /// What the last `epoll_wait` told; `eventIndex ..< eventCount` still have to be looked at.
    let events: ReservedMemory<epoll_event>
    var eventIndex = 0
    var eventCount = 0
    let listeners: ReservedMemory<EpollListener>
    var listenerCount = 0
    var restingListenerCount = 0
    /// Connections that a listener may still bring; at 0 none is watched.
    var acceptAllowance = Int.max
    /// Held to be given up for one accept when the process has no descriptor left; -1 when it could not be had back.
    var spareDescriptor: Int32
    var pool: ReceivePool
    let sends: ReservedMemory<PendingSend>
    let sendResults: ReservedMemory<Int32>
    let sendBatchMax: Int
    var sendCount = 0
    let connectionsMax: Int
    var connectionCount = 0
    /// No open handle is above this one.
    var handleHighest: Handle = -1
    /// Closed handles whose `.closed` is still to be told, in the order of `close`.
    var closedFirst: Handle = -1
    var closedLast: Handle = -1

    public init(options: BackendOptions) throws(LoopError) {
        precondition(options.connectionsMax > 0 && options.sendBatchMax > 0)
        // Locals first: what throws may not leave a half-made value behind, and each local gives itself back.
        let epoll = try OwnedDescriptor(SystemCall.epollCreate(), from: "epoll_create1")
        let wake = try OwnedDescriptor(SystemCall.eventDescriptor(), from: "eventfd")
        let handles = try HandleTable(count: EpollLimits.descriptorsMax)
        let events = unsafe try ReservedMemory<epoll_event>(count: EpollLimits.eventsPerWaitMax)
        let listeners = try ReservedMemory<EpollListener>(count: EpollLimits.listenersMax)
        let pool = try ReceivePool(count: options.receiveBufferCount, bufferBytes: options.receiveBufferBytes)
        let sends = try ReservedMemory<PendingSend>(count: options.sendBatchMax)
        let sendResults = try ReservedMemory<Int32>(count: options.sendBatchMax)
        // Edge-triggered: each write to the eventfd ends one sleep, and its count never has to be read.
        let added = SystemCall.epollControl(
            epoll.number, EPOLL_CTL_ADD, wake.number, events: EPOLLIN.rawValue | EPOLLET.rawValue,
            data: EpollLimits.wakeData)
        guard added >= 0 else { throw .system(call: "epoll_ctl", errno: -added) }
        self.epoll = epoll
        self.wake = wake
        self.handles = handles
        unsafe self.events = unsafe events
        self.listeners = listeners
        self.pool = pool
        self.sends = sends
        self.sendResults = sendResults
        sendBatchMax = options.sendBatchMax
        connectionsMax = options.connectionsMax
        spareDescriptor = SystemCall.spareDescriptor()
    }

    deinit {
        var handle: Handle = 0
        while handle <= handleHighest {
            if unsafe handles[handle].pointee.flags.contains(.open) { SystemCall.close(handle) }
            handle += 1
        }
        if spareDescriptor >= 0 { SystemCall.close(spareDescriptor) }
    }

    public var wakeDescriptor: Int32 { wake.number }

    // MARK: Receiving

    public mutating func receive(_ handle: Handle, token: Token) {
        let entry = unsafe handles.open(handle)
        unsafe entry.pointee.token = token.raw
        unsafe entry.pointee.flags.insert(.reading)
        watch(handle)
    }

    public mutating func pauseReceiving(_ handle: Handle) {
        unsafe handles.open(handle).pointee.flags.insert(.paused)
        watch(handle)
    }

    public mutating func resumeReceiving(_ handle: Handle) {
        unsafe handles.open(handle).pointee.flags.remove(.paused)
        watch(handle)
    }

    public mutating func recycle(buffer: UInt16) { pool.giveBack(buffer) }

    // MARK: Sending

    public mutating func send(_ handle: Handle, bytes: UnsafePointer<UInt8>, count: Int) -> Int {
        precondition(sendCount < sendBatchMax && count > 0)
        let index = sendCount
        unsafe sends.base[index] = unsafe PendingSend(bytes: bytes, count: count, handle: handle)
        sendCount = index + 1
        return index
    }

    public mutating func submitSends() {
        for index in 0..<sendCount {
            let pending = unsafe sends.base[index]
            let result = unsafe SystemCall.send(pending.handle, pending.bytes!, count: pending.count)
            unsafe sendResults.base[index] = result
            if Int(result) == pending.count { continue }
            if result > 0 { counters.shortSends += 1 } else { counters.refusedSends += 1 }
        }
        counters.systemCalls += UInt64(sendCount)
        sendCount = 0
    }

    public func sendResult(_ index: Int) -> Int32 {
        precondition(index >= 0 && index < sendBatchMax)
        return unsafe sendResults.base[index]
    }

    public mutating func sealByKernel(_ handle: Handle, keys: UnsafeRawPointer, count: Int) -> Int32 {
        let entry = unsafe handles.open(handle)
        counters.systemCalls += 2
        let result = unsafe cposix_records_begin(handle, keys, count)
        if result == 0 { unsafe entry.pointee.flags.insert(.sealedByKernel) }
        return result
    }

    public mutating func sendRecord(
        _ handle: Handle, type: UInt8, bytes: UnsafePointer<UInt8>, count: Int
    ) -> Int32 {
        precondition(unsafe handles.open(handle).pointee.flags.contains(.sealedByKernel))
        counters.systemCalls += 1
        return unsafe cposix_records_send(handle, type, bytes, count)
    }

    public mutating func awaitWritable(_ handle: Handle) {
        unsafe handles.open(handle).pointee.flags.insert(.writing)
        watch(handle)
    }

    // MARK: Closing

    public mutating func shutdownSending(_ handle: Handle) {
        counters.systemCalls += 1
        SystemCall.shutdownSending(handle)
    }

    public mutating func close(_ handle: Handle, token: Token, reset: Bool) {
        let entry = unsafe handles.open(handle)
        handles.relieve(handle)
        if reset {
            counters.systemCalls += 1
            SystemCall.resetOnClose(handle)
        }
        // Closing also takes the descriptor out of the epoll set: nobody else holds the socket.
        counters.systemCalls += 1
        SystemCall.close(handle)
        unsafe entry.pointee.flags = .closing
        unsafe entry.pointee.watched = 0
        unsafe entry.pointee.token = token.raw
        unsafe entry.pointee.next = -1
        if closedLast >= 0 { unsafe handles[closedLast].pointee.next = handle } else { closedFirst = handle }
        closedLast = handle
    }

    // MARK: Readiness

    /// Makes the kernel watch a handle for what is wanted of it now, and for nothing when nothing is: a failed
    /// connection in the set would be reported for ever (EPOLLERR cannot be masked).
    mutating func watch(_ handle: Handle) {
        let entry = unsafe handles[handle]
        var wanted: UInt32 = unsafe entry.pointee.wantsReading ? EPOLLIN.rawValue : 0
        if unsafe entry.pointee.flags.contains(.writing) { wanted |= EPOLLOUT.rawValue }
        let watched = unsafe UInt32(entry.pointee.watched)
        if wanted == watched { return }
        let operation = watched == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD
        counters.systemCalls += 1
        let data = unsafe UInt64(entry.pointee.generation) << 32 | UInt64(UInt32(bitPattern: handle))
        let result = SystemCall.epollControl(epoll.number, operation, handle, events: wanted, data: data)
        if result == 0 {
            unsafe entry.pointee.watched = UInt16(truncatingIfNeeded: wanted)
        } else {
            // ENOMEM or ENOSPC (/proc/sys/fs/epoll/max_user_watches): tried again with the starved ones.
            handles.starve(handle)
        }
    }
}

/// The bounds of an epoll worker.
enum EpollLimits {
    /// Descriptors are below this number: 1 MiB entries of 24 bytes of address space, touched where used.
    static let descriptorsMax = 1 << 20
    /// Events that one `epoll_wait` may tell: 12 KiB.
    static let eventsPerWaitMax = 1024
    static let listenersMax = BackendLimits.listenersMax
    /// Buffers that one event of a connection may fill, as many as a multishot receive of io_uring fills in one go.
    static let readsPerEventMax = 32
    /// Connections that one listener may hand over in one turn, so that a flood of them leaves time for the others.
    static let acceptsPerTurnMax = 64
    /// What the events of the eventfd carry. No handle reaches this number.
    static let wakeData = UInt64.max
    /// The events of listener `i` carry `listenerData + i`; the low half is no handle's.
    static let listenerData = UInt64(1) << 31
}
