import ClarionBytes
import ClarionLoop
import ClarionTransport

// TLS between the bytes of a socket and those that the engine reads. A hello is gathered like any other input, so a
// connection that never sends one costs what a plain one costs; then it waits for its turn, because the answer to a
// hello is the one step that takes a processor's time. What encryption makes of replies and logs is the flush's
// business (`WorkerLoop+Secure.swift`).

/// The TLS side of a connection.
struct SecureLink: BitwiseCopyable {
    /// nil until the hello is answered, and when `records` has taken its place. Owned.
    var session: SecureSession?
    /// The connection's keys, where they were taken over. Owned.
    var records: SecureRecords?
    /// A record that has not come whole: its first `partialCount` bytes.
    var partial = Block()
    var partialCount: UInt32 = 0
    /// Encrypted bytes that wait: start ..< end of the block. They leave before anything else is encrypted.
    var sealed = Block()
    var start: UInt32 = 0
    var end: UInt32 = 0
    /// The peer was told that our side ends.
    var saidFarewell = false
    /// What the kernel's records are.
    var kernel = KernelLink()
}

/// A connection whose hello waits for its answer.
struct WaitingHello: BitwiseCopyable {
    var slot: UInt32
    var generation: UInt32
}

extension Core {
    // MARK: Input

    /// Bytes of a connection that are not what the engine reads: a PROXY header, TLS, or what nobody reads; or bytes
    /// that are counted.
    func receiveGuarded(_ slot: UInt32, _ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        let flags = unsafe connections[slot].pointee.flags
        if flags.contains(.deaf) { return }
        let isHTTP = unsafe connections[slot].pointee.phase == .http
        if isHTTP && flags.contains(.proxied) { return unsafe gatherProxyHeader(slot, bytes, count: count) }
        if isHTTP || !flags.contains(.metered) { return unsafe receiveUncounted(slot, flags, bytes, count: count) }
        let before = counters.messagesIn
        unsafe receiveUncounted(slot, flags, bytes, count: count)
        charge(slot, messages: counters.messagesIn &- before, bytes: count)
    }

    private func receiveUncounted(
        _ slot: UInt32, _ flags: ConnectionFlags, _ bytes: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        if !flags.speaksTLS { return unsafe receivePlain(slot, bytes, count: count) }
        if let records = unsafe secureLinks[slot].pointee.records {
            return unsafe receiveRecords(slot, records, bytes, count: count)
        }
        if !flags.contains(.handshaking) { return unsafe decrypt(slot, bytes, count: count) }
        if let session = unsafe secureLinks[slot].pointee.session {
            return unsafe shakeHands(slot, session, bytes, count: count)
        }
        unsafe gatherHello(slot, bytes, count: count)
    }

    /// Keeps what has come until a whole hello is there. `frameRemaining` holds how many bytes it takes to look again.
    private func gatherHello(_ slot: UInt32, _ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        let connection = unsafe connections[slot]
        let used = unsafe Int(connection.pointee.messageCount)
        if used + count > SecureLimits.helloBytesMax { return refuseHello(slot) }
        unsafe pool.grow(&connection.pointee.message, used: used, to: used + count)
        guard let base = unsafe connection.pointee.message.base else { return }
        unsafe (base + used).update(from: bytes, count: count)
        unsafe connection.pointee.messageCount = UInt32(used + count)
        if unsafe connection.pointee.frameRemaining > UInt64(used + count) { return }
        switch unsafe ClientHello.scan(base, count: used + count) {
        case .needMore(let wanted):
            unsafe connection.pointee.frameRemaining = UInt64(wanted)
        case .complete:
            // More bytes do not make it wait a second time.
            unsafe connection.pointee.frameRemaining = UInt64.max
            handshakes.append(WaitingHello(slot: slot, generation: connections.generation(of: slot)))
        case .http:
            answerInTheClear(slot)
        case .refused:
            refuseHello(slot)
        }
    }

    private func refuseHello(_ slot: UInt32) {
        counters.handshakesFailed += 1
        terminate(slot, reason: .handshakeFailed)
    }

    /// A browser or a script that speaks HTTP where TLS is spoken is told so.
    private func answerInTheClear(_ slot: UInt32) {
        counters.handshakesFailed += 1
        abandonSecure(slot)
        enqueueSealed(slot, ByteView(Core.answerToHTTP))
    }

    private static let answerToHTTP: StaticString = """
        HTTP/1.1 400 Bad Request\r
        Content-Type: text/plain; charset=utf-8\r
        Content-Length: 29\r
        Connection: close\r
        \r
        This port speaks TLS (https).
        """

    // MARK: Handshakes

    /// Whether a hello may be answered now.
    var canAnswerHello: Bool { !handshakes.isEmpty && handshakeTokens >= Int(Clock.ticksPerSecond) }

    /// Answers hellos that wait, oldest first: a few each turn, so that a storm of them does not hold up connections
    /// that are open, and no more a second than the limit says.
    func answerHellos() {
        refillHandshakeTokens()
        var rest = SecureLimits.handshakesPerTurn
        var taken = 0
        while taken < handshakes.count && rest > 0 && handshakeTokens >= Int(Clock.ticksPerSecond) {
            let waiting = handshakes[taken]
            taken += 1
            guard connections.isInUse(waiting.slot), connections.generation(of: waiting.slot) == waiting.generation,
                unsafe connections[waiting.slot].pointee.phase == .http
            else { continue }
            rest -= 1
            handshakeTokens -= Int(Clock.ticksPerSecond)
            answerHello(waiting.slot)
        }
        if taken > 0 { handshakes.removeFirst(taken) }
    }

    /// Tokens are sixteenths of a handshake, so that a tick adds whole ones.
    private func refillHandshakeTokens() {
        let elapsed = Int(min(nowTick &- handshakeTick, Clock.ticksPerSecond))
        if elapsed == 0 { return }
        handshakeTick = nowTick
        let most = limits.handshakesPerSecond * Int(Clock.ticksPerSecond)
        handshakeTokens = min(handshakeTokens + elapsed * limits.handshakesPerSecond, most)
    }

    private func answerHello(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        guard let context = secureContext, let session = securePort.begin(context) else {
            return refuseHello(slot)
        }
        unsafe secureLinks[slot].pointee.session = session
        counters.handshakesBegun += 1
        var block = unsafe connection.pointee.message
        let count = unsafe Int(connection.pointee.messageCount)
        unsafe connection.pointee.message = Block()
        unsafe connection.pointee.messageCount = 0
        unsafe connection.pointee.frameRemaining = 0
        if let base = unsafe block.base { unsafe shakeHands(slot, session, base, count: count) }
        pool.give(&block)
    }

    private func shakeHands(
        _ slot: UInt32, _ session: SecureSession, _ bytes: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        unsafe securePort.input(bytes, count: count)
        defer { securePort.dropInput() }
        var outcome = securePort.handshake(session)
        while outcome == .full {
            takeSecureOutput(slot)
            outcome = securePort.handshake(session)
        }
        takeSecureOutput(slot)
        switch outcome {
        case .needMore: return
        case .done: secured(slot, session)
        case .ended, .failed, .full, .late, .worn:
            counters.handshakesFailed += 1
            abandonSecure(slot)
        }
    }

    /// The handshake is done: from here on it is a connection like any other, and has its time for a request.
    private func secured(_ slot: UInt32, _ session: SecureSession) {
        let connection = unsafe connections[slot]
        counters.handshakesDone += 1
        if securePort.isResumed(session) { counters.handshakesResumed += 1 }
        unsafe connection.pointee.flags.remove(.handshaking)
        unsafe connection.pointee.phaseTick = nowTick
        setTimer(slot, at: nowTick + seconds(limits.headSeconds))
        guard let records = securePort.takeOver(session) else { return readSecure(slot, session) }
        unsafe secureLinks[slot].pointee.records = records
        unsafe secureLinks[slot].pointee.session = nil
        let rest = securePort.inputCount
        let bytes = unsafe UnsafeMutablePointer(mutating: securePort.inputBytes)
        securePort.dropInput()
        securePort.end(session)
        if rest > 0, let bytes = unsafe bytes { unsafe receiveRecords(slot, records, bytes, count: rest) }
    }

    /// Ends a connection whose session cannot go on: what the session has to say still leaves, nothing else.
    private func abandonSecure(_ slot: UInt32, reason given: CloseReason = .secureFault) {
        let connection = unsafe connections[slot]
        let flags = unsafe connection.pointee.flags
        let reason = flags.isSuperset(of: [.secured, .handshaking]) ? CloseReason.handshakeFailed : given
        unsafe consumeOutbox(slot, Int(connection.pointee.outboxEnd - connection.pointee.outboxStart))
        // What the kernel is to say leaves with the end.
        if !flags.isKernelSealed { unsafe secureLinks[slot].pointee.saidFarewell = true }
        unsafe connection.pointee.flags.insert([.deaf, .closeFrameSent, .closeFrameReceived])
        if unsafe connection.pointee.flags.contains(.closing) {
            markDirty(slot)
        } else {
            beginClosing(slot, reason: reason)
        }
    }

    // MARK: Records

    /// Opens records where they lie; only one that is cut by the end of a read is copied.
    private func receiveRecords(
        _ slot: UInt32, _ records: SecureRecords, _ bytes: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        let link = unsafe secureLinks[slot]
        var position = 0
        while position < count {
            let kept = unsafe Int(link.pointee.partialCount)
            if kept == 0 {
                let rest = count - position
                var wanted = SecurePort.recordHeadBytes
                if rest >= wanted {
                    guard let whole = unsafe SecurePort.recordBytes(records, bytes + position) else {
                        return refuseRecord(slot, records)
                    }
                    wanted = whole
                }
                if rest < wanted { return unsafe keepPartial(slot, bytes + position, count: rest) }
                if unsafe !openRecord(slot, records, bytes + position, count: wanted) { return }
                position += wanted
                continue
            }
            var wanted = SecurePort.recordHeadBytes
            if kept >= wanted, let base = unsafe link.pointee.partial.base {
                guard let whole = unsafe SecurePort.recordBytes(records, base) else {
                    return refuseRecord(slot, records)
                }
                wanted = whole
            }
            let added = min(wanted - kept, count - position)
            unsafe keepPartial(slot, bytes + position, count: added)
            position += added
            if kept + added < wanted || wanted == SecurePort.recordHeadBytes { continue }
            // Taken out first: what reads it may end the connection.
            var block = unsafe link.pointee.partial
            unsafe link.pointee.partial = Block()
            unsafe link.pointee.partialCount = 0
            var goesOn = false
            if let base = unsafe block.base { goesOn = unsafe openRecord(slot, records, base, count: wanted) }
            pool.give(&block)
            if !goesOn { return }
        }
    }

    /// The memory grows with what has come, not with what the head announces.
    private func keepPartial(_ slot: UInt32, _ bytes: UnsafePointer<UInt8>, count: Int) {
        let link = unsafe secureLinks[slot]
        let used = unsafe Int(link.pointee.partialCount)
        unsafe pool.grow(&link.pointee.partial, used: used, to: used + count + BackendLimits.receiveSpareBytes)
        guard let base = unsafe link.pointee.partial.base else { return }
        unsafe (base + used).update(from: bytes, count: count)
        unsafe link.pointee.partialCount = UInt32(used + count)
    }

    /// Hands on what one record holds. False: nothing more is read.
    private func openRecord(
        _ slot: UInt32, _ records: SecureRecords, _ record: UnsafeMutablePointer<UInt8>, count: Int
    ) -> Bool {
        let connection = unsafe connections[slot]
        switch unsafe securePort.open(records, record, count: count) {
        case .bytes(let plainCount):
            unsafe receivePlain(slot, record + SecurePort.recordHeadBytes, count: plainCount)
        case .stopped(.late):
            chargeSecureWork(slot, events: 1)
        case .stopped(.ended):
            receiveEnded(slot, result: 0)
            return false
        case .stopped(.worn):
            counters.keyUpdates += 1
            takeSecureOutput(slot)
            abandonSecure(slot, reason: .keysSpent)
            return false
        case .stopped:
            takeSecureOutput(slot)
            counters.secureFaults += 1
            abandonSecure(slot)
            return false
        }
        return unsafe connection.pointee.phase != .joining && !connection.pointee.flags.contains(.deaf)
    }

    private func refuseRecord(_ slot: UInt32, _ records: SecureRecords) {
        securePort.refuse(records)
        takeSecureOutput(slot)
        counters.secureFaults += 1
        abandonSecure(slot)
    }

    // MARK: Bytes of an open session

    private func decrypt(_ slot: UInt32, _ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        guard let session = unsafe secureLinks[slot].pointee.session else { return }
        unsafe securePort.input(bytes, count: count)
        readSecure(slot, session)
        securePort.dropInput()
    }

    /// Reads what the input at hand holds. The engine sees it in the port's own memory, and may change it there.
    private func readSecure(_ slot: UInt32, _ session: SecureSession) {
        let connection = unsafe connections[slot]
        reading: while securePort.canRead(session) {
            switch securePort.read(session) {
            case .bytes(let count):
                unsafe receivePlain(slot, securePort.plain, count: count)
                // Nobody reads it any more; but what the session has to say goes before what is still to be encrypted.
                if unsafe connection.pointee.phase == .joining || connection.pointee.flags.contains(.deaf) {
                    return takeSecureOutput(slot)
                }
            case .stopped(.full):
                takeSecureOutput(slot)
            case .stopped(.needMore):
                break reading
            case .stopped(.ended):
                chargeSecureWork(slot, events: sessionEvents)
                if unsafe connection.pointee.phase != .joining { receiveEnded(slot, result: 0) }
                return
            case .stopped(.failed), .stopped(.done), .stopped(.late), .stopped(.worn):
                takeSecureOutput(slot)
                counters.secureFaults += 1
                return abandonSecure(slot)
            }
        }
        chargeSecureWork(slot, events: sessionEvents)
    }

    /// What came of the session at work besides data.
    private var sessionEvents: Int { max(securePort.lateMessageCount, securePort.outputCount > 0 ? 1 : 0) }

    /// Key updates, empty records, and whatever makes TLS answer, count as control frames.
    private func chargeSecureWork(_ slot: UInt32, events: Int) {
        if events == 0 { return }
        counters.keyUpdates += UInt64(events)
        takeSecureOutput(slot)
        for _ in 0..<events where !takeControlToken(slot) {
            return terminate(slot, reason: .controlFlood, reset: true)
        }
    }

    // MARK: Output

    /// Keeps what the session at work has written for the peer.
    private func takeSecureOutput(_ slot: UInt32) {
        let count = securePort.outputCount
        if count == 0 { return }
        if unsafe connections[slot].pointee.flags.isKernelSealed {
            unsafe keepAlert(slot, ByteView(base: securePort.outputBytes, count: count))
            return securePort.clearOutput()
        }
        unsafe enqueueSealed(slot, ByteView(base: securePort.outputBytes, count: count))
        securePort.clearOutput()
    }

    /// Queues bytes that go to the socket as they are, before anything that is still to be encrypted.
    func enqueueSealed(_ slot: UInt32, _ bytes: ByteView) {
        if bytes.isEmpty { return }
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.phase == .joining { return }
        let link = unsafe secureLinks[slot]
        let start = unsafe Int(link.pointee.start)
        var used = unsafe Int(link.pointee.end)
        if start > 0, let base = unsafe link.pointee.sealed.base {
            used -= start
            unsafe memmoveBytes(to: base, from: base + start, count: used)
            unsafe link.pointee.start = 0
        }
        unsafe pool.grow(&link.pointee.sealed, used: used, to: used + bytes.count)
        if let base = unsafe link.pointee.sealed.base {
            unsafe (base + used).update(from: bytes.base, count: bytes.count)
        }
        unsafe link.pointee.end = UInt32(used + bytes.count)
        unsafe connection.pointee.flags.insert(.hasSealed)
        markDirty(slot)
    }

    /// The encrypted bytes that wait. Valid until they change.
    func sealedView(_ slot: UInt32) -> ByteView {
        let link = unsafe secureLinks[slot]
        guard let base = unsafe link.pointee.sealed.base else { return ByteView("") }
        let start = unsafe Int(link.pointee.start)
        return unsafe ByteView(base: base + start, count: Int(link.pointee.end) - start)
    }

    func consumeSealed(_ slot: UInt32, _ count: Int) {
        let link = unsafe secureLinks[slot]
        unsafe link.pointee.start += UInt32(count)
        unsafe assert(link.pointee.start <= link.pointee.end)
        if unsafe link.pointee.start == link.pointee.end { giveSealed(slot) }
    }

    private func giveSealed(_ slot: UInt32) {
        let link = unsafe secureLinks[slot]
        unsafe pool.give(&link.pointee.sealed)
        unsafe link.pointee.start = 0
        unsafe link.pointee.end = 0
        unsafe connections[slot].pointee.flags.remove(.hasSealed)
    }

    /// Encrypts `count` > 0 bytes. How many they became; nil when there is nothing to encrypt with.
    func seal(
        _ slot: UInt32, _ bytes: UnsafePointer<UInt8>, count: Int, to target: UnsafeMutablePointer<UInt8>
    ) -> Int? {
        let link = unsafe secureLinks[slot]
        if let records = unsafe link.pointee.records {
            return unsafe securePort.seal(records, bytes, count: count, to: target)
        }
        guard let session = unsafe link.pointee.session else { return nil }
        return unsafe securePort.seal(session, bytes, count: count, to: target)
    }

    /// Writes what tells the peer that our side ends. How many bytes that is.
    func writeFarewell(_ slot: UInt32, to target: UnsafeMutablePointer<UInt8>) -> Int {
        let link = unsafe secureLinks[slot]
        if let records = unsafe link.pointee.records { return unsafe securePort.farewell(records, to: target) }
        guard let session = unsafe link.pointee.session else { return 0 }
        return unsafe securePort.farewell(session, to: target)
    }

    // MARK: The end

    /// Gives back what a connection has of TLS.
    func endSecure(_ slot: UInt32) {
        let flags = unsafe connections[slot].pointee.flags
        guard flags.speaksTLS else { return }
        if flags.isKernelSealed { counters.kernelConnections -= 1 }
        giveSealed(slot)
        let link = unsafe secureLinks[slot]
        unsafe pool.give(&link.pointee.partial)
        unsafe link.pointee.partialCount = 0
        if let session = unsafe link.pointee.session { securePort.end(session) }
        if let records = unsafe link.pointee.records { securePort.end(records) }
        unsafe link.pointee.session = nil
        unsafe link.pointee.records = nil
    }

    /// The time of a connection that has not come as far as its first request.
    func guardTimerFired(_ slot: UInt32) {
        let deadline = unsafe connections[slot].pointee.phaseTick + seconds(limits.handshakeSeconds)
        if nowTick < deadline { return setTimer(slot, at: deadline) }
        counters.handshakesFailed += 1
        terminate(slot, reason: .handshakeTimeout)
    }
}

/// Bounds of TLS that are not settings.
enum SecureLimits {
    /// Bytes of a hello that are kept while it waits for its turn, with what a hasty peer sends behind it.
    static let helloBytesMax = ClientHello.bytesMax + 4096
    /// Hellos answered in one turn: about 3 ms with a key of RSA 2048, 0.5 ms with one of P-256.
    static let handshakesPerTurn = 4
    /// Bytes of one connection that are encrypted in one flush: four records.
    static let sealedAtOnceBytesMax = 64 << 10
    /// What a visit of a TLS connection counts in a circle, in visits of plain ones.
    static let visitsPerSecure = 16
}
