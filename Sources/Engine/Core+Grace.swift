import ClarionBytes

// The end of a node for those who speak HTTP: whoever publishes at this moment gets an answer, or an orderly end.

/// How long the end may take for those who speak HTTP.
enum Grace {
    /// Requests that come within this part of a second after everybody was told are answered with 503.
    static let ticks = max(Clock.ticksPerSecond / 4, 1)
    /// For so long what still comes is dropped behind the end of our side: unread bytes would make it a reset.
    static let lingerTicks = max(Clock.ticksPerSecond / 4, 1)
}

extension Core {
    /// Requests that are being answered are. Other connections get a moment to say what they want, which is refused
    /// with 503; then they end.
    func sayGoodbyeToRequests() {
        graceTick = nowTick
        for slot in 0..<UInt32(connections.touched) where connections.isInUse(slot) {
            guard unsafe connections[slot].pointee.phase == .http else { continue }
            graceTick = nowTick &+ Grace.ticks
            if unsafe connections[slot].pointee.flags.contains(.awaitingAnswer) {
                unsafe connections[slot].pointee.flags.insert(.closeAfterAnswer)
            } else if unsafe connections[slot].pointee.flags.isDisjoint(with: .owed) {
                setTimer(slot, at: graceTick)
            }
        }
    }

    /// Whether nobody is listened to any more who has not been accepted yet.
    var isGraceOver: Bool { saidFarewell && nowTick &- graceTick < UInt32.max / 2 }

    /// The time of a connection is over. Of whom a part of a request has come, or who waits for the router, is refused;
    /// others have our side ended, and what they still send dropped, so that they see an end and no reset.
    func endGrace(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        let isBeginning = unsafe !connection.pointee.flags.isDisjoint(with: [.handshaking, .proxied])
        if isBeginning { return terminate(slot, reason: .shutdown) }
        if unsafe connection.pointee.messageCount > 0 {
            unsafe connection.pointee.flags.remove(.awaitingRouter)
            return refuseRequest(slot, status: 503, text: "The node stops.", reason: .shutdown)
        }
        endAwaitingIdentity(slot)
        unsafe connection.pointee.reason = CloseReason.shutdown.rawValue
        unsafe connection.pointee.flags.insert([.closing, .deaf])
        unsafe connection.pointee.phase = .lingering
        unsafe connection.pointee.phaseTick = nowTick
        setTimer(slot, at: nowTick &+ Grace.lingerTicks)
        command(.shutdownSending, slot)
    }

    /// How long a connection may take to close, in ticks. A reader that still has to take something, a close frame at
    /// the least, has as long as any slow reader; when the node stops, as long as the node. One that spoke HTTP does
    /// not hold up a stop.
    func closingTicksMax(_ slot: UInt32) -> UInt32 {
        let flags = unsafe connections[slot].pointee.flags
        if flags.isDisjoint(with: .owed) {
            return saidFarewell && !flags.contains(.closeFrameSent) ? Grace.lingerTicks : seconds(limits.closeSeconds)
        }
        return seconds(max(limits.closeSeconds, isStopping ? limits.drainSeconds : limits.slowConsumerSeconds))
    }
}
