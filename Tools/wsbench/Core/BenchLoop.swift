import CBench
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
    /// Tags of publishing HTTP connections have this bit.
    static let publisherTag: UInt64 = 1 << 62
    /// Edge-triggered: the kernel then need not look again at each socket that was read, which it does for every
    /// message with the level-triggered form. The end of a connection may share an edge with its last bytes, so it is
    /// asked for.
    static let interest = EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
    /// What is asked for of a slow reader: only its end.
    static let endInterest = EPOLLRDHUP.rawValue | EPOLLET.rawValue
    /// How often readers that lack a message are counted at the end of a run.
    static let pendingNanoseconds: UInt64 = 10_000_000

    let board: Board
    let mine: LoopBoard
    let plan: BenchPlan
    let shape: BenchShape
    let handshake: Handshake
    let processor: Int32
    let epoll: Int32
    /// The number of the first connection among all of the run.
    let firstConnection: Int
    /// Connections of this loop; the publisher's own, if it is here, is the last. Owned by this loop.
    let subscribers: UnsafeMutablePointer<Subscriber>
    let count: Int
    /// TLS of each connection; nil where the run has none. Owned by this loop, and what it points to as well.
    let secured: UnsafeMutablePointer<OpaquePointer?>?
    let secureContext: SecureContext?
    /// Reads compressed messages, where they are offered.
    let deflate: DeflateReader?
    /// When each connection attempt or the latest request of a connection began. Owned by this loop.
    let since: UnsafeMutablePointer<UInt64>
    /// A slot of `leftoverStride` bytes per connection, hardly ever touched. Owned by this loop.
    let leftovers: UnsafeMutableRawPointer
    /// Where every read goes. Owned by this loop.
    let buffer: UnsafeMutableRawPointer
    let bufferBytes: Int
    let events: UnsafeMutablePointer<epoll_event>
    /// One per channel, where members are waited for. Owned by this loop.
    let frontiers: UnsafeMutablePointer<Frontier>
    let frontierCount: Int
    /// Late from here on.
    let lateNanoseconds: UInt64
    let latencies: LatencyCounts
    let services: LatencyCounts
    /// The frames that subscribe to each channel, where they are the same for all.
    let subscriptions: [[UInt8]]

    var publisher: Publisher?
    var http: HTTPPublishers?
    var echo: EchoSender?
    var ledger = SequenceLedger()
    var slowLedger = SequenceLedger()
    var opening: OpenQueue
    var slowReading: SlowReading
    var churn: ChurnTurns
    var presence: PresenceTurns
    /// Answers to the upgrade and compressed messages that did not come in one piece and are too long for a slot.
    var partials: [Int: [UInt8]] = [:]
    /// What the server calls each connection, where that has to be signed.
    var socketNames: [String] = []

    // The rest changes all the time.
    var phase = BenchPhase.probing
    var delivered: UInt64 = 0
    var late: UInt64 = 0
    var ready = 0
    var alive = 0
    /// Where markers were found last: they stand at the same place in every message of a run. Negative where messages
    /// have to be looked at more closely.
    var markerOffset = 0
    var measureStart = UInt64.max
    var measureEnd = UInt64.max
    var frontierMoved = false
    private var busy: UInt64 = 0
    private var stormsSeen: UInt64 = 0
    private var pendingAt: UInt64 = 0
    /// Whether the publisher's socket could not take everything.
    private var publisherIsBlocked = false

    /// - Parameters:
    ///   - connections: the numbers of this loop's connections.
    ///   - publisher: the connection of the publisher, if this loop has it.
    ///   - httpPublishers: the connections of publishers over HTTP.
    init(
        board: Board, index: Int, plan: BenchPlan, handshake: Handshake, connections: Range<Int>, publisher: Socket?,
        httpPublishers: [Socket]
    ) {
        self.board = board
        self.plan = plan
        self.handshake = handshake
        mine = board.loops[index]
        processor = plan.processors.isEmpty ? -1 : plan.processors[index % plan.processors.count]
        shape = plan.shape
        epoll = cbench_epoll_create()
        firstConnection = connections.lowerBound
        lateNanoseconds = plan.lateNanoseconds
        latencies = mine.histogram(.latency)
        services = mine.histogram(.service)
        count = connections.count + (publisher == nil ? 0 : 1)
        unsafe subscribers = .allocate(capacity: max(1, count))
        unsafe since = .allocate(capacity: max(1, count))
        unsafe since.initialize(repeating: 0, count: count)
        // The publisher has been made secure with the same certificates, so they can be read.
        secureContext = plan.isSecure ? try? SecureContext(plan: plan) : nil
        deflate = plan.extensionOffer == nil ? nil : DeflateReader(count: count)
        unsafe secured = plan.isSecure ? .allocate(capacity: max(1, count)) : nil
        unsafe secured?.initialize(repeating: nil, count: max(1, count))
        unsafe leftovers = .allocate(byteCount: max(1, count) * Self.leftoverStride, alignment: 4_096)
        bufferBytes = Self.receiveBytesMin
        unsafe buffer = .allocate(byteCount: bufferBytes, alignment: 4_096)
        unsafe events = .allocate(capacity: Self.eventsMax)
        frontierCount = plan.shape.hasFrontier ? plan.channels : 0
        unsafe frontiers = .allocate(capacity: max(1, frontierCount))
        for channel in 0..<frontierCount {
            unsafe (frontiers + channel).initialize(to: Frontier(span: plan.frontierSpan))
        }
        subscriptions =
            plan.needsGreeting
            ? [] : (0..<plan.channels).compactMap { plan.subscription(channel: $0).map(ClientFrame.text) }
        opening = OpenQueue(
            plan: plan, loops: board.loops.count, count: connections.count, seed: plan.seed &+ UInt64(index))
        slowReading = SlowReading(plan: plan)
        churn = ChurnTurns(plan: plan, loops: board.loops.count, count: connections.count)
        presence = PresenceTurns(plan: plan, loops: board.loops.count, connections: connections)
        for slot in 0..<connections.count {
            var subscriber = Subscriber(channel: Int32(plan.channel(of: connections.lowerBound + slot)))
            subscriber.isSlow = plan.isSlow(connections.lowerBound + slot)
            if subscriber.isSlow { mine.add(.slowReaders) }
            unsafe (subscribers + slot).initialize(to: subscriber)
        }
        if plan.needsGreeting { socketNames = [String](repeating: "", count: count) }
        if plan.shape == .presence { markerOffset = -1 }
        if plan.shape == .echo { echo = EchoSender(board: board, mine: mine, plan: plan, count: connections.count) }
        if let publisher { adopt(publisher: publisher) }
        if !httpPublishers.isEmpty {
            http = HTTPPublishers(board: board, mine: mine, plan: plan, sockets: httpPublishers)
            for (line, socket) in httpPublishers.enumerated() {
                _ = cbench_watch(
                    epoll, 0, socket.descriptor, Self.interest | EPOLLOUT.rawValue, Self.publisherTag | UInt64(line))
            }
        }
        _ = cbench_watch(epoll, 0, mine.wake, EPOLLIN.rawValue, Self.wakeTag)
    }

    private mutating func adopt(publisher socket: Socket) {
        let slot = count - 1
        var subscriber = Subscriber(descriptor: socket.descriptor, channel: -1)
        subscriber.stage = .idle
        unsafe (subscribers + slot).initialize(to: subscriber)
        unsafe secured?[slot] = unsafe socket.secure
        _ = cbench_set_nonblocking(socket.descriptor)
        _ = cbench_watch(epoll, 0, socket.descriptor, Self.interest, UInt64(slot))
        publisher = Publisher(board: board, mine: mine, plan: plan, socket: socket)
    }

    /// The bytes of a connection.
    @inline(__always)
    func socket(_ index: Int) -> Socket {
        guard let secured = unsafe secured else { return unsafe Socket(subscribers[index].descriptor) }
        return unsafe Socket(subscribers[index].descriptor, secure: secured[index])
    }

    /// Runs until the board says stop.
    mutating func run() {
        _ = cbench_prepare_thread(processor)
        if plan.isPreferred { cbench_prefer_thread() }
        var now = board.now
        var arrived = 0
        while true {
            let newPhase = board.phase
            if newPhase != phase { enter(newPhase) }
            if phase == .stopped { break }
            measureStart = board[.measureStart]
            measureEnd = board[.measureEnd]
            let pause = act(now: now)
            publishCounters(now: now)
            let end = board.now
            if arrived > 0 || !plan.busyPolls { busy += end - now }
            if arrived > 0, now >= measureStart, now < measureEnd { mine.histogram(.turn).record(end - now) }
            arrived = unsafe Int(cbench_wait(epoll, events, Int32(Self.eventsMax), plan.busyPolls ? 0 : pause))
            now = board.now
            for index in 0..<max(0, arrived) {
                let tag = unsafe cbench_tag(events, Int32(index))
                if tag < Self.publisherTag {
                    unsafe handle(Int(tag), flags: events[index].events)
                } else if tag == Self.wakeTag {
                    cbench_wake_clear(mine.wake)
                } else {
                    http?.handle(Int(tag & ~Self.publisherTag), now: board.now)
                }
            }
        }
        publishCounters(now: board.now)
    }

    private mutating func enter(_ newPhase: BenchPhase) {
        phase = newPhase
        if phase == .running {
            mine.set(.pending, 1)  // not known before all is sent
            echo?.begin()
            if plan.reopens { reopen() }
            startEchoing()
            startSlowReading()
        }
        pendingAt = 0
    }

    /// Does what is due; the nanoseconds until more is, negative when that depends on what arrives.
    private mutating func act(now: UInt64) -> Int64 {
        var pause = Int64.max
        func earlier(_ other: Int64) { if other >= 0 { pause = min(pause, other) } }
        if board[.storms] != stormsSeen {
            stormsSeen = board[.storms]
            drop()
        }
        if !opening.isIdle { earlier(open(now: now)) }
        earlier(send(now: now))
        switch shape {
        case .slow: earlier(readSlowly(now: now))
        case .churn: earlier(turnSubscriptions(now: now))
        case .presence: earlier(turnMembers(now: now))
        default: break
        }
        if phase == .draining { earlier(Int64(Self.pendingNanoseconds)) }
        return pause == .max ? -1 : pause
    }

    /// Sends what is due.
    private mutating func send(now: UInt64) -> Int64 {
        if publisher != nil {
            switch publisher!.turn(phase: phase, now: now) {
            case .wait(let pause):
                watchPublisher()
                return pause
            case .gone:
                lose(count - 1)
                return -1
            }
        }
        if http != nil { return http!.turn(phase: phase, now: now) }
        return shape == .echo && phase == .running ? echoOnSchedule() : -1
    }

    /// Asks to be told when the publisher's socket takes more, as long as something waits.
    private mutating func watchPublisher() {
        let isBlocked = !publisher!.outbox.isEmpty
        guard isBlocked != publisherIsBlocked else { return }
        publisherIsBlocked = isBlocked
        let interest = isBlocked ? Self.interest | EPOLLOUT.rawValue : Self.interest
        _ = cbench_watch(epoll, 1, publisher!.socket.descriptor, interest, UInt64(count - 1))
    }

    private mutating func handle(_ index: Int, flags: UInt32) {
        let ending = EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue
        switch unsafe subscribers[index].stage {
        case .absent: return
        case .connecting: return finishConnect(index)
        case .securing: return secure(index)
        default: break
        }
        if flags & EPOLLOUT.rawValue != 0, echo != nil {
            let descriptor = unsafe subscribers[index].descriptor
            let outcome = echo!.resume(index, socket: socket(index))
            if case .sent = outcome { _ = cbench_watch(epoll, 1, descriptor, Self.interest, UInt64(index)) }
            settle(outcome, index)
        }
        if unsafe subscribers[index].isSlow, slowReading.isOn {
            if flags & ending != 0 { lose(index) }
            return
        }
        if flags & ~EPOLLOUT.rawValue != 0 { receive(index, isEnding: flags & ending != 0) }
    }

    private mutating func publishCounters(now: UInt64) {
        mine.set(.delivered, delivered)
        mine.set(.ready, UInt64(ready))
        mine.set(.alive, UInt64(alive))
        mine.set(.late, late)
        mine.set(.busy, busy)
        if let echo { mine.set(.sent, echo.sent) }
        if frontierMoved {
            frontierMoved = false
            // The publisher's loop looks by itself after every turn; another's may sleep. An open loop has no need.
            if publisher == nil, http == nil, case .window = plan.pace { cbench_wake(board.loops[0].wake) }
        }
        if phase == .draining, now >= pendingAt {
            pendingAt = now + Self.pendingNanoseconds
            mine.set(.pending, UInt64(pending()))
        }
    }

    /// Lets the publisher see how far a channel has got.
    mutating func showFrontier(_ channel: Int) {
        let frontier = unsafe frontiers[channel]
        unsafe mine.frontiers[channel].store(frontier.members > 0 ? frontier.position : .max, ordering: .releasing)
        board.markMoved(channel: channel)
        frontierMoved = true
    }

    /// The newest sequence that a connection can have received.
    func newest(_ index: Int) -> UInt64 {
        if let echo { return echo.newest(index) }
        return unsafe board.published[Int(subscribers[index].channel)].load(ordering: .acquiring)
    }

    // MARK: The end

    /// Readers that still lack a message that was sent to them.
    private func pending() -> Int {
        if shape == .presence { return presence.missing }
        var pending = 0
        for index in 0..<count {
            let subscriber = unsafe subscribers[index]
            if subscriber.isReady, !subscriber.isSlow, subscriber.expected != Subscriber.unproved {
                pending += subscriber.expected <= newest(index) ? 1 : 0
            }
        }
        return pending
    }

    /// Books what each subscriber still waited for. The loop must have ended.
    mutating func closeBooks() {
        for index in 0..<count where unsafe subscribers[index].channel >= 0 && !subscribers[index].isSlow {
            let expected = unsafe subscribers[index].expected
            if expected != Subscriber.unproved, shape != .presence {
                ledger.close(expected: expected, published: newest(index))
            }
        }
        showBooks()
    }

    /// Shows the faults so far.
    mutating func showBooks() {
        mine.set(.lost, ledger.lost)
        mine.set(.doubled, ledger.doubled)
        mine.set(.reordered, ledger.reordered)
        mine.set(.slowLost, slowLedger.lost)
        mine.set(.slowDoubled, slowLedger.doubled)
        mine.set(.slowReordered, slowLedger.reordered)
    }

    /// Closes the connections and gives all memory back. The value must not be used any more.
    mutating func free() {
        for index in 0..<count where unsafe subscribers[index].descriptor >= 0 {
            socket(index).close(resets: handshake.isSpread)
        }
        cbench_close(epoll)
        publisher?.free()
        http?.free()
        echo?.free()
        for channel in 0..<frontierCount { unsafe frontiers[channel].free() }
        unsafe frontiers.deallocate()
        unsafe subscribers.deallocate()
        unsafe since.deallocate()
        unsafe secured?.deallocate()
        deflate?.free()
        unsafe leftovers.deallocate()
        unsafe buffer.deallocate()
        unsafe events.deallocate()
    }

    // MARK: Echo

    private mutating func startEchoing() {
        guard let first = echo?.firstMessages, first > 0 else { return }
        for index in 0..<count where unsafe subscribers[index].isReady { answer(index, messages: first) }
    }

    /// Sends `messages` more on an echoing connection.
    mutating func answer(_ index: Int, messages: Int) {
        let now = board.now
        settle(echo!.send(messages, on: index, socket: socket(index), time: now, now: now), index)
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
        let now = board.now
        while true {
            switch echo!.next(now: now) {
            case .later(let pause): return pause
            case .now(let index, let time):
                if unsafe subscribers[index].isReady {
                    settle(echo!.send(1, on: index, socket: socket(index), time: time, now: board.now), index)
                }
            }
        }
    }
}
