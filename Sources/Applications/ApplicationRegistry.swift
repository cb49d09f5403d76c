public import ClarionLog
import ClarionService
public import ClarionSettings
import ClarionStores
import Synchronization

/// Knows the applications of a node, wherever they come from, and tells the workers what changes.
///
/// A thread of its own, a neighbour of the workers: it watches the file, asks the store (and may wait for it), and
/// answers workers by mail. If the store stalls, only those wait who ask for an application that is not known yet, each
/// for a bounded time.
public final class ApplicationRegistry: Sendable {
    private enum Item: Sendable {
        case question(ApplicationNameText, worker: Int)
        case reload([AppSettings], messageBytesMax: Int, @Sendable (Result<AppReload, SettingsError>) -> Void)
        case stop
    }

    /// Questions that may wait at a time, of all workers.
    static let questionsMax = 4_096
    /// Names that are remembered as absent.
    private static let absentMax = 65_536
    /// Stored applications that are asked for again in one go.
    private static let refreshAtOnce = 256
    /// Between looks at the watched file, when the kernel does not tell of changes.
    private static let lookMilliseconds: UInt64 = 2_000
    /// How long the file must stay as it is before it is read: who writes it may not be done.
    private static let settleMilliseconds: UInt64 = 200
    /// How long the store is left alone after it failed.
    private static let restMilliseconds: UInt64 = 1_000

    private let inbox = ServiceInbox<Item>()
    private let waiting = Atomic<Int>(0)
    private let thread = Mutex<ServiceThread?>(nil)
    private let latest = Mutex(RegistryStatistics())
    private let list = Mutex<[ListedApplication]>([])
    private let sources: AppSourceSettings
    private let store: StoreAddress?
    private let log: Logger
    private let numbersMax: Int
    private let initialConfigured: [AppSettings]
    private let messageBytesMax: Int
    private let seenFile: FileWatch.Signature
    /// The applications that the workers begin with; their numbers are their places.
    public let initial: [AppSettings]

    /// Reads the file, if there is one.
    /// - Parameters:
    ///   - configured: the applications of the configuration.
    ///   - messageBytesMax: see `Settings.messageBytesCeiling`.
    ///   - numbersMax: applications that the node can tell apart.
    /// - Throws: `SettingsError` when the file is wrong, or has what the configuration has too.
    public init(
        configured: [AppSettings], sources: AppSourceSettings, messageBytesMax: Int, numbersMax: Int, log: Logger
    ) throws(SettingsError) {
        self.sources = sources
        self.log = log
        self.numbersMax = numbersMax
        self.messageBytesMax = messageBytesMax
        initialConfigured = configured
        store = sources.store.flatMap { StoreAddress($0.revealed) }
        if sources.store != nil, store == nil {
            throw SettingsError(
                problem: "apps_store: not the address of a store; write sqlite:PATH, postgresql://… or redis://…")
        }
        seenFile = FileWatch.look(sources.file)
        initial = try Self.together(configured, sources, messageBytesMax)
        if initial.count > numbersMax { throw SettingsError(problem: "more than \(numbersMax) applications") }
        let listed = initial.enumerated().map {
            ListedApplication(number: $0.offset, id: $0.element.id, key: $0.element.key)
        }
        list.withLock { $0 = listed }
    }

    /// The applications of configuration and file.
    private static func together(
        _ configured: [AppSettings], _ sources: AppSourceSettings, _ messageBytesMax: Int
    ) throws(SettingsError) -> [AppSettings] {
        if sources.file.isEmpty { return configured }
        let inFile = try AppsFile.read(path: sources.file, messageBytesMax: messageBytesMax)
        for app in inFile {
            for (name, path) in [("id", \AppSettings.id), ("key", \AppSettings.key)]
            where configured.contains(where: { $0[keyPath: path] == app[keyPath: path] }) {
                throw SettingsError(
                    problem: "\(sources.file): the configuration has an application with the \(name) "
                        + "\(app[keyPath: path]) too; give each its own")
            }
        }
        return configured + inFile
    }

    /// Whether there is a store to ask.
    public var hasStore: Bool { store != nil }

    // MARK: From other threads

    /// Asks for an application that a worker does not know. Never waits. False: too many questions wait already.
    public func ask(_ name: ApplicationNameText, worker: Int) -> Bool {
        if waiting.wrappingAdd(1, ordering: .relaxed).newValue > Self.questionsMax {
            waiting.wrappingSubtract(1, ordering: .relaxed)
            return false
        }
        inbox.post(.question(name, worker: worker))
        return true
    }

    /// Puts `configured` in the place of the applications of the configuration, reads the file again, and tells
    /// `whenDone` (on the registry's thread) what has changed; or changes nothing when something is wrong.
    public func reload(
        configured: [AppSettings], messageBytesMax: Int,
        whenDone: @escaping @Sendable (Result<AppReload, SettingsError>) -> Void
    ) {
        inbox.post(.reload(configured, messageBytesMax: messageBytesMax, whenDone))
    }

    /// As of a moment ago.
    public var statistics: RegistryStatistics { latest.withLock { $0 } }

    /// The applications as of a moment ago, by number.
    public var listed: [ListedApplication] { list.withLock { $0 } }

    /// Starts the thread. `deliver` is called on it with everything that workers must be told. False when the system
    /// refuses a thread.
    public func start(_ deliver: @escaping @Sendable (RegistryUpdate) -> Void) -> Bool {
        guard let started = ServiceThread({ [self] in run(deliver) }) else { return false }
        thread.withLock { $0 = started }
        return true
    }

    /// Ends the thread; a question to the store that is under way is waited for.
    public func stop() {
        inbox.post(.stop)
        let started = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        started?.join()
    }

    // MARK: The thread

    private func run(_ tell: @escaping @Sendable (RegistryUpdate) -> Void) {
        var hasNews = false
        let deliver = { (update: RegistryUpdate) in
            if !update.changes.isEmpty { hasNews = true }
            tell(update)
        }
        var state = RegistryState(
            roster: AppRoster(numbersMax: numbersMax), configured: initialConfigured, messageBytesMax: messageBytesMax,
            store: store?.open(timeoutSeconds: sources.lookupSeconds))
        _ = state.roster.configure(initial)
        state.statistics.applications = initial.count
        var watch: FileWatch? = sources.file.isEmpty ? nil : FileWatch(path: sources.file, seen: seenFile)
        var readAt: UInt64?
        while true {
            while let item = inbox.pop() {
                switch item {
                case .stop: return
                case .question(let name, let worker):
                    waiting.wrappingSubtract(1, ordering: .relaxed)
                    answer(name, worker, &state, deliver)
                case .reload(let configured, let messageBytesMax, let whenDone):
                    let result = reload(configured, messageBytesMax, &state, deliver)
                    whenDone(result)
                }
            }
            if watch?.hasChanged() == true { readAt = serviceMilliseconds() + Self.settleMilliseconds }
            if let time = readAt, time <= serviceMilliseconds() {
                readAt = nil
                reloadFile(&state, deliver)
            }
            refresh(&state, deliver)
            state.statistics.applications = state.roster.count
            state.statistics.numbers = state.roster.numberCount
            state.statistics.storeIsDown = state.isStoreDown
            latest.withLock { [statistics = state.statistics] in $0 = statistics }
            let now = serviceMilliseconds()
            if hasNews {
                hasNews = false
                list.withLock { [listed = state.roster.listed] in $0 = listed }
            }
            let nextLook = watch == nil ? nil : readAt ?? now + Self.lookMilliseconds
            let nextRefresh = state.refreshOrder.first.map { max($0.due, state.storeRestsUntil) }
            inbox.sleep(
                untilMilliseconds: [nextLook, nextRefresh].compactMap { $0 }.min(), or: watch?.descriptor ?? -1)
        }
    }

    private struct RegistryState {
        var roster: AppRoster
        var configured: [AppSettings]
        var messageBytesMax: Int
        let store: (any ApplicationStore)?
        var statistics = RegistryStatistics()
        var storeRestsUntil: UInt64 = 0
        var isStoreDown = false
        /// Until when a name is absent.
        var absent: [ApplicationNameText: UInt64] = [:]
        /// Stored applications in the order in which they are asked for again.
        var refreshOrder: [(due: UInt64, id: String)] = []
    }

    // MARK: Files

    private func reload(
        _ configured: [AppSettings], _ messageBytesMax: Int, _ state: inout RegistryState,
        _ deliver: (RegistryUpdate) -> Void
    ) -> Result<AppReload, SettingsError> {
        do throws(SettingsError) {
            let apps = try Self.together(configured, sources, messageBytesMax)
            if apps.count > numbersMax { throw SettingsError(problem: "more than \(numbersMax) applications") }
            state.configured = configured
            state.messageBytesMax = messageBytesMax
            state.absent = [:]
            var (changes, reload) = state.roster.configure(apps)
            reload.leavesNone = !reload.removed.isEmpty && state.roster.count == 0
            if !changes.isEmpty { deliver(RegistryUpdate(changes: changes)) }
            return .success(reload)
        } catch {
            state.statistics.refusedReloads += 1
            return .failure(error)
        }
    }

    private func reloadFile(_ state: inout RegistryState, _ deliver: (RegistryUpdate) -> Void) {
        switch reload(state.configured, state.messageBytesMax, &state, deliver) {
        case .success(let reload):
            if reload.isEmpty { return }
            log.info("applications changed", reload.fields(file: sources.file))
            if let warning = reload.warning { log.warning(warning) }
        case .failure(let error):
            for problem in error.problems { log.error("applications not changed", ["problem": .text("\(problem)")]) }
        }
    }

    // MARK: The store

    private func answer(
        _ name: ApplicationNameText, _ worker: Int, _ state: inout RegistryState, _ deliver: (RegistryUpdate) -> Void
    ) {
        var update = RegistryUpdate()
        let outcome = outcome(name, &state, &update.changes)
        switch outcome {
        case .known: state.statistics.known += 1
        case .absent: state.statistics.absent += 1
        case .undecided: state.statistics.undecided += 1
        }
        update.answer = (name, outcome, worker)
        deliver(update)
    }

    private func outcome(
        _ name: ApplicationNameText, _ state: inout RegistryState, _ changes: inout [RegistryChange]
    ) -> LookupOutcome {
        if state.roster.contains(name) { return .known }
        guard let store = state.store else { return .absent }
        let now = serviceMilliseconds()
        if let until = state.absent[name], now < until { return .absent }
        if now < state.storeRestsUntil { return .undecided }
        do throws(StoreError) {
            let found: StoredApplication?
            switch name {
            case .key(let key): found = try store.find(key: key).flatMap { $0.key == key ? $0 : nil }
            case .id(let id): found = try store.find(id: id).flatMap { $0.id == id ? $0 : nil }
            }
            storeIsBack(&state)
            guard let found else {
                if state.absent.count >= Self.absentMax { state.absent = [:] }
                state.absent[name] = now + UInt64(sources.absentSeconds) * 1_000
                return .absent
            }
            return take(found, &state, &changes) ? .known : .undecided
        } catch {
            storeFailed(error, &state)
            return .undecided
        }
    }

    /// Takes over a stored application; false when it cannot be served.
    private func take(
        _ found: StoredApplication, _ state: inout RegistryState, _ changes: inout [RegistryChange]
    ) -> Bool {
        let isNew = state.roster.app(id: found.id) == nil
        do throws(SettingsError) {
            let app = try AppSettings.stored(
                id: found.id, key: found.key, secret: found.secret, isEnabled: found.isEnabled,
                settings: found.settings, place: "application \(found.id) of the store",
                messageBytesMax: state.messageBytesMax)
            guard let taken = state.roster.store(app) else {
                log.sampled(
                    .error, reason: "clash", "stored application not served",
                    [
                        "application": .text(found.id),
                        "problem": "another application has its id or its key, or there are too many",
                    ])
                return false
            }
            changes += taken
            if isNew {
                let due = serviceMilliseconds() + UInt64(sources.cacheSeconds) * 1_000
                state.refreshOrder.append((due, found.id))
            }
            return true
        } catch {
            for problem in error.problems {
                log.sampled(
                    .error, reason: "settings", "stored application not served", ["problem": .text("\(problem)")])
            }
            return false
        }
    }

    /// Asks again for stored applications whose time has come.
    private func refresh(_ state: inout RegistryState, _ deliver: (RegistryUpdate) -> Void) {
        let now = serviceMilliseconds()
        guard let store = state.store, now >= state.storeRestsUntil else { return }
        let due = state.refreshOrder.prefix(Self.refreshAtOnce).prefix { $0.due <= now }.map(\.id)
        if due.isEmpty { return }
        let stored = Set(state.roster.storedIDs)
        let ids = due.filter { stored.contains($0) }
        do throws(StoreError) {
            let found = try ids.isEmpty ? [] : store.find(ids: ids)
            storeIsBack(&state)
            var changes: [RegistryChange] = []
            let present = Set(found.map(\.id))
            for id in ids where !present.contains(id) { changes += state.roster.removeStored(id: id) }
            for application in found { _ = take(application, &state, &changes) }
            state.refreshOrder.removeFirst(due.count)
            let next = serviceMilliseconds() + UInt64(sources.cacheSeconds) * 1_000
            for id in ids where present.contains(id) { state.refreshOrder.append((next, id)) }
            if !changes.isEmpty { deliver(RegistryUpdate(changes: changes)) }
        } catch {
            // What was known stays.
            storeFailed(error, &state)
        }
    }

    private func storeFailed(_ error: StoreError, _ state: inout RegistryState) {
        state.statistics.storeFailures += 1
        state.storeRestsUntil = serviceMilliseconds() + Self.restMilliseconds
        if !state.isStoreDown {
            log.error(
                "store of applications failed",
                ["store": .text(store?.shown ?? ""), "error": .text(error.description)])
        }
        state.isStoreDown = true
    }

    private func storeIsBack(_ state: inout RegistryState) {
        if state.isStoreDown { log.info("store of applications is back", ["store": .text(store?.shown ?? "")]) }
        state.isStoreDown = false
    }
}

extension AppReload {
    /// For a log line.
    public func fields(file: String) -> LogFields {
        var fields: LogFields = [:]
        if !file.isEmpty { fields.append("file", .text(file)) }
        for (name, list) in [("added", added), ("changed", changed), ("removed", removed)] where !list.isEmpty {
            fields.append(name, .text(list.joined(separator: ", ")))
        }
        return fields
    }
}
