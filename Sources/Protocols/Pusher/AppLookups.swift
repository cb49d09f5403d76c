import ClarionEngine

/// Where a worker asks for an application that it does not know.
public protocol ApplicationDirectory: Sendable {
    /// Asks; the answer comes as an `ApplicationUpdate`. Never waits. False: too much is being asked already.
    func ask(_ name: ApplicationName, worker: Int) -> Bool
}

/// What a worker has asked for, who waits for the answer, and what it was told does not exist. One for each worker.
///
/// Invariant: at most `entriesMax` names, `ticketsMax` who wait for one.
final class AppLookups {
    /// What is known of a name that is not in the table.
    enum Verdict {
        case absent
        /// Asked: the request waits.
        case asked
        case undecided
    }

    private enum Entry {
        case waiting(since: UInt32, tickets: [SessionTicket])
        case absent(until: UInt32)
        /// Could not be found out; not asked again before then.
        case undecided(until: UInt32)
    }

    private let directory: any ApplicationDirectory
    private let worker: Int
    private var entries: [ApplicationName: Entry] = [:]
    /// How long a request waits.
    let waitSeconds: Int
    private let absentSeconds: Int

    /// Names that are remembered, 100 bytes or so each.
    static let entriesMax = 4096
    static let ticketsMax = 1024
    /// Time before a name that could not be looked up is asked for again.
    private static let undecidedSeconds = 1

    init(_ directory: any ApplicationDirectory, worker: Int, waitSeconds: Int, absentSeconds: Int) {
        self.directory = directory
        self.worker = worker
        self.waitSeconds = waitSeconds
        self.absentSeconds = absentSeconds
    }

    /// What becomes of a request that names an application which is not in the table.
    func judge(_ name: ApplicationName, _ ticket: SessionTicket, nowTick: UInt32) -> Verdict {
        switch entries[name] {
        case .absent(let until) where !AppLookups.isPast(until, nowTick): return .absent
        case .undecided(let until) where !AppLookups.isPast(until, nowTick): return .undecided
        case .waiting(let since, var tickets):
            if AppLookups.isPast(since &+ ticks(waitSeconds), nowTick) {
                // The answer may still come, and is taken then.
                entries[name] = .undecided(until: nowTick &+ ticks(AppLookups.undecidedSeconds))
                return .undecided
            }
            if tickets.count >= AppLookups.ticketsMax { return .undecided }
            tickets.append(ticket)
            entries[name] = .waiting(since: since, tickets: tickets)
            return .asked
        case nil, .absent, .undecided:
            if entries[name] == nil && entries.count >= AppLookups.entriesMax { forgetOld(nowTick) }
            if entries.count >= AppLookups.entriesMax || !directory.ask(name, worker: worker) { return .undecided }
            entries[name] = .waiting(since: nowTick, tickets: [ticket])
            return .asked
        }
    }

    /// Takes an answer; returns who waited for it.
    func take(_ answer: ApplicationAnswer, nowTick: UInt32) -> [SessionTicket] {
        var waiting: [SessionTicket] = []
        if case .waiting(_, let tickets) = entries[answer.name] { waiting = tickets }
        switch answer.outcome {
        case .known: entries[answer.name] = nil
        case .absent: entries[answer.name] = .absent(until: nowTick &+ ticks(absentSeconds))
        case .undecided: entries[answer.name] = .undecided(until: nowTick &+ ticks(AppLookups.undecidedSeconds))
        }
        return waiting
    }

    /// An application has come: what was absent is there now.
    func forget(_ application: Application) {
        for name in [ApplicationName.key(application.key), .id(application.id)] {
            if case .waiting = entries[name] { continue }
            entries[name] = nil
        }
    }

    private func forgetOld(_ nowTick: UInt32) {
        entries = entries.filter {
            switch $0.value {
            case .waiting: true
            case .absent(let until), .undecided(let until): !AppLookups.isPast(until, nowTick)
            }
        }
    }

    private func ticks(_ seconds: Int) -> UInt32 { UInt32(clamping: max(seconds, 0)) &* Core.ticksPerSecond }

    /// Ticks wrap around.
    private static func isPast(_ tick: UInt32, _ now: UInt32) -> Bool { Int32(bitPattern: now &- tick) >= 0 }
}

extension PusherNode {
    /// What becomes of a request for an application that is not in the table.
    enum Lookup {
        case absent
        case undecided
        /// The request waits at most so many seconds.
        case asked(seconds: Int)
    }

    func lookUp(_ name: ApplicationName, _ session: Session?) -> Lookup {
        guard let lookups, let session, name.isPossible else { return .absent }
        switch lookups.judge(name, session.ticket, nowTick: session.core.nowTick) {
        case .absent: return .absent
        case .undecided: return .undecided
        case .asked: return .asked(seconds: lookups.waitSeconds)
        }
    }
}
