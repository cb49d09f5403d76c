import ClarionBytes
public import ClarionEngine

/// An application that is new, different, or gone.
public struct ApplicationChange: Sendable {
    /// Its number among those of the node: the next one for a new application. An application that comes back, comes
    /// back under its number.
    public let number: Int
    /// nil: it was taken away.
    public let application: ApplicationConfiguration?

    public init(number: Int, application: ApplicationConfiguration?) {
        self.number = number
        self.application = application
    }
}

/// How an application is named in a question.
public enum ApplicationName: Sendable, Hashable {
    case key([UInt8])
    case id([UInt8])

    /// Whether an application may be named so: 1 to 128 of A-Z a-z 0-9 _ . -
    var isPossible: Bool {
        let bytes =
            switch self {
            case .key(let bytes), .id(let bytes): bytes
            }
        return (1...ApplicationName.bytesMax).contains(bytes.count)
            && bytes.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                default: false
                }
            }
    }

    private static let bytesMax = 128
}

/// What became of a question.
public struct ApplicationAnswer: Sendable {
    public enum Outcome: Sendable {
        /// It is among the changes that came with the answer, or came before.
        case known
        /// There is none; this holds for `absentSeconds`.
        case absent
        /// It cannot be found out now.
        case undecided
    }

    public let name: ApplicationName
    public let outcome: Outcome

    public init(_ name: ApplicationName, _ outcome: Outcome) {
        self.name = name
        self.outcome = outcome
    }
}

/// What a worker is told about applications, all of which holds at once.
public struct ApplicationUpdate: Sendable {
    public var changes: [ApplicationChange] = []
    public var answers: [ApplicationAnswer] = []
    /// What holds for all applications, when that has changed.
    public var common: PusherConfiguration?

    public init() {}
}

extension PusherHandler {
    /// Takes over what has changed, closes the connections of applications that are gone or switched off, and lets
    /// those that waited for an answer go on. On the worker's own thread.
    ///
    /// - Parameter handlerIndex: the number of this handler among the worker's.
    public func apply(_ update: ApplicationUpdate, core: Core, handlerIndex: UInt8) {
        node.adopt(update)
        let ended = update.changes.filter { !($0.application?.isEnabled ?? false) }.map(\.number)
        if !ended.isEmpty { closeConnections(of: Set(ended), from: 0, core, handlerIndex) }
        guard let lookups = node.lookups else { return }
        for answer in update.answers {
            for ticket in lookups.take(answer, nowTick: core.nowTick) { core.lookAgain(ticket) }
        }
    }

    /// Slots that are looked at in one go, so that closing very many connections does not stop the worker.
    private static let slotsAtOnce = 4096

    private func closeConnections(of numbers: Set<Int>, from first: Int, _ core: Core, _ handlerIndex: UInt8) {
        var leaving: [Session] = []
        let next = core.forEachSession(handler: handlerIndex, from: first, slots: PusherHandler.slotsAtOnce) {
            let state = unsafe PusherState(words: $0.state.pointee)
            if state.isCounted && numbers.contains(state.application) { leaving.append($0) }
        }
        for session in leaving { dismiss(.disabled, .applicationDisabled, session) }
        guard let next else { return }
        core.callLater { core in
            guard let handler = core.handler(handlerIndex) as? PusherHandler else { return }
            handler.closeConnections(of: numbers, from: next, core, handlerIndex)
        }
    }
}
