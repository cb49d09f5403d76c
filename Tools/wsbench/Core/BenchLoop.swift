import CBench
import Histogram
import Synchronization

/// One thread of the load generator: an epoll loop over its share of the connections.
///
/// Everything that is touched per message lives in this structure or behind its pointers; it is itself reached by a
/// pointer, so that no reference is counted and no exclusivity is checked on the way of a message. The receive buffer
/// is shared by all connections and parsed in place.
@safe struct BenchLoop {
    /// Events taken per wait: few enough that the publisher soon has its turn again.
    static let eventsMax = 512
    static let receiveBytesMin = 1 << 18
    /// Room for an unfinished frame of each connection: a head and as much payload as a marker is searched in.
    static let leftoverStride = ServerFrame.headBytesMax + Marker.searchBytesMax
    static let wakeTag = UInt64.max
    /// Edge-triggered: the kernel then need not look again at each socket that was read, which it does for every
    /// message with the level-triggered form. The end of a connection may share an edge with its last bytes, so it is
    /// asked for.
    static let interest = EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
    /// Latencies from 64 ns to a minute in three digits.
    static let latencyMax: UInt64 = 60_000_000_000

    let board: Board
    let mine: LoopBoard
    let processor: Int32
    let shape: BenchShape
    let busyPolls: Bool
    let epoll: Int32
    /// Connections of this loop; the publisher's own, if it is here, is the last. Owned by this loop.
    let subscribers: UnsafeMutablePointer<Subscriber>
    let count: Int
    /// A slot of `leftoverStride` bytes per connection, hardly ever touched. Owned by this loop.
    let leftovers: UnsafeMutableRawPointer
    /// Where every read goes. Owned by this loop.
    let buffer: UnsafeMutableRawPointer
    let bufferBytes: Int
    let events: UnsafeMutablePointer<epoll_event>
    /// Fan-out: one per channel. Owned by this loop.
    let frontiers: UnsafeMutablePointer<Frontier>

    var publisher: Publisher?
    var echo: EchoSender?
    var ledger = SequenceLedger()
    var faults = LoopFaults()
    var latencies = Histogram<UInt64>(lowestDiscernibleValue: 64, highestTrackableValue: Self.latencyMax)

    // The rest changes all the time.
    var phase = BenchPhase.probing
    var delivered: UInt64 = 0
    var ready = 0
    var alive = 0
    /// Where markers were found last: they stand at the same place in every message of a run.
    var markerOffset = 0
    var measureStart = UInt64.max
    var measureEnd = UInt64.max
    var frontierMoved = false
    /// Whether the publisher's socket could not take everything.
    private var publisherIsBlocked = false

    /// - Parameter connections: the open connections with their channels; a publisher's has channel -1 and comes last.
    init(board: Board, index: Int, plan: BenchPlan, connections: [(OpenConnection, channel: Int)], frontierSpan: Int) {
        self.board = board
        mine = board.loops[index]
        processor = plan.processors.isEmpty ? -1 : plan.processors[index % plan.processors.count]
        shape = plan.shape
        busyPolls = plan.busyPolls
        epoll = cbench_epoll_create()
        count = connections.count
        unsafe subscribers = .allocate(capacity: max(1, count))
        unsafe leftovers = .allocate(byteCount: max(1, count) * Self.leftoverStride, alignment: 64)
        bufferBytes = Self.receiveBytesMin
        unsafe buffer = .allocate(byteCount: bufferBytes, alignment: 4_096)
        unsafe events = .allocate(capacity: Self.eventsMax)
        unsafe frontiers = .allocate(capacity: plan.channels)
        for channel in 0..<plan.channels { unsafe (frontiers + channel).initialize(to: Frontier(span: frontierSpan)) }
        for (slot, (connection, channel)) in connections.enumerated() {
            let subscriber = Subscriber(
                expected: plan.shape == .echo ? 1 : Subscriber.unproved, skipBytes: 0,
                descriptor: connection.descriptor,
                leftoverBytes: Int16(connection.leftover.count), channel: Int16(channel))
            unsafe (subscribers + slot).initialize(to: subscriber)
            unsafe connection.leftover.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress {
                    unsafe (leftovers + slot * Self.leftoverStride).copyMemory(from: base, byteCount: bytes.count)
                }
            }
            _ = cbench_set_nonblocking(connection.descriptor)
            _ = cbench_watch(epoll, 0, connection.descriptor, Self.interest, UInt64(slot))
            if channel >= 0 { alive += 1 }
        }
        _ = cbench_watch(epoll, 0, mine.wake, EPOLLIN.rawValue, Self.wakeTag)
        mine.alive.store(alive, ordering: .relaxed)
        if plan.shape == .echo {
            echo = EchoSender(plan: plan, count: count)
            mine.ready.store(alive, ordering: .relaxed)
        }
    }

    /// Runs until the board says stop.
    mutating func run() {
        _ = cbench_prepare_thread(processor)
        while true {
            let newPhase = BenchPhase(rawValue: board.phase.load(ordering: .acquiring)) ?? .stopped
            if newPhase != phase {
                phase = newPhase
                if phase == .running { startEchoing() }
            }
            if phase == .stopped { break }
            measureStart = board.measureStart.load(ordering: .relaxed)
            measureEnd = board.measureEnd.load(ordering: .relaxed)
            let pause = send()
            publishCounters()
            let count = unsafe cbench_wait(epoll, events, Int32(Self.eventsMax), busyPolls ? 0 : pause)
            for index in 0..<Int(max(0, count)) {
                let tag = unsafe cbench_tag(events, Int32(index))
                if tag == Self.wakeTag {
                    cbench_wake_clear(mine.wake)
                } else {
                    unsafe handle(Int(tag), flags: events[index].events)
                }
            }
        }
        publishCounters()
    }

    /// Sends what is due; the nanoseconds until more is due, negative when that depends on what arrives.
    private mutating func send() -> Int64 {
        if publisher != nil {
            switch publisher!.turn(phase: phase, now: cbench_now() - board.epoch) {
            case .wait(let pause):
                watchPublisher()
                return pause
            case .gone:
                lose(count - 1)
                return -1
            }
        }
        return shape == .echo && phase == .running ? echoOnSchedule() : -1
    }

    /// Asks to be told when the publisher's socket takes more, as long as something waits.
    private mutating func watchPublisher() {
        let isBlocked = !publisher!.outbox.isEmpty
        guard isBlocked != publisherIsBlocked else { return }
        publisherIsBlocked = isBlocked
        let interest = isBlocked ? Self.interest | EPOLLOUT.rawValue : Self.interest
        _ = cbench_watch(epoll, 1, publisher!.descriptor, interest, UInt64(count - 1))
    }

    private mutating func handle(_ index: Int, flags: UInt32) {
        if flags & EPOLLOUT.rawValue != 0, echo != nil, unsafe subscribers[index].descriptor >= 0 {
            let descriptor = unsafe subscribers[index].descriptor
            let outcome = echo!.resume(index, descriptor: descriptor)
            if case .sent = outcome { _ = cbench_watch(epoll, 1, descriptor, Self.interest, UInt64(index)) }
            settle(outcome, index)
        }
        let ending = EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue
        if flags & ~EPOLLOUT.rawValue != 0 { receive(index, isEnding: flags & ending != 0) }
    }

    private mutating func publishCounters() {
        mine.delivered.store(delivered, ordering: .releasing)
        mine.ready.store(shape == .echo ? alive : ready, ordering: .relaxed)
        mine.alive.store(alive, ordering: .relaxed)
        if let echo { mine.sent.store(echo.sent, ordering: .releasing) }
        if frontierMoved {
            frontierMoved = false
            // The publisher's loop looks by itself after every turn; another's may sleep.
            if publisher == nil { cbench_wake(board.loops[0].wake) }
        }
        if mine.wantsPercentiles.load(ordering: .acquiring) {
            mine.p50.store(latencies.valueAtPercentile(50), ordering: .relaxed)
            mine.p99.store(latencies.valueAtPercentile(99), ordering: .relaxed)
            mine.wantsPercentiles.store(false, ordering: .releasing)
        }
    }

    /// Drops a connection that is gone.
    mutating func lose(_ index: Int) {
        let subscriber = unsafe subscribers + index
        guard unsafe subscriber.pointee.descriptor >= 0 else { return }
        _ = unsafe cbench_unwatch(epoll, subscriber.pointee.descriptor)
        unsafe cbench_close(subscriber.pointee.descriptor)
        unsafe subscriber.pointee.descriptor = -1
        faults.disconnected += 1
        guard unsafe subscriber.pointee.channel >= 0 else {
            publisher?.free()
            publisher = nil
            board.publisherIsGone.store(true, ordering: .releasing)
            return
        }
        alive -= 1
        if shape != .echo, unsafe subscriber.pointee.expected != Subscriber.unproved {
            let channel = unsafe Int(subscriber.pointee.channel)
            if unsafe frontiers[channel].remove(at: subscriber.pointee.expected) { showFrontier(channel) }
        }
    }

    /// Lets the publisher see how far a channel has got.
    mutating func showFrontier(_ channel: Int) {
        let frontier = unsafe frontiers[channel]
        unsafe mine.frontiers[channel].store(frontier.members > 0 ? frontier.position : .max, ordering: .releasing)
        frontierMoved = true
    }

    /// Books what each subscriber still waited for. The loop must have ended.
    mutating func closeBooks() {
        for index in 0..<count
        where unsafe subscribers[index].channel >= 0 && subscribers[index].expected != Subscriber.unproved {
            let published =
                unsafe echo?.newest(index)
                ?? board.published[Int(subscribers[index].channel)].load(ordering: .acquiring)
            unsafe ledger.close(expected: subscribers[index].expected, published: published)
        }
    }

    /// Closes the connections and gives all memory back. The value must not be used any more.
    mutating func free() {
        for index in 0..<count where unsafe subscribers[index].descriptor >= 0 {
            unsafe cbench_close(subscribers[index].descriptor)
        }
        cbench_close(epoll)
        publisher?.free()
        echo?.free()
        for channel in 0..<board.channels { unsafe frontiers[channel].free() }
        unsafe frontiers.deallocate()
        unsafe subscribers.deallocate()
        unsafe leftovers.deallocate()
        unsafe buffer.deallocate()
        unsafe events.deallocate()
    }

    // MARK: Echo

    private mutating func startEchoing() {
        guard let first = echo?.firstMessages, first > 0 else { return }
        for index in 0..<count where unsafe subscribers[index].descriptor >= 0 { answer(index, messages: first) }
    }

    /// Sends `messages` more on an echoing connection.
    mutating func answer(_ index: Int, messages: Int) {
        let now = cbench_now() - board.epoch
        unsafe settle(echo!.send(messages, on: index, descriptor: subscribers[index].descriptor, time: now), index)
    }

    private mutating func settle(_ outcome: EchoSender.Outcome, _ index: Int) {
        let descriptor = unsafe subscribers[index].descriptor
        switch outcome {
        case .gone: lose(index)
        case .blocked: _ = cbench_watch(epoll, 1, descriptor, Self.interest | EPOLLOUT.rawValue, UInt64(index))
        case .sent: break
        }
    }

    private mutating func echoOnSchedule() -> Int64 {
        let now = cbench_now() - board.epoch
        while true {
            switch echo!.next(now: now) {
            case .later(let pause): return pause
            case .now(let index, let time):
                let descriptor = unsafe subscribers[index].descriptor
                if descriptor >= 0 { settle(echo!.send(1, on: index, descriptor: descriptor, time: time), index) }
            }
        }
    }
}
