import ClarionBytes

// Sending clients away before the node stops: a few at a time, so that they do not come back all at once elsewhere, and
// each only when it has everything that was published for it.
//
// Three steps. First nothing more may be published over HTTP: a message that an application was told is published
// would not reach those who have left. Then all workers wait until what was answered lies in the logs. Then connections
// are chosen, at a pace with some chance in it, and closed as soon as they have read their logs.

/// How far a worker is with sending its clients away.
struct DrainState: ~Copyable {
    enum Step: UInt8 {
        case off
        /// What was published before still gets its place.
        case settling
        /// Everybody's publishes have their place; the mailbox may still hold deliveries of them.
        case reading
        case closing
        /// Nobody is left who could be told.
        case done
    }

    var step = Step.off
    /// Somebody else has the listeners: who was accepted here before that is still let in, to be sent there.
    var hasSuccessor = false
    /// What the kernel had begun to accept for us may still come.
    var isStillAccepting = false
    var beganTick: UInt32 = 0
    var lastTick: UInt32 = 0
    var lastScanTick: UInt32 = 0
    /// The publishes that this worker had posted to each home when it began.
    var posted: [UInt64] = []
    /// Where the walk over the connections goes on.
    var cursor = 0
    /// Connections that may be chosen now, in parts of `Drain.creditParts`.
    var credit = 0
    /// Chosen and not closed yet (flag `leaving`).
    var chosen = PlainVector<UInt32>()
    /// State of the generator of jitter (xorshift); never 0.
    var random: UInt64 = 1
}

/// Numbers of the drain.
enum Drain {
    static let creditParts = 256
    /// How long earlier publishes may take to get their place before clients are closed all the same.
    static let settleSeconds = 1
    /// Slots that are looked at in one turn.
    static let slotsPerTurnMax = 16_384
}

extension Core {
    /// Whether the node sends its clients away, or stops: nobody else should be sent to it.
    public var isLeaving: Bool { drain.step != .off || isStopping }

    /// Whether a request that is no upgrade is still answered. Publishing is not.
    func isRefusedWhileDraining(_ method: ByteView) -> Bool {
        drain.step != .off && !(method == "GET" || method == "HEAD")
    }

    /// Begins to send clients away.
    func beginDrain(hasSuccessor: Bool) {
        if drain.step != .off || isStopping { return }
        drain.step = .settling
        drain.hasSuccessor = hasSuccessor
        drain.isStillAccepting = hasSuccessor
        drain.beganTick = nowTick
        drain.lastTick = nowTick
        for worker in 0..<workerCount { drain.posted.append(posted[worker]) }
        let seed = exchange.hash.hash(ByteView("drain"), seed: UInt64(workerIndex) &+ lastNanoseconds)
        drain.random = seed | 1
        drain.cursor = connections.touched > 0 ? Int(seed % UInt64(connections.touched)) : 0
        counters.draining = 1
    }

    /// Called in each turn, behind the flush. `hasReadMail`: what lay in the mailbox when the turn began was read.
    func advanceDrain(hasReadMail: Bool) {
        if isStopping { return }
        switch drain.step {
        case .off, .done: return
        case .settling:
            if !hasSettled { return }
            drain.step = .reading
            exchange.becomeSettled()
        case .reading:
            // In this order: when all have settled, what the mailbox holds at the beginning of the next turn is all.
            if isSettlingOver || exchange.areAllSettled { drain.step = .closing }
        case .closing:
            if !hasReadMail && !isSettlingOver { return }
            let elapsed = nowTick &- drain.lastTick
            if elapsed > 0 {
                drain.lastTick = nowTick
                choose(elapsed)
            }
            closeChosen()
            if elapsed > 0 && isDrained {
                drain.step = .done
                exchange.becomeDrained()
            }
        }
    }

    private var isSettlingOver: Bool { nowTick &- drain.beganTick > seconds(Drain.settleSeconds) }

    private var hasSettled: Bool {
        if isSettlingOver { return true }
        for worker in 0..<workerCount where ordered[worker] < drain.posted[worker] { return false }
        return held.isEmpty
    }

    private var drainTicks: UInt32 { seconds(limits.drainSpreadSeconds) }

    /// Chooses those whose turn it is: all that are left, spread over the time that is left, but no fewer than the
    /// pace asks for; half as many or half as many again, by chance.
    private func choose(_ elapsed: UInt32) {
        let spent = nowTick &- drain.beganTick
        let left = spent < drainTicks ? Int(drainTicks - spent) : 0
        let remaining = max(Int(counters.socketsOpen) - drain.chosen.count, 0)
        if remaining == 0 { return }
        if left == 0 {
            drain.credit = remaining * Drain.creditParts
        } else {
            let pace = limits.drainPerSecondMin * Drain.creditParts / Int(Clock.ticksPerSecond) / workerCount
            let even = remaining * Drain.creditParts / left
            drain.random ^= drain.random << 13
            drain.random ^= drain.random >> 7
            drain.random ^= drain.random << 17
            let jitter = 128 + Int(drain.random & 0xFF)
            drain.credit += max(pace, even, 1) * Int(min(elapsed, Clock.ticksPerSecond)) * jitter / 256
        }
        var count = drain.credit / Drain.creditParts
        drain.credit -= count * Drain.creditParts
        var looks = min(connections.touched, Drain.slotsPerTurnMax)
        while count > 0 && looks > 0 {
            looks -= 1
            if drain.cursor >= connections.touched { drain.cursor = 0 }
            let slot = UInt32(drain.cursor)
            drain.cursor += 1
            guard connections.isInUse(slot) else { continue }
            let connection = unsafe connections[slot]
            guard unsafe connection.pointee.phase == .open,
                unsafe connection.pointee.flags.isDisjoint(with: [.closing, .leaving])
            else { continue }
            unsafe connection.pointee.flags.insert(.leaving)
            drain.chosen.append(slot)
            count -= 1
        }
        // Those that the walk did not come to are due still.
        drain.credit += count * Drain.creditParts
    }

    /// Closes those of the chosen that have read everything.
    private func closeChosen() {
        var kept = 0
        for index in 0..<drain.chosen.count {
            let slot = drain.chosen[index]
            guard connections.isInUse(slot), unsafe connections[slot].pointee.phase == .open,
                unsafe connections[slot].pointee.flags.contains(.leaving)
            else { continue }
            if hasEverything(slot) {
                closeWithFarewell(slot, reason: .shutdown)
            } else {
                drain.chosen[kept] = slot
                kept += 1
            }
        }
        while drain.chosen.count > kept { _ = drain.chosen.removeLast() }
    }

    /// Whether nothing waits for a connection: not in its logs, not of its own.
    private func hasEverything(_ slot: UInt32) -> Bool {
        let connection = unsafe connections[slot]
        let waits: ConnectionFlags = [.blocked, .queued, .hasOutbox, .hasSealed, .hasGap, .outboxHeld, .inputHeld]
        if unsafe !connection.pointee.flags.isDisjoint(with: waits) || !deflate.jobs.isEmpty { return false }
        var next = unsafe connection.pointee.firstSubscription
        while next != Connection.noSubscription {
            let subscription = unsafe subscriptions[next].pointee
            next = subscription.next
            if subscription.isWaiting { return false }
            let channel = unsafe channels[subscription.channel]
            guard let subscribers = unsafe channel.pointee.subscribers else { continue }
            if unsafe subscribers[Int(subscription.position)].cursor != channel.pointee.log.head { return false }
        }
        return true
    }

    /// Whether all have been told who can be. Readers whose socket is full have their time when the worker stops.
    private var isDrained: Bool {
        if nowTick &- drain.beganTick >= drainTicks + seconds(Drain.settleSeconds) { return true }
        if Int(counters.socketsOpen) > drain.chosen.count { return false }
        for index in 0..<drain.chosen.count
        where unsafe !connections[drain.chosen[index]].pointee.flags.contains(.blocked) { return false }
        return !drain.hasSuccessor || !drain.isStillAccepting && !hasFreshConnections
    }

    /// Whether a connection has not said yet what it wants. Each has `headSeconds` for that.
    private var hasFreshConnections: Bool {
        for slot in 0..<UInt32(connections.touched) where connections.isInUse(slot) {
            if unsafe connections[slot].pointee.phase == .http && connections[slot].pointee.requestCount == 0 {
                return true
            }
        }
        return false
    }
}
