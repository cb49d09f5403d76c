import CPosix
import ClarionBytes
import ClarionLoop
import ClarionTransport

/// What a token of this floor is about.
enum TokenOperation {
    static let listener: UInt8 = 1
    static let connection: UInt8 = 2
    /// A handle that was refused: nothing is known of it but that it will be closed.
    static let refused: UInt8 = 3
}

/// A worker's turn, over any backend: reap what the kernel has done, run the protocols, post mail, flush, sleep.
///
/// Owns the backend and drives the core. Lives on its thread's stack; what it keeps for a flush is allocated once.
@safe struct WorkerLoop<B: Backend & ~Copyable>: ~Copyable {
    var backend: B
    let core: Core
    private(set) var listeners: [WorkerListener]

    /// Points to `TurnLimits.completionsMax` completions; owned.
    private let completions: UnsafeMutablePointer<Completion>
    /// Received bytes that may not be looked at yet, in order.
    private var deferred = PlainVector<Completion>(capacity: 64)
    private var deferredNext = 0
    /// A batch of mail that is being read.
    private var batch: UnsafeMutablePointer<MailBatch>?
    private var batchNext = 0

    var flush: FlushState
    private var isAccepting = false
    /// Whether every listener names its peers.
    private var namesAllPeers = false
    private var pacer = AcceptPacer()
    /// What the backend was last told of it.
    private var allowanceTold = Int.max
    private var hasStoppedAccepting = false
    private var mailboxesAreFull = false
    /// Mail that was there when this turn's completions came is still unread.
    private var isBehindOnMail = false
    /// Points to `expiredMax` slots; owned.
    private let expired: UnsafeMutablePointer<Int32>
    private static var expiredMax: Int { 256 }

    init(backend: consuming B, core: Core, listeners: [WorkerListener], sendBatchMax: Int) {
        self.backend = backend
        self.core = core
        self.listeners = listeners
        unsafe completions = UnsafeMutablePointer.allocate(capacity: TurnLimits.completionsMax)
        unsafe expired = UnsafeMutablePointer.allocate(capacity: WorkerLoop.expiredMax)
        flush = FlushState(sendBatchMax: sendBatchMax)
    }

    deinit {
        unsafe completions.deallocate()
        unsafe expired.deallocate()
        if let batch = unsafe batch { unsafe Exchange.discard(batch, from: batchNext) }
    }

    /// Runs until the node has told the worker to stop and everything has left, or the time for that is over.
    mutating func run() {
        start()
        while !turn() {}
    }

    mutating func start() {
        for (index, listener) in listeners.enumerated() {
            let token = Token(operation: TokenOperation.listener, generation: 1, slot: UInt32(index))
            if core.wantsPeers { listeners[index].traits.insert(.namesPeers) }
            let namesPeers = !listeners[index].traits.isDisjoint(with: [.proxied, .namesPeers])
            if namesPeers { core.knowsPeers = true }
            backend.accept(listener: listener.descriptor, token: token, namesPeers: namesPeers)
        }
        namesAllPeers = core.wantsPeers
        isAccepting = true
        core.exchange.setWakeDescriptor(backend.wakeDescriptor, of: core.workerIndex)
    }

    /// One turn. True when the worker is done.
    mutating func turn() -> Bool {
        let wait = beforeSleep()
        if wait != 0 { core.noteTurn(until: cposix_monotonic_nanoseconds()) }
        let count = unsafe backend.turn(
            waitNanoseconds: wait, into: completions, capacity: TurnLimits.completionsMax)
        if wait != 0 { unsafe core.exchange.mailbox(core.workerIndex).pointee.wakeUp() }
        core.counters.turns += 1
        core.backendCounters = backend.counters
        let now = cposix_monotonic_nanoseconds()
        if wait == 0 { core.noteTurn(until: now) }
        core.advanceClock(to: now, slept: UInt64(max(wait, 0)))
        // Mail first: what a peer sends because it heard of an earlier message must not overtake that message, which
        // was in the mailbox before these completions came.
        isBehindOnMail = !readMail()
        if core.wantsPeers && !namesAllPeers { nameAllPeers() }
        let hasMoreInput = readCompletions(count)
        if isAccepting { paceAccepts(now) }
        if !core.handshakes.isEmpty { core.answerHellos() }
        core.mayEndInput(hasMoreInput: hasMoreInput)
        if core.drain.hasSuccessor && isAccepting {
            isAccepting = false
            backend.endAccepting()
        }
        if core.drain.isStillAccepting { core.drain.isStillAccepting = !backend.hasEndedAccepting }
        core.settleHomes()
        applyCommands()
        core.postAll()
        fireTimers()
        core.advanceDeflate()
        flushSlice()
        core.advanceDrain(hasReadMail: !isBehindOnMail)
        core.settleHomes()
        applyCommands()
        core.postAll()
        return core.isStopping && stop()
    }

    // MARK: Sleeping

    /// How long the kernel may wait for something to happen, in nanoseconds; 0 while there is work.
    private func beforeSleep() -> Int64 {
        if unsafe core.hasWork || batch != nil { return 0 }
        if hasDeferred && !core.holdsInput {
            return isHeldBack && !isBehindOnMail ? WorkerLoop.heldBackNanoseconds : 0
        }
        if unsafe !core.exchange.mailbox(core.workerIndex).pointee.prepareToSleep() { return 0 }
        let isTicking = core.isLeaving || !core.handshakes.isEmpty
        let idleTicks: UInt32 = isTicking ? 1 : (core.countsDue.isEmpty ? 4 : 1) * Clock.ticksPerSecond
        let next = core.timers.nextTick ?? (core.nowTick + idleTicks)
        let ticks = UInt64(min(next > core.nowTick ? next - core.nowTick : 0, idleTicks))
        let untilNext = ticks * Clock.nanosecondsPerTick
        var wait = untilNext > core.tickRemainder ? untilNext - core.tickRemainder : 0
        if pacer.lookAt != 0 {
            wait = min(wait, pacer.lookAt > core.lastNanoseconds ? pacer.lookAt - core.lastNanoseconds : 0)
        }
        return Int64(max(wait, 1))
    }

    /// Whether input waits that was put off.
    var hasDeferred: Bool { deferredNext < deferred.count }

    /// How long a worker rests that may not read because another one has too much mail.
    private static var heldBackNanoseconds: Int64 { 100_000 }

    /// Whether new input would only pile up, in a log of ours or in the mailbox of another worker; or overtake mail.
    private var isHeldBack: Bool { core.isPressed || mailboxesAreFull || isBehindOnMail || core.holdsInput }

    /// Looks at the other workers' mailboxes; once a turn, for their counts are other processors' memory.
    private mutating func lookAtMailboxes() {
        mailboxesAreFull = false
        for worker in 0..<core.exchange.workerCount where worker != core.workerIndex {
            let pending = unsafe core.exchange.mailbox(worker).pointee.pendingCount
            if pending > core.limits.mailBatchesMax { mailboxesAreFull = true }
        }
    }

    // MARK: Completions

    /// Whether there was input, so that there may be more.
    private mutating func readCompletions(_ count: Int) -> Bool {
        lookAtMailboxes()
        var hadInput = hasDeferred
        if hasDeferred { readDeferred() }
        var index = 0
        while index < count {
            let completion = unsafe completions[index]
            index += 1
            if completion.kind == .received { hadInput = true }
            if completion.kind == .received && (hasDeferred || isHeldBack) {
                core.counters.inputDeferred += 1
                if !hasDeferred { core.deferredTick = core.nowTick }
                deferred.append(completion)
            } else {
                read(completion)
            }
        }
        return hadInput
    }

    private mutating func readDeferred() {
        // That of the oldest; what came later has waited less.
        core.inputDelayTicks = core.nowTick &- core.deferredTick
        while hasDeferred && !isHeldBack {
            let completion = deferred[deferredNext]
            deferredNext += 1
            read(completion)
        }
        if !hasDeferred { core.inputDelayTicks = 0 }
        // Under lasting pressure it is never empty, so what was read goes when it is as much as what is left.
        if deferredNext * 2 >= deferred.count {
            deferred.removeFirst(deferredNext)
            deferredNext = 0
        }
    }

    private mutating func read(_ completion: Completion) {
        let slot = completion.token.slot
        switch completion.kind {
        case .accepted:
            accept(completion.result, listeners[Int(slot)].traits)
        case .received:
            if isCurrent(completion.token) {
                if completion.result > 0, let bytes = unsafe completion.bytes {
                    unsafe core.receive(slot, bytes, count: Int(completion.result))
                } else {
                    core.receiveEnded(slot, result: completion.result)
                }
            }
            if completion.result > 0 { backend.recycle(buffer: completion.buffer) }
            // A large round of input must not hold back what it asks for.
            if core.commands.count > WorkerLoop.commandsMax { applyCommands() }
        case .writable:
            if isCurrent(completion.token) { core.becameWritable(slot) }
        case .closed:
            if isCurrent(completion.token) { core.finishClosing(slot) }
        }
    }

    private static var commandsMax: Int { 128 }

    private func isCurrent(_ token: Token) -> Bool {
        token.operation == TokenOperation.connection && core.connections.generation(of: token.slot) == token.generation
            && core.connections.isInUse(token.slot)
    }

    private mutating func accept(_ handle: Int32, _ traits: ListenerTraits) {
        if handle < 0 {
            core.counters.acceptFailures += 1
            return
        }
        if core.limits.accepts.isOn {
            core.exchange.acceptBucket.take(1, core.limits.accepts, now: core.lastNanoseconds)
        }
        let isNamed = core.knowsPeers && !traits.isDisjoint(with: [.proxied, .namesPeers])
        let address = isNamed ? backend.peerAddress(handle) : .unknown
        guard let slot = core.accept(handle, traits, from: address) else {
            let token = Token(operation: TokenOperation.refused, generation: 0, slot: 0)
            backend.close(handle, token: token, reset: true)
            return
        }
        backend.receive(handle, token: token(of: slot))
    }

    /// Lets as many in as may come (`AcceptPacer`).
    private mutating func paceAccepts(_ now: UInt64) {
        let turn = AcceptPacer.Turn(now: now, lastNanoseconds: core.turnNanoseconds, isPressed: core.isPressed)
        switch pacer.decide(turn, core.limits.accepts, core.exchange.acceptBucket) {
        case .none: break
        case .rate: core.counters.acceptsPaced += 1
        case .lag: core.counters.acceptsLagged += 1
        }
        if pacer.allowance != allowanceTold || pacer.allowance != Int.max {
            allowanceTold = pacer.allowance
            backend.setAcceptAllowance(pacer.allowance)
        }
    }

    /// A limit that was set while the node runs wants to know who connects.
    private mutating func nameAllPeers() {
        namesAllPeers = true
        core.knowsPeers = true
        for index in listeners.indices { listeners[index].traits.insert(.namesPeers) }
        backend.nameAllPeers()
    }

    private func token(of slot: UInt32) -> Token {
        Token(operation: TokenOperation.connection, generation: core.connections.generation(of: slot), slot: slot)
    }

    // MARK: Mail

    /// Whether all that was there at the beginning has been read.
    private mutating func readMail() -> Bool {
        let mailbox = unsafe core.exchange.mailbox(core.workerIndex)
        let waitingCount = unsafe mailbox.pointee.pendingCount
        let batchesMax = max(waitingCount, TurnLimits.mailBatchesPerTurn)
        var batches = 0
        var popped = 0
        while batches < batchesMax {
            if unsafe batch == nil {
                guard let raw = unsafe mailbox.pointee.pop() else { break }
                popped += 1
                unsafe batch = unsafe raw.assumingMemoryBound(to: MailBatch.self)
                batchNext = 0
            }
            guard let open = unsafe batch else { break }
            while unsafe batchNext < open.pointee.count && !core.isPressed {
                let mail = unsafe open.pointee.items[batchNext]
                batchNext += 1
                core.take(mail)
            }
            if unsafe batchNext < open.pointee.count { break }
            unsafe batch = nil
            unsafe core.recycle(open)
            batches += 1
        }
        core.settleHomes()
        core.tellOrdered()
        return unsafe batch == nil && popped >= waitingCount
    }

    // MARK: Commands

    private mutating func applyCommands() {
        if core.secureContext != nil && !core.commands.isEmpty { sayFarewells() }
        var index = 0
        while index < core.commands.count {
            let command = core.commands[index]
            index += 1
            let handle = unsafe core.connections[command.slot].pointee.handle
            switch command.kind {
            case .pauseReceiving: backend.pauseReceiving(handle)
            case .resumeReceiving: backend.resumeReceiving(handle)
            case .awaitWritable: backend.awaitWritable(handle)
            case .shutdownSending:
                if core.mayShutDown(command.slot) { backend.shutdownSending(handle) }
            case .close: backend.close(handle, token: token(of: command.slot), reset: false)
            case .reset: backend.close(handle, token: token(of: command.slot), reset: true)
            }
        }
        core.commands.removeAll()
    }

    // MARK: Time

    private mutating func fireTimers() {
        while true {
            let count = unsafe core.timers.advance(to: core.nowTick, expired: expired, capacity: WorkerLoop.expiredMax)
            for index in 0..<count {
                let slot = unsafe UInt32(expired[index])
                if core.connections.isInUse(slot) { core.timerFired(slot) }
            }
            if count < WorkerLoop.expiredMax { break }
        }
        core.releaseLaggingLogs()
        core.forgetOldKept()
    }

    private mutating func stop() -> Bool {
        core.counters.blockBytes = UInt64(core.pool.outstandingBytes)
        if unsafe core.mayTakeLeave(hasOpenMail: batch != nil) {
            // Sockets first: what they sent meanwhile is dropped. Requests that wait are refused with a status.
            core.sayGoodbyeToSockets()
            readDeferred()
            core.sayGoodbyeToRequests()
        }
        let isDone = core.advanceStop()
        // Until then who comes gets an answer.
        if (isDone || core.isGraceOver) && !hasStoppedAccepting {
            hasStoppedAccepting = true
            isAccepting = false
            backend.stopAccepting()
        }
        return isDone
    }
}
