import ClarionBytes

/// Why a list of applications cannot be served.
public enum AppTableError: Error, Equatable, CustomStringConvertible {
    case emptyID
    case emptyKey(id: String)
    case emptySecret(id: String)
    case duplicateID(String)
    case duplicateKey(String)
    case tooMany

    public var description: String {
        switch self {
        case .emptyID: return "an application has no id"
        case .emptyKey(let id): return "application \(id) has no key"
        case .emptySecret(let id): return "application \(id) has no secret"
        case .duplicateID(let id): return "two applications have the id \(id)"
        case .duplicateKey(let key): return "two applications have the key \(key)"
        case .tooMany: return "more than \(PusherLimits.applicationsMax) applications"
        }
    }
}

/// An application, ready for use.
struct Application: Sendable {
    let configuration: ApplicationConfiguration
    let id: [UInt8]
    let key: [UInt8]
    let secret: [UInt8]
    let origins: OriginList

    init(_ configuration: ApplicationConfiguration) {
        self.configuration = configuration
        id = Array(configuration.id.utf8)
        key = Array(configuration.key.utf8)
        secret = Array(configuration.secret.utf8)
        origins = OriginList(configuration.allowedOrigins)
    }
}

/// The part of an application's settings that each message is held to; copied without counting references.
struct ApplicationRules: Sendable {
    let acceptClientEventsFrom: ClientEventSource
    let rateLimit: MessageRateLimit?
    let features: ApplicationFeatures
    let webhookKinds: WebhookKinds
    let channels: ChannelRules

    init(_ configuration: ApplicationConfiguration) {
        acceptClientEventsFrom = configuration.acceptClientEventsFrom
        rateLimit = configuration.rateLimit
        features = configuration.features
        webhookKinds = configuration.webhookKinds
        channels = configuration.channels
    }
}

/// The applications of a node, found by key and by id.
///
/// Each has a number, its index: connections and channels are marked with it, so it stays the same as long as any of
/// them is left. Invariant: `byKey` and `byID` hold the numbers of the applications that exist now, in the order of the
/// keys' bytes and of the ids'; `applications` may hold others, which were taken away.
struct AppTable: Sendable {
    private(set) var applications: [Application]
    private var byKey: [Int]
    private var byID: [Int]

    init(_ configurations: [ApplicationConfiguration]) throws(AppTableError) {
        if configurations.count > PusherLimits.applicationsMax { throw .tooMany }
        for configuration in configurations {
            if configuration.id.isEmpty { throw .emptyID }
            if configuration.key.isEmpty { throw .emptyKey(id: configuration.id) }
            if configuration.secret.isEmpty { throw .emptySecret(id: configuration.id) }
        }
        let applications = configurations.map { Application($0) }
        byKey = applications.indices.sorted { applications[$0].key.lexicographicallyPrecedes(applications[$1].key) }
        byID = applications.indices.sorted { applications[$0].id.lexicographicallyPrecedes(applications[$1].id) }
        self.applications = applications
        for (left, right) in zip(byKey, byKey.dropFirst()) where applications[left].key == applications[right].key {
            throw .duplicateKey(configurations[left].key)
        }
        for (left, right) in zip(byID, byID.dropFirst()) where applications[left].id == applications[right].id {
            throw .duplicateID(configurations[left].id)
        }
    }

    func index(key: ByteView) -> Int? {
        unsafe find(key.unsafeBuffer, in: byKey) { $0.key }.found
    }

    func index(id: ByteView) -> Int? {
        unsafe find(id.unsafeBuffer, in: byID) { $0.id }.found
    }

    /// The name space of an application's channels. 0 belongs to none.
    static func space(of index: Int) -> UInt16 { UInt16(truncatingIfNeeded: index + 1) }

    /// The application of a name space that is one's.
    static func index(ofSpace space: UInt16) -> Int { Int(space) - 1 }

    /// Puts an application in the place of number `change.number`, or takes that one away. Of several changes that
    /// belong together, all are taken out (`withdraw`) before the first is put in: they may swap their keys.
    ///
    /// Precondition: no other application has its id or its key, and a new number is the next.
    mutating func put(_ change: ApplicationChange) {
        guard let configuration = change.application else { return }
        let application = Application(configuration)
        precondition(change.number >= 0 && change.number <= applications.count)
        precondition(change.number < PusherLimits.applicationsMax)
        if change.number == applications.count {
            applications.append(application)
        } else {
            applications[change.number] = application
        }
        let key = find(application.key, in: byKey) { $0.key }
        let id = find(application.id, in: byID) { $0.id }
        precondition(key.found == nil && id.found == nil, "two applications with one name")
        byKey.insert(change.number, at: key.place)
        byID.insert(change.number, at: id.place)
    }

    /// Takes the application with this number out of what can be found; connections that have it still see it.
    mutating func withdraw(_ number: Int) {
        if number >= applications.count { return }
        let application = applications[number]
        let key = find(application.key, in: byKey) { $0.key }
        if key.found == number { byKey.remove(at: key.place) }
        let id = find(application.id, in: byID) { $0.id }
        if id.found == number { byID.remove(at: id.place) }
    }

    /// The number of the application with this name, and where in `order` it stands or would stand.
    private func find(
        _ name: some RandomAccessCollection<UInt8>, in order: [Int], _ bytes: (Application) -> [UInt8]
    ) -> (found: Int?, place: Int) {
        var low = 0
        var high = order.count
        while low < high {
            let middle = low + (high - low) / 2
            let candidate = bytes(applications[order[middle]])
            if name.elementsEqual(candidate) { return (order[middle], middle) }
            if candidate.lexicographicallyPrecedes(name) { low = middle + 1 } else { high = middle }
        }
        return (nil, low)
    }
}
