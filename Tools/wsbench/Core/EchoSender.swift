import CBench
import Synchronization

/// Sends the messages of one loop's echoing connections: each has its own sequence and its own window.
@safe struct EchoSender {
    private let board: Board
    private let mine: LoopBoard
    private let pace: BenchPace
    private let template: MessageTemplate
    /// The newest sequence of each connection. Owned by this value's holder: freed by `free()`.
    private let sentOf: UnsafeMutablePointer<UInt64>
    private let count: Int
    /// Gathers the messages of one connection; empty between calls.
    private var outbox: Outbox
    /// What connections could not take at once. Rare: a window is smaller than a socket's buffer, or should be.
    private var waiting: [Int: Outbox] = [:]
    /// All messages sent.
    private(set) var sent: UInt64 = 0
    private var schedule = Schedule()

    /// Messages that one call to `send` may carry.
    private let batchMax: Int

    init(board: Board, mine: LoopBoard, plan: BenchPlan, count: Int) {
        self.board = board
        self.mine = mine
        pace = plan.pace
        self.count = count
        template = MessageTemplate(head: [], textBytes: plan.textBytes, tail: [], isProse: plan.isProse)
        unsafe sentOf = .allocate(capacity: count)
        unsafe sentOf.initialize(repeating: 0, count: count)
        batchMax = max(1, (1 << 18) / template.byteCount)
        outbox = Outbox(capacity: batchMax * template.byteCount)
    }

    func free() {
        unsafe sentOf.deallocate()
        template.free()
        outbox.free()
        for box in waiting.values { box.free() }
    }

    /// The newest sequence that a connection has sent.
    func newest(_ index: Int) -> UInt64 { unsafe sentOf[index] }

    /// Messages that a connection starts with.
    var firstMessages: Int {
        if case .window(let count) = pace { count } else { 0 }
    }

    /// Whether an answer calls for the next message at once.
    var answersAtOnce: Bool {
        if case .window = pace { true } else { false }
    }

    /// What became of a send.
    enum Outcome {
        case sent
        /// The socket is full: tell me when it can take more.
        case blocked
        case gone
    }

    /// Sends `messages` more on a connection.
    mutating func send(_ messages: Int, on index: Int, socket: Socket, time: UInt64, now: UInt64) -> Outcome {
        var left = messages
        while left > 0 {
            let batch = min(left, batchMax)
            left -= batch
            for _ in 0..<batch {
                unsafe sentOf[index] += 1
                unsafe template.write(
                    sequence: sentOf[index], time: time, now: now, to: outbox.append(template.byteCount))
            }
            sent += UInt64(batch)
            let isFree = waiting.isEmpty || waiting[index] == nil
            if isFree, !outbox.flush(to: socket) {
                outbox.clear()
                return .gone
            }
            if !outbox.isEmpty { keep(index) }
        }
        return waiting.isEmpty || waiting[index] == nil ? .sent : .blocked
    }

    /// Moves what is left in the shared outbox behind what the connection has waiting already.
    private mutating func keep(_ index: Int) {
        let old = waiting[index]
        let oldCount = old.map { $0.end - $0.start } ?? 0
        var box = Outbox(capacity: oldCount + outbox.end - outbox.start)
        if let old {
            box.append(contentsOf: old)
            old.free()
        }
        box.append(contentsOf: outbox)
        outbox.clear()
        waiting[index] = box
    }

    /// Sends what waits. `.sent` when nothing waits any more.
    mutating func resume(_ index: Int, socket: Socket) -> Outcome {
        guard var box = waiting[index] else { return .sent }
        guard box.flush(to: socket) else { return .gone }
        if box.isEmpty {
            box.free()
            waiting[index] = nil
            return .sent
        }
        waiting[index] = box
        return .blocked
    }

    /// Open loop: the connection whose message is due, and when it was; or how long to wait for the next.
    enum Due {
        case now(index: Int, time: UInt64)
        case later(Int64)
    }

    /// Open loop: takes the next message off the schedule if it is due.
    mutating func next(now: UInt64) -> Due {
        guard case .rate = pace else { return .later(-1) }
        let rate = Double(bitPattern: board[.rate]) / Double(board.loops.count)
        let due = schedule.due(rate: rate, now: now)
        if due > now { return .later(Int64(due - now)) }
        mine.histogram(.sendLag).record(now - due)
        defer { schedule.take() }
        return .now(index: Int(schedule.taken % UInt64(count)), time: due)
    }

    /// What fell due while nothing was to be sent is not made up for.
    mutating func begin() { schedule.reset() }

    /// Forgets a connection that is gone: what waited for it, and how far it was.
    mutating func forget(_ index: Int) {
        waiting.removeValue(forKey: index)?.free()
        unsafe sentOf[index] = 0
    }
}
