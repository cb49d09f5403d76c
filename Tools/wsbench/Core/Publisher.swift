import CBench
import Synchronization

/// Sends the messages of a fan-out run from one connection, which its loop owns.
struct Publisher {
    /// How often probes go out until all subscriptions are in force.
    static let probeIntervalNanoseconds: UInt64 = 50_000_000

    private let board: Board
    private let pace: BenchPace
    /// Whether a window goes out whole.
    private let sendsBursts: Bool
    let descriptor: Int32
    private let templates: [MessageTemplate]
    private(set) var outbox: Outbox
    /// How far a channel may run ahead of its slowest subscriber.
    private let backlogMax: UInt64
    private var nextProbe: UInt64 = 0
    /// Open loop: when the next message is due, as its number and the start of the schedule.
    private var scheduled: UInt64 = 0
    private var scheduleStart: UInt64?
    /// Open loop: turns in which messages were due but the backlog was full.
    private(set) var heldBack: UInt64 = 0

    init(board: Board, plan: BenchPlan, descriptor: Int32, backlogMax: UInt64) {
        self.board = board
        self.descriptor = descriptor
        self.backlogMax = backlogMax
        pace = plan.pace
        sendsBursts = plan.sendsBursts
        templates = (0..<plan.channels).map { channel in
            let envelope = plan.dialect.envelope(channel: plan.channelName(channel))
            return MessageTemplate(
                head: Array(envelope.head.utf8), textBytes: plan.textBytes, tail: Array(envelope.tail.utf8))
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
        if outbox.isEmpty {
            switch phase {
            case .probing: pause = probe(now: now)
            case .running:
                switch pace {
                case .window(let count): fill(window: UInt64(count), now: now)
                case .rate(let perSecond): pause = follow(rate: perSecond, now: now)
                }
            case .draining, .stopped: break
            }
        }
        return outbox.flush(to: descriptor) ? .wait(pause) : .gone
    }

    private mutating func probe(now: UInt64) -> Int64 {
        if now >= nextProbe {
            for template in templates where outbox.hasRoom(for: template.byteCount) {
                unsafe template.write(sequence: Marker.probeSequence, time: now, to: outbox.append(template.byteCount))
            }
            nextProbe = now + Self.probeIntervalNanoseconds
        }
        return Int64(nextProbe - now)
    }

    private mutating func fill(window: UInt64, now: UInt64) {
        for channel in 0..<templates.count {
            let template = templates[channel]
            let published = unsafe board.published[channel].load(ordering: .relaxed)
            let completed = board.completed(channel: channel)
            let end = completed + window
            guard end > published, !sendsBursts || completed == published || published % window != 0 else { continue }
            // A burst that did not fit into the outbox goes on where it stopped: its end is a multiple of the window.
            var sequence = published
            while sequence < end, outbox.hasRoom(for: template.byteCount) {
                sequence += 1
                unsafe template.write(sequence: sequence, time: now, to: outbox.append(template.byteCount))
            }
            unsafe board.published[channel].store(sequence, ordering: .releasing)
        }
    }

    private mutating func follow(rate: Double, now: UInt64) -> Int64 {
        let start = scheduleStart ?? now
        scheduleStart = start
        while true {
            let due = start + UInt64(Double(scheduled) * 1e9 / rate)
            if due > now { return Int64(due - now) }
            let channel = Int(scheduled % UInt64(templates.count))
            let template = templates[channel]
            guard outbox.hasRoom(for: template.byteCount) else { return 0 }
            let sequence = unsafe board.published[channel].load(ordering: .relaxed) + 1
            if sequence - board.completed(channel: channel) > backlogMax {
                heldBack += 1
                return 1_000_000
            }
            unsafe template.write(sequence: sequence, time: due, to: outbox.append(template.byteCount))
            unsafe board.published[channel].store(sequence, ordering: .releasing)
            scheduled += 1
        }
    }

    func free() {
        for template in templates { template.free() }
        outbox.free()
    }
}
