/// An application as a store keeps it.
public struct StoredApplication: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible {
    public var id: String
    public var key: String
    /// Signs. Never shown.
    public var secret: String
    public var isEnabled: Bool
    /// A JSON object of further settings, with the keys of `[[apps]]` in the configuration file.
    public var settings: String

    public init(id: String, key: String, secret: String, isEnabled: Bool = true, settings: String = "{}") {
        self.id = id
        self.key = key
        self.secret = secret
        self.isEnabled = isEnabled
        self.settings = settings
    }

    /// Without the secret.
    public var description: String { "application \(id) (key \(key))" }
    public var debugDescription: String { description }
}

/// Why a store did not do what it was asked.
public enum StoreError: Error, Sendable, Equatable, CustomStringConvertible {
    /// It does not answer, or not in time. Asking again later may help.
    case unreachable(String)
    /// It answers, but not with what is asked: no such table, no permission.
    case refused(String)
    /// There is one with this id or key already.
    case duplicate(String)

    public var description: String {
        switch self {
        case .unreachable(let text): "the store of applications cannot be reached: \(text)"
        case .refused(let text): "the store of applications refuses: \(text)"
        case .duplicate(let text): text
        }
    }
}

/// Keeps applications outside the node. Used on one thread; each call waits for its answer, but not for ever.
public protocol ApplicationStore: AnyObject {
    /// Makes the table, where the store has one and it is missing.
    func prepare() throws(StoreError)
    func find(id: String) throws(StoreError) -> StoredApplication?
    func find(key: String) throws(StoreError) -> StoredApplication?
    /// Those of `ids` that exist, in any order.
    func find(ids: [String]) throws(StoreError) -> [StoredApplication]
    /// All, by id; at most `max`.
    func list(max: Int) throws(StoreError) -> [StoredApplication]
    /// - Throws: `duplicate` when the id or the key is taken.
    func create(_ application: StoredApplication) throws(StoreError)
    /// Changes the application with this id. False when there is none.
    func replace(_ application: StoredApplication) throws(StoreError) -> Bool
    /// False when there was none.
    func delete(id: String) throws(StoreError) -> Bool
}

extension ApplicationStore {
    public func find(ids: [String]) throws(StoreError) -> [StoredApplication] {
        var found: [StoredApplication] = []
        for id in ids {
            if let application = try find(id: id) { found.append(application) }
        }
        return found
    }
}

/// Where a store is: `sqlite:PATH`, `postgresql://…` or `redis://…`.
public enum StoreAddress: Sendable, Equatable {
    case sqlite(path: String)
    /// As libpq takes it.
    case postgres(url: String)
    case redis(RedisAddress)

    public init?(_ text: String) {
        if text.hasPrefix("sqlite:") {
            var path = text.dropFirst("sqlite:".count)
            if path.hasPrefix("//") { path = path.dropFirst(2) }
            if path.isEmpty { return nil }
            self = .sqlite(path: String(path))
        } else if text.hasPrefix("postgresql://") || text.hasPrefix("postgres://") {
            self = .postgres(url: text)
        } else if let address = RedisAddress(text) {
            self = .redis(address)
        } else {
            return nil
        }
    }

    /// For messages: without user and password.
    public var shown: String {
        switch self {
        case .sqlite(let path): "sqlite:\(path)"
        case .postgres(let url): "postgresql://" + Self.withoutUser(url)
        case .redis(let address): "redis://\(address.host):\(address.port)/\(address.database)"
        }
    }

    private static func withoutUser(_ url: String) -> String {
        let rest = url.drop { $0 != "/" }.dropFirst(2)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        let host = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
        // A query may hold a password too.
        return String(host + rest[authority.endIndex...].prefix { $0 != "?" })
    }

    /// A store at this address. Nothing is connected yet.
    /// - Parameter timeoutSeconds: what one call may take.
    public func open(timeoutSeconds: Int) -> any ApplicationStore {
        switch self {
        case .sqlite(let path): SQLiteStore(path: path, timeoutSeconds: timeoutSeconds)
        case .postgres(let url): PostgresStore(url: url, timeoutSeconds: timeoutSeconds)
        case .redis(let address): RedisStore(address, timeoutSeconds: timeoutSeconds)
        }
    }
}

/// Where a Redis server is: `redis://[[user]:password@]host[:port][/database]`.
public struct RedisAddress: Sendable, Equatable {
    public var host = "127.0.0.1"
    public var port = 6379
    public var user = ""
    /// Never shown.
    public var password = ""
    public var database = 0

    public init?(_ text: String) {
        guard text.hasPrefix("redis://") else { return nil }
        var rest = text.dropFirst("redis://".count)
        if let slash = rest.firstIndex(of: "/") {
            let name = rest[rest.index(after: slash)...]
            guard let number = name.isEmpty ? 0 : Int(name), (0...1_000_000).contains(number) else { return nil }
            database = number
            rest = rest[..<slash]
        }
        if let at = rest.lastIndex(of: "@") {
            let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let user = Self.decoded(parts[0]), let password = Self.decoded(parts[1]) else {
                return nil
            }
            self.user = user
            self.password = password
            rest = rest[rest.index(after: at)...]
        }
        if rest.hasPrefix("["), let bracket = rest.firstIndex(of: "]") {
            host = String(rest[rest.index(after: rest.startIndex)..<bracket])
            rest = rest[rest.index(after: bracket)...]
        } else {
            let name = rest.prefix { $0 != ":" }
            host = String(name)
            rest = rest[name.endIndex...]
        }
        if rest.hasPrefix(":") {
            guard let number = Int(rest.dropFirst()), (1...65_535).contains(number) else { return nil }
            port = number
            rest = ""
        }
        if host.isEmpty || !rest.isEmpty { return nil }
    }

    /// Resolves `%XX`.
    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var source = Array(text.utf8)[...]
        while let byte = source.popFirst() {
            if byte != UInt8(ascii: "%") {
                bytes.append(byte)
                continue
            }
            let digits = String(decoding: source.prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, let value = UInt8(digits, radix: 16) else { return nil }
            bytes.append(value)
            source = source.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
