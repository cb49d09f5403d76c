import CBench
import Glibc

/// Connections that wait for their turn to be opened.
struct OpenQueue {
    /// How long a failed attempt rests where it is repeated.
    static let retryNanoseconds: UInt64 = 100_000_000
    /// How often attempts without an answer are looked for.
    static let lookNanoseconds: UInt64 = 500_000_000

    private var slots: [Int32]
    private var head = 0
    private let rate: Double
    private let jitter: Double
    private var generator: SeededGenerator
    private var start: UInt64?
    private var opened = 0
    /// When the next is due: drawn once, since part of it is chance.
    private var due: UInt64 = 0
    /// Attempts without an answer yet.
    var inFlight = 0
    let inFlightMax: Int
    var retries: [(slot: Int32, at: UInt64)] = []
    var lookAt: UInt64 = 0
    /// Whether failed attempts are repeated: those who come back after a storm.
    var repeats = false
    var round = 0

    init(plan: BenchPlan, loops: Int, count: Int, seed: UInt64) {
        slots = (0..<Int32(count)).map { $0 }
        rate = plan.connectRate / Double(loops)
        jitter = plan.connectJitter
        generator = SeededGenerator(seed: seed)
        inFlightMax = max(1, plan.connectsInFlightMax / loops)
    }

    var isIdle: Bool { head == slots.count && inFlight == 0 && retries.isEmpty }

    var waiting: Int { slots.count - head }

    /// Has connections wait in a new round.
    mutating func add(_ more: [Int32]) {
        slots = Array(slots[head...]) + more
        head = 0
        start = nil
        opened = 0
        repeats = true
        round += 1
    }

    /// A random number from 0 to 1.
    mutating func draw() -> Double { Double.random(in: 0..<1, using: &generator) }

    mutating func clear() { head = slots.count }

    /// Puts back what has rested.
    mutating func revive(now: UInt64) {
        guard !retries.isEmpty else { return }
        slots += retries.filter { $0.at <= now }.map(\.slot)
        retries.removeAll { $0.at <= now }
    }

    /// The nanoseconds until the next may be opened, 0 at once; nil when none waits or too many are under way.
    mutating func pause(now: UInt64) -> Int64? {
        guard head < slots.count, inFlight < inFlightMax else { return nil }
        guard rate > 0 else { return 0 }
        if start == nil {
            start = now
            due = now
        }
        return due > now ? Int64(due - now) : 0
    }

    /// Takes the next one off the queue.
    mutating func take() -> Int {
        defer {
            head += 1
            opened += 1
            if rate > 0, let start {
                let place = Double(opened) + jitter * Double.random(in: 0..<1, using: &generator)
                due = start + UInt64(place * 1e9 / rate)
            }
        }
        return Int(slots[head])
    }
}

// How a connection comes to stand: TCP, the upgrade, the greeting, the subscription.
extension BenchLoop {
    /// Opens what is due; the nanoseconds until more is.
    mutating func open(now: UInt64) -> Int64 {
        opening.revive(now: now)
        var pause: Int64?
        while true {
            pause = opening.pause(now: now)
            guard pause == 0 else { break }
            connect(opening.take())
        }
        if now >= opening.lookAt {
            opening.lookAt = now + OpenQueue.lookNanoseconds
            if opening.inFlight > 0 { giveUpOnTheSilent(now: now) }
        }
        let rest = opening.retries.isEmpty ? OpenQueue.lookNanoseconds : OpenQueue.retryNanoseconds / 4
        return min(pause ?? .max, Int64(rest))
    }

    private mutating func connect(_ index: Int) {
        let subscriber = unsafe subscribers + index
        let now = board.now
        unsafe since[index] = now
        if mine[.firstOpenAt] == 0 { mine.set(.firstOpenAt, now) }
        opening.inFlight += 1
        var isConnected: Int32 = 0
        var address = handshake.address
        let receiveBytes = unsafe subscriber.pointee.isSlow ? slowReading.receiveBytes : 0
        let source = handshake.source(of: firstConnection + index, round: opening.round)
        let descriptor = unsafe cbench_connect_start(&address, source, receiveBytes, &isConnected)
        guard descriptor >= 0 else { return failAttempt(index, handshake.fault(errno: -descriptor)) }
        unsafe subscriber.pointee.descriptor = descriptor
        unsafe subscriber.pointee.stage = .connecting
        if isConnected != 0 {
            _ = cbench_watch(epoll, 0, descriptor, Self.interest, UInt64(index))
            talk(index)
        } else {
            _ = cbench_watch(epoll, 0, descriptor, Self.interest | EPOLLOUT.rawValue, UInt64(index))
        }
    }

    /// TCP has an outcome.
    mutating func finishConnect(_ index: Int) {
        let descriptor = unsafe subscribers[index].descriptor
        let code = cbench_connect_result(descriptor)
        guard code == 0 else { return failAttempt(index, handshake.fault(errno: code)) }
        _ = cbench_watch(epoll, 1, descriptor, Self.interest, UInt64(index))
        talk(index)
    }

    /// TCP stands: TLS is next, or the upgrade.
    private mutating func talk(_ index: Int) {
        guard let secureContext else { return sendUpgrade(index) }
        let resumes = opening.draw() < plan.resumeShare
        unsafe secured?[index] = unsafe secureContext.open(subscribers[index].descriptor, resumes: resumes)
        unsafe subscribers[index].stage = .securing
        secure(index)
    }

    /// Goes on with TLS.
    mutating func secure(_ index: Int) {
        guard let session = unsafe secured?[index] else { return failAttempt(index, "there is no memory for TLS") }
        switch unsafe cbench_tls_handshake(session) {
        case 1:
            if unsafe cbench_tls_is_resumed(session) != 0 { mine.add(.resumed) }
            sendUpgrade(index)
        case 0: break
        default: unsafe failAttempt(index, handshake.fault(secure: SecureContext.reason(session)))
        }
    }

    private mutating func sendUpgrade(_ index: Int) {
        unsafe subscribers[index].stage = .upgrading
        if !sendWhole(handshake.request, index) { failAttempt(index, handshake.fault(errno: ECONNRESET)) }
    }

    /// Sends a short frame on a socket that has room, as a fresh or a quiet one has.
    mutating func sendWhole(_ bytes: [UInt8], _ index: Int) -> Bool {
        unsafe bytes.withUnsafeBytes {
            unsafe socket(index).send($0.baseAddress, $0.count) == $0.count
        }
    }

    /// Takes the answer to the upgrade out of the buffer: where the frames behind it start, or nil when there is no
    /// more to do.
    mutating func takeHead(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Int? {
        guard let end = unsafe Handshake.headEnd(bytes) else {
            if bytes.count > Handshake.answerBytesMax {
                failAttempt(index, "\(handshake.server) answers the upgrade with too much")
            } else {
                unsafe partials[index] = Array(bytes)
            }
            return nil
        }
        if let fault = unsafe handshake.fault(inHead: UnsafeRawBufferPointer(rebasing: bytes[..<end])) {
            failAttempt(index, fault)
            return nil
        }
        if let deflate {
            let head = unsafe String(decoding: bytes[..<end], as: UTF8.self)
            let agreement = DeflateAgreement(head: head)
            unsafe subscribers[index].isDeflated = agreement.map { deflate.open(index, $0) } ?? false
            if agreement != nil { mine.add(.deflated) }
        }
        stand(index)
        return end
    }

    /// The upgrade is done.
    private mutating func stand(_ index: Int) {
        let now = board.now
        opening.inFlight -= 1
        alive += 1
        mine.add(.handshakes)
        mine.set(.latestHandshakeAt, now)
        unsafe mine.histogram(.connect).record(now - since[index])
        if plan.needsGreeting {
            unsafe subscribers[index].stage = .greeting
        } else if shape == .echo {
            unsafe subscribers[index].stage = .subscribed
            unsafe subscribers[index].expected = 1
            markReady(index)
        } else {
            subscribe(index)
        }
    }

    /// The server's greeting, which tells the connection's name.
    mutating func greet(_ index: Int, socket: String) {
        guard unsafe subscribers[index].stage == .greeting else { return }
        socketNames[index] = socket
        if shape == .presence {
            unsafe subscribers[index].stage = .idle
        } else {
            subscribe(index)
        }
    }

    /// Asks for the subscription.
    mutating func subscribe(_ index: Int) {
        let channel = unsafe Int(subscribers[index].channel)
        unsafe subscribers[index].stage = .subscribed
        unsafe since[index] = board.now
        let isSent: Bool
        if plan.needsGreeting {
            let auth = plan.application.authorization(
                socket: socketNames[index], channel: plan.channelName(channel))
            let text = plan.dialect.subscription(channel: plan.channelName(channel), auth: auth) ?? ""
            isSent = sendWhole(ClientFrame.text(text), index)
        } else {
            isSent = sendWhole(subscriptions[channel], index)
        }
        if !isSent { lose(index) }
    }

    /// The server says that the subscription is in force.
    mutating func confirm(_ index: Int) {
        guard unsafe subscribers[index].stage == .subscribed, unsafe !subscribers[index].isReady else { return }
        let channel = unsafe Int(subscribers[index].channel)
        if phase == .probing, shape != .presence {
            prove(index)
            return
        }
        let now = board.now
        unsafe mine.histogram(.request).record(now - since[index])
        if shape == .presence {
            presence.confirmed(channel: channel)
        } else {
            // What is published after the confirmation has been seen must come.
            unsafe subscribers[index].isLate = true
            unsafe subscribers[index].expected = newest(index) + 1
        }
        markReady(index)
    }

    /// The subscription is in force before the first message: all of them are to come.
    mutating func prove(_ index: Int) {
        let channel = unsafe Int(subscribers[index].channel)
        unsafe subscribers[index].expected = 1
        if shape.hasFrontier, unsafe !subscribers[index].isSlow {
            unsafe subscribers[index].isInFrontier = true
            unsafe frontiers[channel].join()
            showFrontier(channel)
        }
        markReady(index)
    }

    /// Counts a connection as ready.
    mutating func markReady(_ index: Int) {
        guard unsafe !subscribers[index].isReady else { return }
        unsafe subscribers[index].isReady = true
        ready += 1
        mine.set(.latestReadyAt, board.now)
        if let echo, phase == .running, echo.firstMessages > 0 { answer(index, messages: echo.firstMessages) }
    }

    /// Takes a subscription back, with what was known of it.
    mutating func forgetSubscription(_ index: Int) {
        let subscriber = unsafe subscribers + index
        if unsafe subscriber.pointee.isReady { ready -= 1 }
        if unsafe subscriber.pointee.isInFrontier {
            let channel = unsafe Int(subscriber.pointee.channel)
            if unsafe frontiers[channel].remove(at: subscriber.pointee.expected) { showFrontier(channel) }
        }
        unsafe subscriber.pointee.isReady = false
        unsafe subscriber.pointee.isInFrontier = false
        unsafe subscriber.pointee.isLate = false
    }

    // MARK: Ends

    /// An attempt to connect has failed.
    mutating func failAttempt(_ index: Int, _ reason: String) {
        close(index, resets: false)
        opening.inFlight -= 1
        if mine.text(.failure).isEmpty { mine.leave(.failure, reason) }
        if opening.repeats {
            mine.add(.failedAttempts)
            opening.retries.append((Int32(index), board.now + OpenQueue.retryNanoseconds))
            return
        }
        mine.add(.connectFailures)
        if mine[.handshakes] == 0 {  // the rest would fail in the same way, each after its time limit
            mine.add(.connectFailures, UInt64(opening.waiting))
            opening.clear()
        }
    }

    private mutating func giveUpOnTheSilent(now: UInt64) {
        for index in 0..<count {
            let stage = unsafe subscribers[index].stage
            guard stage == .connecting || stage == .securing || stage == .upgrading else { continue }
            if unsafe now - min(now, since[index]) > Handshake.timeoutNanoseconds {
                failAttempt(index, "\(handshake.server) kept silent in the handshake; try a lower --connect-rate")
            }
        }
    }

    /// Drops a connection that the server ended, or that sent what none may send.
    mutating func lose(_ index: Int) {
        let subscriber = unsafe subscribers + index
        guard unsafe subscriber.pointee.descriptor >= 0 else { return }
        let stage = unsafe subscriber.pointee.stage
        if stage == .connecting || stage == .securing || stage == .upgrading {
            return failAttempt(index, handshake.fault(errno: ECONNRESET))
        }
        guard unsafe subscriber.pointee.channel >= 0 else {
            mine.add(.disconnected)
            close(index, resets: false)
            publisher?.free()
            publisher = nil
            board.set(.publisherIsGone, 1)
            return
        }
        alive -= 1
        mine.add(unsafe subscriber.pointee.isSlow ? .slowClosed : .disconnected)
        if shape == .presence { presence.lost(channel: unsafe Int(subscriber.pointee.channel)) }
        forgetSubscription(index)
        close(index, resets: false)
    }

    /// Closes a socket and forgets what lay half read.
    mutating func close(_ index: Int, resets: Bool) {
        let subscriber = unsafe subscribers + index
        let descriptor = unsafe subscriber.pointee.descriptor
        if descriptor >= 0 {
            _ = cbench_unwatch(epoll, descriptor)
            socket(index).close(resets: resets)
            unsafe secured?[index] = nil
        }
        unsafe subscriber.pointee.descriptor = -1
        unsafe subscriber.pointee.stage = .absent
        unsafe subscriber.pointee.leftoverBytes = 0
        unsafe subscriber.pointee.skipBytes = 0
        partials.removeValue(forKey: index)
        deflate?.close(index)
    }

    /// Drops connections on purpose; they come back by the queue.
    mutating func drop() {
        var generator = SeededGenerator(seed: plan.seed ^ UInt64(firstConnection) &* 0x9E37_79B9 &+ board[.storms])
        var dropped: [Int32] = []
        for index in 0..<count where unsafe subscribers[index].channel >= 0 && subscribers[index].isReady {
            guard Double.random(in: 0..<1, using: &generator) < plan.stormShare else { continue }
            alive -= 1
            forgetSubscription(index)
            unsafe subscribers[index].expected = Subscriber.unproved
            close(index, resets: plan.stormResets)
            dropped.append(Int32(index))
        }
        mine.add(.dropped, UInt64(dropped.count))
        opening.add(dropped)
    }

    /// Has connections that the server ended opened again.
    mutating func reopen() {
        var lost: [Int32] = []
        for index in 0..<count where unsafe subscribers[index].channel >= 0 && subscribers[index].stage == .absent {
            unsafe subscribers[index].expected = Subscriber.unproved
            echo?.forget(index)
            lost.append(Int32(index))
        }
        if !lost.isEmpty { opening.add(lost) }
    }
}
