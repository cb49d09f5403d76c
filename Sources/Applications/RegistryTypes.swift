public import ClarionSettings

/// How an application is named in a question.
public enum ApplicationNameText: Sendable, Hashable {
    case key(String)
    case id(String)
}

/// What became of a question.
public enum LookupOutcome: Sendable, Equatable {
    /// The application is among those that were told, with this or before.
    case known
    case absent
    /// The store does not answer, or not in a way that can be used.
    case undecided
}

/// An application that is new, different, or gone, under its number.
public struct RegistryChange: Sendable, Equatable {
    /// The same for an application as long as the node runs; the first has 0, a new one the next.
    public let number: Int
    /// nil: gone.
    public let app: AppSettings?

    public init(number: Int, app: AppSettings?) {
        self.number = number
        self.app = app
    }
}

/// An application as operators see it.
public struct ListedApplication: Sendable, Equatable {
    public let number: Int
    public let id: String
    public let key: String
}

/// What workers are to be told.
public struct RegistryUpdate: Sendable, Equatable {
    /// For all workers.
    public var changes: [RegistryChange] = []
    /// For worker number `worker`.
    public var answer: (name: ApplicationNameText, outcome: LookupOutcome, worker: Int)?

    public static func == (left: RegistryUpdate, right: RegistryUpdate) -> Bool {
        left.changes == right.changes && left.answer?.name == right.answer?.name
            && left.answer?.outcome == right.answer?.outcome && left.answer?.worker == right.answer?.worker
    }
}

/// What a reload did to the applications.
public struct AppReload: Sendable, Equatable {
    public var added: [String] = []
    public var changed: [String] = []
    public var removed: [String] = []
    /// There were applications, and now there are none.
    public var leavesNone = false

    public init() {}

    /// What an operator has to hear of it.
    public var warning: String? {
        leavesNone ? "no application is left: all connections of applications end, and nobody can connect" : nil
    }

    public var isEmpty: Bool { added.isEmpty && changed.isEmpty && removed.isEmpty }
}

/// What the registry has done so far, for metrics.
public struct RegistryStatistics: Sendable, Equatable {
    /// Applications that exist now.
    public var applications = 0
    /// Numbers that were given out so far: at least as many.
    public var numbers = 0
    /// The last question to the store failed.
    public var storeIsDown = false
    /// Questions of workers, by how they ended.
    public var known: UInt64 = 0
    public var absent: UInt64 = 0
    public var undecided: UInt64 = 0
    /// Questions to the store that failed.
    public var storeFailures: UInt64 = 0
    /// Reloads of files that were refused.
    public var refusedReloads: UInt64 = 0

    public init() {}
}
