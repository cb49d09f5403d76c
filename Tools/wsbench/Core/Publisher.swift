import CBench
import Synchronization

/// When messages of an open loop are due: at equal distances from a start. A new rate begins a new schedule.
struct Schedule {
    private var rate: Double = 0
    private var start: UInt64 = 0
    /// Messages taken off the schedule so far.
    private(set) var taken: UInt64 = 0

    /// When the next message is due.
    /// - Parameter rate: messages a second.
    mutating func due(rate: Double, now: UInt64) -> UInt64 {
        if rate != self.rate {
            self.rate = rate
            start = now
            taken = 0
        }
        return start + UInt64(Double(taken) * 1e9 / rate)
    }

    mutating func take() { taken += 1 }

    /// Forgets where it was, so that what fell due while nothing was to be sent is not made up for.
    mutating func reset() { rate = 0 }
}

/// Sends the messages of a fan-out run from one connection, which its loop owns.
struct Publisher {
    /// How often probes go out until all subscriptions are in force, and when the first does where the server confirms
    /// subscriptions by itself.
    static let probeIntervalNanoseconds: UInt64 = 50_000_000
    static let probeAfterNanoseconds: UInt64 = 3_000_000_000
    /// A probe reaches every subscriber, so they are this much rarer for each of them.
    static let probeNanosecondsPerSubscriber: UInt64 = 20_000
    /// How long a full backlog is left alone.
    static let holdNanoseconds: Int64 = 1_000_000

    private let board: Board
    private let mine: LoopBoard
    private let pace: BenchPace
    /// Whether a window goes out whole.
    private let sendsBursts: Bool
    let socket: Socket
    private let templates: [MessageTemplate]
    private(set) var outbox: Outbox
    /// How far a channel may run ahead of its slowest subscriber.
    private let backlogMax: UInt64
    private let probeInterval: UInt64
    private var nextProbe: UInt64
    /// The channel that is probed next: a round of many channels leaves in several pieces.
    private var probeChannel = 0
    private var schedule = Schedule()
    private var phase = BenchPhase.probing
    /// Until when the socket was full: what fell due before is late through no fault of ours.
    private var blockedUntil: UInt64 = 0

    init(board: Board, mine: LoopBoard, plan: BenchPlan, socket: Socket) {
        self.board = board
        self.mine = mine
        self.socket = socket
        pace = plan.pace
        sendsBursts = plan.sendsBursts
        backlogMax = UInt64(plan.frontierSpan) - 2
        probeInterval =
            Self.probeIntervalNanoseconds + UInt64(plan.connections) * Self.probeNanosecondsPerSubscriber
        nextProbe = plan.dialect.confirms ? board.now + Self.probeAfterNanoseconds : 0
        templates = (0..<plan.channels).map { channel in
            let envelope = plan.dialect.envelope(channel: plan.channelName(channel))
            return MessageTemplate(
                head: Array(envelope.head.utf8), textBytes: plan.textBytes, tail: Array(envelope.tail.utf8),
                isProse: plan.isProse)
        }
        let longest = templates.map(\.byteCount).max() ?? 0
        outbox = Outbox(capacity: max(1 << 18, 2 * longest))
    }

    /// What a turn of the publisher led to.
    enum Outcome {
        /// Nothing to do before so many nanoseconds have passed; negative: before something arrives.
        case wait(Int64)
        /// The connection is gone.
        case gone
    }

    /// Sends what is due.
    mutating func turn(phase: BenchPhase, now: UInt64) -> Outcome {
        var pause: Int64 = -1
        if phase != self.phase { begin(phase) }
        if outbox.isEmpty {
            switch phase {
            case .probing: pause = probe(now: now)
            case .running:
                switch pace {
                case .window(let count): fill(window: UInt64(count), now: now)
                case .rate: pause = follow(rate: Double(bitPattern: board[.rate]), now: now)
                }
            case .draining, .stopped: break
            }
        } else {
            blockedUntil = now
        }
        return outbox.flush(to: socket) ? .wait(pause) : .gone
    }

    private mutating func begin(_ phase: BenchPhase) {
        self.phase = phase
        schedule.reset()
        if phase == .running {
            for channel in 0..<templates.count { board.markMoved(channel: channel) }
        }
    }

    private mutating func probe(now: UInt64) -> Int64 {
        guard now >= nextProbe else { return Int64(nextProbe - now) }
        while probeChannel < templates.count {
            let template = templates[probeChannel]
            guard outbox.hasRoom(for: template.byteCount) else { return 0 }
            unsafe template.write(
                sequence: Marker.probeSequence, time: now, now: now, to: outbox.append(template.byteCount))
            probeChannel += 1
        }
        probeChannel = 0
        nextProbe = now + probeInterval
        return Int64(probeInterval)
    }

    /// Closed loop: tops up the channels whose frontier moved.
    private mutating func fill(window: UInt64, now: UInt64) {
        for word in 0..<board.movedWords {
            var bits = board.takeMoved(word: word)
            while bits != 0 {
                let channel = word << 6 + bits.trailingZeroBitCount
                bits &= bits - 1
                if !fill(channel: channel, window: window, now: now) { board.markMoved(channel: channel) }
            }
        }
    }

    /// False when the outbox is full and the channel has to be looked at again.
    private mutating func fill(channel: Int, window: UInt64, now: UInt64) -> Bool {
        let template = templates[channel]
        let published = unsafe board.published[channel].load(ordering: .relaxed)
        let completed = board.completed(channel: channel)
        let end = completed + window
        guard end > published, !sendsBursts || completed == published || published % window != 0 else { return true }
        // A burst that did not fit into the outbox goes on where it stopped: its end is a multiple of the window.
        var sequence = published
        while sequence < end, outbox.hasRoom(for: template.byteCount) {
            sequence += 1
            unsafe template.write(sequence: sequence, time: now, now: now, to: outbox.append(template.byteCount))
        }
        unsafe board.published[channel].store(sequence, ordering: .releasing)
        return sequence == end
    }

    /// Open loop: sends what has fallen due.
    private mutating func follow(rate: Double, now: UInt64) -> Int64 {
        while true {
            let due = schedule.due(rate: rate, now: now)
            if due > now { return Int64(due - now) }
            let channel = Int(schedule.taken % UInt64(templates.count))
            let template = templates[channel]
            guard outbox.hasRoom(for: template.byteCount) else { return 0 }
            let sequence = unsafe board.published[channel].load(ordering: .relaxed) + 1
            let completed = board.completed(channel: channel)
            if sequence > completed, sequence - completed > backlogMax {
                mine.add(.heldBack)
                blockedUntil = now
                return Self.holdNanoseconds
            }
            if due >= blockedUntil { mine.histogram(.sendLag).record(now - due) }
            unsafe template.write(sequence: sequence, time: due, now: now, to: outbox.append(template.byteCount))
            unsafe board.published[channel].store(sequence, ordering: .releasing)
            schedule.take()
        }
    }

    func free() {
        for template in templates { template.free() }
        outbox.free()
    }
}
