import ClarionBytes
import ClarionLoop
import ClarionWire

// How connections end. Three steps: terminate (say so, send what is queued), join (the kernel hands everything back),
// close (the slot is free). Each connection ends once, for one reason.

extension Core {
    /// Begins to close a WebSocket: what was queued for it alone is sent, then a close frame; from now on nothing else.
    func close(_ slot: UInt32, reason: CloseReason, code: UInt16?, text: StaticString) {
        close(slot, reason: reason, code: code, text: ByteView(text))
    }

    func close(_ slot: UInt32, reason: CloseReason, code: UInt16?, text: ByteView) {
        let connection = unsafe connections[slot]
        guard unsafe connection.pointee.phase == .open, unsafe !connection.pointee.flags.contains(.closing) else {
            return
        }
        sendCloseFrame(slot, code: code, text: text)
        beginClosing(slot, reason: reason)
    }

    /// The common part: no subscriptions, no new data, a deadline.
    func beginClosing(_ slot: UInt32, reason: CloseReason) {
        let connection = unsafe connections[slot]
        unsafe connection.pointee.reason = reason.rawValue
        unsafe connection.pointee.phase = .closing
        unsafe connection.pointee.phaseTick = nowTick
        unsafe connection.pointee.flags.insert(.closing)
        unsafe connection.pointee.flags.remove(.outboxHeld)
        endMeter(slot)
        endAwaitingIdentity(slot)
        unsubscribeAll(slot)
        setTimer(slot, at: nowTick + seconds(limits.closeSeconds))
        markDirty(slot)
    }

    /// Closes with what the protocol has to say about `reason`.
    func closeWithFarewell(_ slot: UInt32, reason: CloseReason) {
        let connection = unsafe connections[slot]
        guard unsafe connection.pointee.phase == .open, unsafe !connection.pointee.flags.contains(.closing) else {
            return
        }
        let handler = unsafe handlers[Int(connection.pointee.handler)]
        if let farewell = handler.farewell(reason, Session(core: self, slot: slot)) {
            close(slot, reason: reason, code: farewell.code, text: farewell.text)
        } else {
            close(slot, reason: reason, code: nil, text: "")
        }
    }

    /// A fault in what the peer sent: a close frame that names it, and nothing more is read.
    func fail(_ slot: UInt32, reason: CloseReason, code: CloseCode, text: StaticString) {
        let connection = unsafe connections[slot]
        unsafe connection.pointee.flags.insert(.deaf)
        if unsafe connection.pointee.flags.contains(.closing) {
            // It was about to close anyway and spoils the handshake: no more waiting for its close frame.
            unsafe connection.pointee.flags.insert(.closeFrameReceived)
            markDirty(slot)
            return
        }
        close(slot, reason: reason, code: code.rawValue, text: text)
        unsafe connection.pointee.flags.insert(.closeFrameReceived)
    }

    /// The log has passed a reader, or it took nothing for too long. What it lacks is dropped; the close frame tells
    /// why, should it read again before its time is over (`closingTicksMax`).
    func closeSlowConsumer(_ slot: UInt32) {
        closeWithFarewell(slot, reason: .slowConsumer)
    }

    /// Ends TCP at once. The slot is freed when the backend has handed everything back.
    func terminate(_ slot: UInt32, reason: CloseReason, reset: Bool = false) {
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.phase == .joining { return }
        if unsafe !connection.pointee.flags.contains(.closing) { unsafe connection.pointee.reason = reason.rawValue }
        unsafe connection.pointee.flags.insert([.closing, .deaf])
        unsubscribeAll(slot)
        unsafe connection.pointee.phase = .joining
        uncount(slot)
        endAwaitingIdentity(slot)
        timers.cancel(Int(slot))
        giveBlocks(of: slot)
        if !chunkedRequests.isEmpty { chunkedRequests[slot] = nil }
        tellClosed(slot)
        command(reset ? .reset : .close, slot)
    }

    /// Tells the handler that the connection is over for it, once. What it counts must not outlive what the peer sees:
    /// who was answered by a close frame may come back at once.
    private func tellClosed(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        guard unsafe connection.pointee.flags.contains(.handlerOpened) else { return }
        unsafe connection.pointee.flags.remove(.handlerOpened)
        counters.socketsOpen -= 1
        unsafe handlers[Int(connection.pointee.handler)].closed(Session(core: self, slot: slot))
    }

    /// The backend holds nothing of it any more.
    func finishClosing(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        unsafe assert(connection.pointee.phase == .joining)
        unsafe counters.closed[Int(connection.pointee.reason)] += 1
        counters.connectionsOpen -= 1
        giveBlocks(of: slot)
        endSecure(slot)
        if unsafe connection.pointee.flags.contains(.queued) {
            // The list of the next flush still names the slot; the flush finds it unused or clean.
            unsafe connection.pointee.flags.remove(.queued)
            for index in 0..<dirty.count where dirty[index] == slot {
                dirty[index] = dirty[dirty.count - 1]
                _ = dirty.removeLast()
                break
            }
        }
        connections.give(slot)
    }

    /// Called by the flush when the outbox of a closing connection is empty: the next step.
    func advanceClosing(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        guard unsafe connection.pointee.phase == .closing, unsafe connection.pointee.flags.isDisjoint(with: .owed)
        else {
            return
        }
        let sentFrame = unsafe connection.pointee.flags.contains(.closeFrameSent)
        let gotFrame = unsafe connection.pointee.flags.contains(.closeFrameReceived)
        if unsafe connection.pointee.flags.contains(.peerEnded) {
            return terminate(slot, reason: .peerClosed)
        }
        if sentFrame && !gotFrame {
            // All has left us: from now on the peer has its time to answer.
            unsafe connection.pointee.phaseTick = nowTick
            return setTimer(slot, at: nowTick + seconds(limits.closeSeconds))
        }
        // RFC 6455 section 7.1.1: the server ends TCP first. Our side is shut and what still comes is dropped until the
        // peer ends too: closing with unread bytes would send RST and could destroy the last frame on its way.
        unsafe connection.pointee.phase = .lingering
        unsafe connection.pointee.phaseTick = nowTick
        unsafe connection.pointee.flags.insert(.deaf)
        tellClosed(slot)
        setTimer(slot, at: nowTick + closingTicksMax(slot))
        command(.shutdownSending, slot)
    }

    // MARK: Closing many

    /// Calls `body` for the open WebSockets that speak to handler number `handler`, in `count` slots from number
    /// `first` on. Returns where to go on; nil behind the last. For rare things: it looks at every slot.
    public func forEachSession(
        handler: UInt8, from first: Int, slots count: Int, _ body: (Session) -> Void
    ) -> Int? {
        let end = min(first + count, connections.touched)
        for slot in UInt32(min(first, end))..<UInt32(end) where connections.isInUse(slot) {
            let connection = unsafe connections[slot]
            if unsafe connection.pointee.phase == .open && connection.pointee.handler == handler {
                body(Session(core: self, slot: slot))
            }
        }
        return end < connections.touched ? end : nil
    }

    // MARK: Leaving

    /// The node stops: nothing new comes in; what was taken in reaches everybody it is for, on all workers; then
    /// everybody is told.
    func beginStop() {
        if isStopping { return }
        isStopping = true
        stopTick = nowTick
    }

    /// Called in each turn while stopping: no more input is taken in when what has come is, or its time is over.
    func mayEndInput(hasMoreInput: Bool) {
        if !isStopping || !takesInput { return }
        if !hasMoreInput || nowTick &- stopTick > seconds(limits.drainSeconds) / 8 { takesInput = false }
    }

    /// Called in each turn while stopping: whether it is time to tell everybody, once.
    ///
    /// A worker is quiet when its own publishes have their place: homes post deliveries before they tell so. When all
    /// are quiet, whatever there is to deliver lies in the mailboxes; who has read its own and sent it is done.
    func mayTakeLeave(hasOpenMail: Bool) -> Bool {
        if saidFarewell { return false }
        if !isQuiet && !takesInput && held.isEmpty && isAllOrdered {
            isQuiet = true
            exchange.becomeQuiet()
        }
        // In this order: when all are quiet, the mailbox holds all that will ever come.
        let areAllQuiet = exchange.areAllQuiet
        let hasMail = unsafe hasOpenMail || exchange.mailbox(workerIndex).pointee.pendingCount > 0
        let isSent = !isSweeping && dirty.isEmpty && deflate.jobs.isEmpty && !hasUnreadLogs
        let isDrained = areAllQuiet && !hasMail && isSent && held.isEmpty
        if !isDrained && nowTick &- stopTick <= seconds(limits.drainSeconds) / 2 { return false }
        saidFarewell = true
        return true
    }

    func sayGoodbyeToSockets() {
        for slot in 0..<UInt32(connections.touched) where connections.isInUse(slot) {
            if unsafe connections[slot].pointee.phase == .open { closeWithFarewell(slot, reason: .shutdown) }
        }
    }

    /// Called in each turn while stopping. True when all is done.
    func advanceStop() -> Bool {
        let elapsed = nowTick &- stopTick
        let isTimeOver = elapsed > seconds(limits.drainSeconds)
        if !hasLeft && (isTimeOver || isGraceOver && connections.count == 0 && held.isEmpty && isAllOrdered) {
            hasLeft = true
            exchange.leave()
        }
        // A worker without connections is still a home: others may have publishes for it, and wait for its word.
        return isTimeOver || hasLeft && exchange.haveAllLeft
    }

    /// Everything that this worker published has its place, and what of it comes back here is here.
    private var isAllOrdered: Bool {
        for worker in 0..<workerCount where ordered[worker] != posted[worker] { return false }
        return true
    }
}
