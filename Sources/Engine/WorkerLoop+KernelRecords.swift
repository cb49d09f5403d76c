import ClarionBytes
import ClarionLoop
import ClarionTransport
import Glibc

// Kernel TLS: an open WebSocket over TLS 1.3 gives the kernel the key that its records are made with, and is sent to as
// a plain one from then on: shared bytes of logs, no encryption here, no copy. What it sends is opened here as before.
//
// The kernel's first record continues the count of ours, so it takes over when nothing that was encrypted here waits.
// It has this one key: it cannot be changed before Linux 6.13, and not taken back. A peer that asks for another, and a
// key that was used enough, end the connection.

/// What a connection has to do with kernel TLS.
struct KernelLink: BitwiseCopyable {
    /// The kernel was asked once, whatever it said.
    var wasAsked = false
    /// The socket was full once, so the kernel may hold a record that TCP has not taken.
    var wasFull = false
    /// The alert that leaves with the end: how bad it is, and what (RFC 8446 section 6); close_notify at first.
    var alert: (UInt8, UInt8) = (1, 0)
    /// What the key was used for, in bytes with what each record adds.
    var bytes: UInt64 = 0
}

/// Bounds of kernel TLS that are not settings.
enum KernelRecordLimits {
    /// Bytes under one key. RFC 8446 section 5.5 allows AES-GCM 2^24.5 records of 2^14 bytes; what counts there are the
    /// cipher's blocks.
    static let bytesMax: UInt64 = 1 << 38
    /// Added for each send: head, type, tag, and blocks that are not full, of the records that it becomes.
    static let sendBytes: UInt64 = 64
    static let typeOfAlerts: UInt8 = 21
}

extension WorkerLoop where B: ~Copyable {
    /// Gives the kernel the key of a connection, once. The socket has everything that was encrypted for it.
    mutating func giveToKernel(_ slot: UInt32) {
        let connection = unsafe core.connections[slot]
        let link = unsafe core.secureLinks[slot]
        guard unsafe connection.pointee.phase == .open, unsafe !link.pointee.kernel.wasAsked,
            let records = unsafe link.pointee.records
        else { return }
        unsafe assert(link.pointee.start == link.pointee.end)
        unsafe link.pointee.kernel.wasAsked = true
        let handle = unsafe connection.pointee.handle
        var isRefused = false
        let isTaken = unsafe core.securePort.giveToKernel(records) { keys, count in
            // struct tls_crypto_info: version, then the cipher's number, 51 and more.
            let cipher = UInt64(1) << UInt64(unsafe keys.loadUnaligned(fromByteOffset: 2, as: UInt16.self) & 63)
            if flush.ciphersRefused & cipher != 0 { return false }
            let result = unsafe backend.sealByKernel(handle, keys: keys, count: count)
            isRefused = result != 0
            // Without a cipher the kernel looks for its module each time, and the whole worker waits.
            if result == -ENOENT { flush.ciphersRefused |= cipher }
            return !isRefused
        }
        if isRefused { core.counters.kernelRefusals += 1 }
        guard isTaken else { return }
        core.counters.kernelConnections += 1
        unsafe connection.pointee.flags.remove(.secured)
        unsafe connection.pointee.flags.insert(.kernelSealed)
    }

    /// Whether a send failed for a reason that passes: kernel TLS allocates, and waits for its own worker, where TCP
    /// alone would only say that it is full.
    func isTransient(_ result: Int32, _ slot: UInt32) -> Bool {
        guard result == -ENOMEM || result == -EINTR else { return false }
        return unsafe core.connections[slot].pointee.flags.isKernelSealed
    }

    /// Counts what connections' keys are used for by the sends of a flush. A pass of its own, so that nodes without
    /// kernel TLS do not look at each send for it.
    mutating func spendKeys() {
        for index in 0..<flush.recordCount {
            let record = unsafe flush.records[index]
            guard unsafe core.connections[record.connection].pointee.flags.isKernelSealed else { continue }
            let link = unsafe core.secureLinks[record.connection]
            unsafe link.pointee.kernel.bytes += UInt64(record.count) + KernelRecordLimits.sendBytes
            if unsafe link.pointee.kernel.bytes > KernelRecordLimits.bytesMax { flush.spent.append(record.connection) }
        }
    }

    /// Sends those away, in the words of their protocols, whose key was used enough.
    mutating func closeSpent() {
        for index in 0..<flush.spent.count { core.closeWithFarewell(flush.spent[index], reason: .keysSpent) }
        flush.spent.removeAll()
    }

    /// Tells the peer of a connection that is about to end so. Best effort: a full socket takes nothing.
    mutating func sayKernelFarewell(_ slot: UInt32) {
        let connection = unsafe core.connections[slot]
        let link = unsafe core.secureLinks[slot]
        if unsafe link.pointee.saidFarewell || connection.pointee.flags.contains(.blocked) { return }
        unsafe link.pointee.saidFarewell = true
        var alert = unsafe [link.pointee.kernel.alert.0, link.pointee.kernel.alert.1]
        let taken = unsafe backend.sendRecord(
            connection.pointee.handle, type: KernelRecordLimits.typeOfAlerts, bytes: &alert, count: alert.count)
        if Int(taken) != alert.count { unsafe link.pointee.kernel.wasFull = true }
    }
}

extension Core {
    /// What there is to say besides data on a connection whose records the kernel makes: an alert's two bytes.
    func keepAlert(_ slot: UInt32, _ bytes: ByteView) {
        guard bytes.count == 2 else { return }
        unsafe secureLinks[slot].pointee.kernel.alert = (bytes[0], bytes[1])
    }

    /// The socket did not take everything.
    func noteFull(_ slot: UInt32) {
        guard unsafe connections[slot].pointee.flags.isKernelSealed else { return }
        unsafe secureLinks[slot].pointee.kernel.wasFull = true
    }

    /// Whether TCP may be shut behind what was sent. The kernel may still have to give it a record when the socket was
    /// full, and that would be lost; then the peer has the alert to end by.
    func mayShutDown(_ slot: UInt32) -> Bool {
        guard unsafe connections[slot].pointee.flags.isKernelSealed else { return true }
        return unsafe !secureLinks[slot].pointee.kernel.wasFull
    }
}
