import ClarionSettings

/// The applications of a node: what the configuration, the watched file and the store say, put together.
///
/// The configuration and the file are known whole; of the store, what was asked for. Where two say something of one id
/// or key, the configuration and the file hold. Numbers are given once and kept: an application that goes and comes
/// back has its number again.
struct AppRoster {
    private struct Known {
        let number: Int
        var app: AppSettings
        var isStored: Bool
    }

    /// By id.
    private var known: [String: Known] = [:]
    private var idsByKey: [String: String] = [:]
    private var numbers: [String: Int] = [:]
    private let numbersMax: Int

    /// - Parameter numbersMax: applications that one run of the node can tell apart.
    init(numbersMax: Int) { self.numbersMax = numbersMax }

    var count: Int { known.count }
    var numberCount: Int { numbers.count }
    var storedIDs: [String] { known.filter { $0.value.isStored }.map(\.key) }

    /// By number.
    var listed: [ListedApplication] {
        known.values.map { ListedApplication(number: $0.number, id: $0.app.id, key: $0.app.key) }
            .sorted { $0.number < $1.number }
    }

    func contains(_ name: ApplicationNameText) -> Bool {
        switch name {
        case .key(let key): idsByKey[key] != nil
        case .id(let id): known[id] != nil
        }
    }

    func app(id: String) -> AppSettings? { known[id]?.app }

    /// Whether the configuration or the file has this id or this key.
    func isConfigured(id: String, key: String) -> Bool {
        if let one = known[id], !one.isStored { return true }
        if let owner = idsByKey[key], let one = known[owner], !one.isStored { return true }
        return false
    }

    /// Puts `apps` in the place of all that do not come from the store.
    mutating func configure(_ apps: [AppSettings]) -> (changes: [RegistryChange], reload: AppReload) {
        var changes: [RegistryChange] = []
        var reload = AppReload()
        let ids = Set(apps.map(\.id))
        let keys = Set(apps.map(\.key))
        // What goes, goes first: its key may be another's now.
        for (id, one) in known.sorted(by: { $0.value.number < $1.value.number }) {
            let isGone = one.isStored ? !ids.contains(id) && keys.contains(one.app.key) : !ids.contains(id)
            if !isGone { continue }
            changes.append(RegistryChange(number: one.number, app: nil))
            reload.removed.append(id)
            forget(id)
        }
        for app in apps { if let old = known[app.id], old.app.key != app.key { idsByKey[old.app.key] = nil } }
        for app in apps {
            let old = known[app.id]
            guard let number = number(of: app.id) else { continue }
            known[app.id] = Known(number: number, app: app, isStored: false)
            idsByKey[app.key] = app.id
            if old?.app == app { continue }
            changes.append(RegistryChange(number: number, app: app))
            if old == nil { reload.added.append(app.id) } else { reload.changed.append(app.id) }
        }
        return (changes, reload)
    }

    /// Takes over what the store says of an application. Nil when it cannot be served: the configuration has its id or
    /// key, another stored one its key, or there are too many.
    mutating func store(_ app: AppSettings) -> [RegistryChange]? {
        if isConfigured(id: app.id, key: app.key) { return nil }
        if let owner = idsByKey[app.key], owner != app.id { return nil }
        guard let number = number(of: app.id) else { return nil }
        if let old = known[app.id] {
            if old.app == app { return [] }
            idsByKey[old.app.key] = nil
        }
        known[app.id] = Known(number: number, app: app, isStored: true)
        idsByKey[app.key] = app.id
        return [RegistryChange(number: number, app: app)]
    }

    /// The store has this application no more.
    mutating func removeStored(id: String) -> [RegistryChange] {
        guard let one = known[id], one.isStored else { return [] }
        forget(id)
        return [RegistryChange(number: one.number, app: nil)]
    }

    private mutating func forget(_ id: String) {
        guard let one = known.removeValue(forKey: id) else { return }
        if idsByKey[one.app.key] == id { idsByKey[one.app.key] = nil }
    }

    private mutating func number(of id: String) -> Int? {
        if let number = numbers[id] { return number }
        if numbers.count >= numbersMax { return nil }
        numbers[id] = numbers.count
        return numbers[id]
    }
}
