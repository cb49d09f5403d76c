import CBench
import Synchronization

/// Publishes over the HTTP API of the Pusher protocol: keep-alive connections that each have a channel of their own and
/// send the next signed request when the last one is answered. Their loop owns them.
struct HTTPPublishers {
    /// The longest head of an answer.
    static let answerBytesMax = 16_384

    private struct Line {
        let socket: Socket
        let body: MessageTemplate
        var outbox: [UInt8] = []
        var sent = 0
        var answer: [UInt8] = []
        var isBusy = false
        var isAlive = true
        var askedAt: UInt64 = 0
        var schedule = Schedule()
    }

    private let board: Board
    private let mine: LoopBoard
    private let pace: BenchPace
    private let application: PusherApplication
    private let prefix: String
    private let host: String
    private let backlogMax: UInt64
    private var lines: [Line]
    private var phase = BenchPhase.probing

    /// - Parameter sockets: connections, one for each channel.
    init(board: Board, mine: LoopBoard, plan: BenchPlan, sockets: [Socket]) {
        self.board = board
        self.mine = mine
        pace = plan.pace
        application = plan.application
        prefix = plan.apiPrefix
        host = "\(plan.host):\(plan.port)"
        backlogMax = UInt64(plan.frontierSpan) - 2
        lines = sockets.enumerated().map { index, socket in
            let head = #"{"name":"m","channel":"\#(plan.channelName(index))","data":""#
            return Line(
                socket: socket,
                body: MessageTemplate(
                    head: Array(head.utf8), textBytes: plan.textBytes, tail: Array(#""}"#.utf8), isMasked: false,
                    isProse: plan.isProse))
        }
    }

    /// Starts what is due; the nanoseconds until more is, negative when that depends on answers.
    mutating func turn(phase: BenchPhase, now: UInt64) -> Int64 {
        if phase != self.phase {
            self.phase = phase
            for index in lines.indices { lines[index].schedule.reset() }
        }
        guard phase == .running else { return -1 }
        var pause = Int64.max
        for index in lines.indices where lines[index].isAlive && !lines[index].isBusy {
            pause = min(pause, start(index, now: now))
        }
        return pause == .max ? -1 : pause
    }

    /// Sends the next request of a line that has none under way, if it is due.
    private mutating func start(_ index: Int, now: UInt64) -> Int64 {
        let published = unsafe board.published[index].load(ordering: .relaxed)
        let completed = board.completed(channel: index)
        var due = now
        switch pace {
        case .window(let count):
            guard published < completed + UInt64(count) else { return .max }
        case .rate:
            due = lines[index].schedule.due(
                rate: Double(bitPattern: board[.rate]) / Double(lines.count), now: now)
            if due > now { return Int64(due - now) }
            guard published < completed + backlogMax else {
                mine.add(.heldBack)
                return Publisher.holdNanoseconds
            }
            lines[index].schedule.take()
        }
        let template = lines[index].body
        let body = unsafe [UInt8](unsafeUninitializedCapacity: template.byteCount) { buffer, initialized in
            if let base = buffer.baseAddress {
                unsafe template.write(sequence: published + 1, time: due, now: now, to: UnsafeMutableRawPointer(base))
            }
            initialized = template.byteCount
        }
        unsafe board.published[index].store(published + 1, ordering: .releasing)
        lines[index].outbox = application.request(
            prefix: prefix, host: host, body: body, unixSeconds: cbench_unix_seconds())
        lines[index].sent = 0
        lines[index].answer.removeAll(keepingCapacity: true)
        lines[index].isBusy = true
        lines[index].askedAt = now
        flush(index)
        return .max
    }

    private mutating func flush(_ index: Int) {
        while lines[index].sent < lines[index].outbox.count {
            let start = lines[index].sent
            let sent = unsafe lines[index].outbox.withUnsafeBytes {
                unsafe lines[index].socket.send($0.baseAddress! + start, $0.count - start)
            }
            if sent == -Int(cbench_would_block) { return }
            if sent <= 0 { return lose(index, "the server closed a publishing connection") }
            lines[index].sent += sent
        }
    }

    /// Takes what came, and sends what could not be sent before.
    mutating func handle(_ index: Int, now: UInt64) {
        guard lines[index].isAlive else { return }
        flush(index)
        while lines[index].isAlive {
            let pieceBytes = 4_096
            var status = 0
            let piece = unsafe [UInt8](unsafeUninitializedCapacity: pieceBytes) { buffer, initialized in
                status = unsafe lines[index].socket.receive(buffer.baseAddress, pieceBytes)
                initialized = max(0, status)
            }
            if status == -Int(cbench_would_block) { return }
            if status <= 0 { return lose(index, "the server closed a publishing connection") }
            lines[index].answer += piece
            take(index, now: now)
        }
    }

    private mutating func take(_ index: Int, now: UInt64) {
        guard let answer = HTTPAnswer(lines[index].answer) else {
            if lines[index].answer.count > Self.answerBytesMax { lose(index, "an answer of the server is too long") }
            return
        }
        mine.histogram(.request).record(now - min(now, lines[index].askedAt))
        mine.add(.published)
        if answer.status != 200 {
            mine.add(.publishFailures)
            mine.leave(.latest, "HTTP \(answer.status) \(String(decoding: answer.body, as: UTF8.self))")
        }
        lines[index].isBusy = false
        if answer.closes { lose(index, "the server does not keep publishing connections open") }
    }

    private mutating func lose(_ index: Int, _ reason: String) {
        lines[index].isAlive = false
        mine.add(.disconnected)
        if mine.text(.failure).isEmpty { mine.leave(.failure, reason) }
        lines[index].socket.close()
        if !lines.contains(where: \.isAlive) { board.set(.publisherIsGone, 1) }
    }

    func free() {
        for line in lines {
            if line.isAlive { line.socket.close() }
            line.body.free()
        }
    }
}

/// A whole answer with a Content-Length.
struct HTTPAnswer {
    let status: Int
    let body: ArraySlice<UInt8>
    let closes: Bool

    /// Nil as long as something is missing.
    init?(_ bytes: [UInt8]) {
        let end: [UInt8] = [13, 10, 13, 10]
        let found = unsafe cbench_find(bytes, bytes.count, end, end.count)
        guard found >= 0 else { return nil }
        let head = String(decoding: bytes[..<found], as: UTF8.self)
        let lines = head.split(separator: "\r\n")
        guard let first = lines.first else { return nil }
        let words = first.split(separator: " ")
        status = words.count > 1 ? Int(words[1]) ?? 0 : 0
        var length = 0
        var closes = false
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let value = parts[1].drop { $0 == " " }
            switch parts[0].lowercased() {
            case "content-length": length = Int(value) ?? 0
            case "connection": closes = value.lowercased() == "close"
            default: break
            }
        }
        self.closes = closes
        let start = found + end.count
        guard length >= 0, length <= HTTPPublishers.answerBytesMax, bytes.count - start >= length else { return nil }
        body = bytes[start..<(start + length)]
    }
}
