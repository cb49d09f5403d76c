import ClarionBytes
import ClarionLoop
import ClarionWire

// Time: deadlines of connections. One timer for each connection, set to the earliest of its deadlines.

extension Core {
    /// Seconds in ticks. More than half a year counts as that.
    func seconds(_ count: Int) -> UInt32 { UInt32(min(max(count, 0), Core.secondsMax)) * Clock.ticksPerSecond }
    private static let secondsMax = 1 << 24

    /// Moves the clock. A pause of the whole process (a stopped process, a sleeping machine) does not count: peers
    /// could not be heard meanwhile, so their deadlines move on.
    func advanceClock(to nanoseconds: UInt64, slept: UInt64) {
        let elapsed = nanoseconds &- lastNanoseconds
        lastNanoseconds = nanoseconds
        var counted = elapsed
        if elapsed > slept, elapsed - slept > UInt64(TurnLimits.pauseTicks) * Clock.nanosecondsPerTick {
            counters.clockPauses += 1
            counted = slept
        }
        tickRemainder += counted
        let ticks = tickRemainder / Clock.nanosecondsPerTick
        tickRemainder %= Clock.nanosecondsPerTick
        nowTick &+= UInt32(truncatingIfNeeded: ticks)
    }

    /// Notes how long the turn took that ends now: the longest is what others had to wait.
    func noteTurn(until nanoseconds: UInt64) {
        let spent = nanoseconds &- lastNanoseconds
        turnNanoseconds = spent
        if spent > turnNanosecondsMax { turnNanosecondsMax = spent }
    }

    /// Every ten seconds a new window begins; what is shown is the longest turn of this window and the last.
    func rotateTurnWindow() {
        counters.turnMicrosecondsMax = max(turnNanosecondsMax, lastTurnNanosecondsMax) / 1000
        if nowTick &- turnWindowTick < 10 * Clock.ticksPerSecond { return }
        turnWindowTick = nowTick
        lastTurnNanosecondsMax = turnNanosecondsMax
        turnNanosecondsMax = 0
    }

    /// Makes sure that the connection is looked at by `tick`.
    func setTimer(_ slot: UInt32, at tick: UInt32) {
        let connection = unsafe connections[slot]
        unsafe connection.pointee.timerTick = tick
        timers.schedule(Int(slot), tick: tick)
    }

    /// As `setTimer`, but never later than what is set.
    func setTimerEarlier(_ slot: UInt32, at tick: UInt32) {
        if unsafe tick < connections[slot].pointee.timerTick { setTimer(slot, at: tick) }
    }

    /// A connection's time has come: ends it if a deadline has passed, else sets the next.
    func timerFired(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        // None is set any more: `setTimerEarlier` must not compare with it.
        unsafe connection.pointee.timerTick = UInt32.max
        switch unsafe connection.pointee.phase {
        case .joining:
            return
        case .closing, .lingering:
            let isOwed = unsafe !connection.pointee.flags.isDisjoint(with: .owed)
            let deadline = unsafe connection.pointee.phaseTick + closingTicksMax(slot)
            // What the kernel holds already is not thrown away: it leaves after us, bounded by TCP_USER_TIMEOUT. Only
            // a frame of which it holds a part is cut.
            if nowTick >= deadline { return terminate(slot, reason: .peerVanished, reset: isOwed && !isStopping) }
            setTimer(slot, at: deadline)
        case .http:
            httpTimerFired(slot)
        case .open:
            openTimerFired(slot)
        }
    }

    private func httpTimerFired(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        if unsafe isGraceOver && connection.pointee.flags.isDisjoint(with: [.awaitingAnswer, .owed]) {
            return endGrace(slot)
        }
        if unsafe connection.pointee.flags.contains(.awaitingRouter) { return lookAgain(slot) }
        if unsafe connection.pointee.flags.contains(.proxied) { return proxyTimerFired(slot) }
        if unsafe connection.pointee.flags.contains(.handshaking) { return guardTimerFired(slot) }
        if unsafe !connection.pointee.flags.isDisjoint(with: [.awaitingAnswer, .hasOutbox, .hasSealed]) {
            let deadline = unsafe connection.pointee.phaseTick + seconds(limits.idleSeconds)
            if nowTick >= deadline { return terminate(slot, reason: .idle, reset: true) }
            return setTimer(slot, at: deadline)
        }
        let isIdle = unsafe connection.pointee.messageCount == 0 && connection.pointee.requestCount > 0
        let deadline = unsafe connection.pointee.phaseTick + seconds(isIdle ? limits.idleSeconds : limits.headSeconds)
        if nowTick < deadline { return setTimer(slot, at: deadline) }
        if isIdle { return terminate(slot, reason: .idle) }
        if unsafe connection.pointee.messageCount == 0 { return terminate(slot, reason: .headTimeout) }
        refuseRequest(slot, status: 408, text: "The request was not complete in time.", reason: .headTimeout)
    }

    private func openTimerFired(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        var next = UInt32.max
        if unsafe connection.pointee.flags.contains(.metered), let resume = meterTimerFired(slot) { next = resume }
        if unsafe connection.pointee.flags.contains(.blocked) {
            let deadline = unsafe connection.pointee.blockedTick + seconds(limits.slowConsumerSeconds)
            if nowTick >= deadline { return closeSlowConsumer(slot) }
            next = min(next, deadline)
        }
        if unsafe connection.pointee.messageTick != 0 && !isResting(slot) {
            let deadline = unsafe connection.pointee.messageTick + seconds(limits.messageSeconds)
            if nowTick >= deadline {
                return fail(slot, reason: .messageTimeout, code: .policyViolation, text: "message not complete in time")
            }
            next = min(next, deadline)
        }
        if unsafe connection.pointee.pingAfterTicks > 0 {
            if unsafe connection.pointee.flags.contains(.pinged) {
                let deadline =
                    unsafe connection.pointee.heardTick + connection.pointee.pingAfterTicks
                    + connection.pointee.answerWithinTicks
                if nowTick >= deadline { return closeWithFarewell(slot, reason: .pongTimeout) }
                next = min(next, deadline)
            } else {
                let due = unsafe connection.pointee.heardTick + connection.pointee.pingAfterTicks
                if nowTick >= due {
                    unsafe connection.pointee.flags.insert(.pinged)
                    unsafe handlers[Int(connection.pointee.handler)].ping(Session(core: self, slot: slot))
                    if unsafe connections[slot].pointee.flags.contains(.closing) { return }
                    // If it answers, the next ping may be due before the time for its answer would have been over.
                    next = unsafe min(
                        next, nowTick + connection.pointee.answerWithinTicks,
                        nowTick + connection.pointee.pingAfterTicks)
                } else {
                    next = min(next, due)
                }
            }
        }
        if next != UInt32.max { setTimer(slot, at: max(next, nowTick + 1)) }
    }
}
