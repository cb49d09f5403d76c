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

    init(_ configuration: ApplicationConfiguration) {
        acceptClientEventsFrom = configuration.acceptClientEventsFrom
        rateLimit = configuration.rateLimit
    }
}

/// The applications of a node, found by key and by id.
struct AppTable: Sendable {
    let applications: [Application]
    /// Indices into `applications`, in the order of the keys' bytes, and of the ids'.
    private let byKey: [Int]
    private let byID: [Int]

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

    func index(key: ByteView) -> Int? { find(key, in: byKey) { $0.key } }

    func index(id: ByteView) -> Int? { find(id, in: byID) { $0.id } }

    /// The name space of an application's channels. 0 belongs to none.
    static func space(of index: Int) -> UInt16 { UInt16(truncatingIfNeeded: index + 1) }

    private func find(_ name: ByteView, in order: [Int], _ bytes: (Application) -> [UInt8]) -> Int? {
        var low = 0
        var high = order.count
        while low < high {
            let middle = low + (high - low) / 2
            let candidate = bytes(applications[order[middle]])
            if unsafe name.unsafeBuffer.elementsEqual(candidate) { return order[middle] }
            if unsafe candidate.lexicographicallyPrecedes(name.unsafeBuffer) { low = middle + 1 } else { high = middle }
        }
        return nil
    }
}
