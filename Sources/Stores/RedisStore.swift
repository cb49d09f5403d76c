import CHiredis
import Glibc

/// Applications in Redis, as keys:
///
/// - `clarion:app:{id}`, a hash with the fields `key`, `secret`, `enabled` ("1" or "0") and `settings` (JSON),
/// - `clarion:app-key:{key}`, a string that holds the id,
/// - `clarion:apps`, the set of ids.
///
/// One connection, made when it is needed and again after it broke.
@safe public final class RedisStore: ApplicationStore {
    private let address: RedisAddress
    private let timeoutSeconds: Int
    /// The connection; owned by this object.
    private var context: UnsafeMutablePointer<redisContext>?

    public init(_ address: RedisAddress, timeoutSeconds: Int) {
        self.address = address
        self.timeoutSeconds = timeoutSeconds
        unsafe context = nil
    }

    deinit { disconnect() }

    public func prepare() throws(StoreError) { _ = try command(["PING"]) }

    public func find(id: String) throws(StoreError) -> StoredApplication? {
        let reply = try command(["HMGET", "clarion:app:\(id)", "key", "secret", "enabled", "settings"])
        guard case .list(let fields) = reply, fields.count == 4, case .text(let key) = fields[0],
            case .text(let secret) = fields[1]
        else { return nil }
        var application = StoredApplication(id: id, key: key, secret: secret)
        if case .text(let enabled) = fields[2] { application.isEnabled = ["1", "true"].contains(enabled) }
        if case .text(let settings) = fields[3] { application.settings = settings }
        return application
    }

    public func find(key: String) throws(StoreError) -> StoredApplication? {
        guard case .text(let id) = try command(["GET", "clarion:app-key:\(key)"]) else { return nil }
        // A key that was changed by hand may have left its old name behind.
        return try find(id: id).flatMap { $0.key == key ? $0 : nil }
    }

    public func list(max: Int) throws(StoreError) -> [StoredApplication] {
        guard case .list(let members) = try command(["SMEMBERS", "clarion:apps"]) else { return [] }
        let ids = members.compactMap { if case .text(let id) = $0 { id } else { nil } }
        return try find(ids: Array(ids.sorted().prefix(max)))
    }

    // In one step each, so that two who write at once leave no half of either.

    public func create(_ application: StoredApplication) throws(StoreError) {
        let script = """
            if redis.call('exists', KEYS[1]) == 1 or redis.call('exists', KEYS[2]) == 1 then return 0 end
            redis.call('hset', KEYS[1], 'key', ARGV[2], 'secret', ARGV[3], 'enabled', ARGV[4], 'settings', ARGV[5])
            redis.call('set', KEYS[2], ARGV[1])
            redis.call('sadd', KEYS[3], ARGV[1])
            return 1
            """
        if try evaluate(script, application) == 0 {
            throw .duplicate("there is an application with this id or this key already")
        }
    }

    public func replace(_ application: StoredApplication) throws(StoreError) -> Bool {
        let script = """
            local old = redis.call('hget', KEYS[1], 'key')
            if not old then return 0 end
            if old ~= ARGV[2] then
                if redis.call('exists', KEYS[2]) == 1 then return -1 end
                redis.call('del', 'clarion:app-key:' .. old)
            end
            redis.call('hset', KEYS[1], 'key', ARGV[2], 'secret', ARGV[3], 'enabled', ARGV[4], 'settings', ARGV[5])
            redis.call('set', KEYS[2], ARGV[1])
            redis.call('sadd', KEYS[3], ARGV[1])
            return 1
            """
        switch try evaluate(script, application) {
        case 1: return true
        case 0: return false
        default: throw .duplicate("there is an application with this id or this key already")
        }
    }

    public func delete(id: String) throws(StoreError) -> Bool {
        let script = """
            local old = redis.call('hget', KEYS[1], 'key')
            if old then redis.call('del', 'clarion:app-key:' .. old) end
            redis.call('srem', KEYS[2], ARGV[1])
            return redis.call('del', KEYS[1])
            """
        let reply = try command(["EVAL", script, "2", "clarion:app:\(id)", "clarion:apps", id])
        return reply == .integer(1)
    }

    private func evaluate(_ script: String, _ application: StoredApplication) throws(StoreError) -> Int {
        let reply = try command([
            "EVAL", script, "3", "clarion:app:\(application.id)", "clarion:app-key:\(application.key)", "clarion:apps",
            application.id, application.key, application.secret, application.isEnabled ? "1" : "0",
            application.settings,
        ])
        guard case .integer(let number) = reply else { throw .refused("an answer of another kind") }
        return number
    }

    // MARK: The connection

    private enum Reply: Equatable {
        case nothing
        case text(String)
        case integer(Int)
        case list([Reply])
    }

    private func connect() throws(StoreError) {
        if unsafe context != nil { return }
        let timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        guard let opened = unsafe redisConnectWithTimeout(address.host, Int32(address.port), timeout) else {
            throw .unreachable("no memory")
        }
        if unsafe chiredis_failed(opened) != 0 {
            let text = unsafe String(cString: chiredis_error(opened))
            unsafe redisFree(opened)
            throw .unreachable("\(address.host):\(address.port): \(text)")
        }
        unsafe _ = redisSetTimeout(opened, timeout)
        unsafe context = opened
        do throws(StoreError) {
            if !address.password.isEmpty {
                let user = address.user.isEmpty ? [] : [address.user]
                _ = try commandOnce(["AUTH"] + user + [address.password])
            }
            if address.database != 0 { _ = try commandOnce(["SELECT", "\(address.database)"]) }
        } catch {
            disconnect()
            throw error
        }
    }

    private func disconnect() {
        if let context = unsafe context { unsafe redisFree(context) }
        unsafe context = nil
    }

    private func command(_ words: [String]) throws(StoreError) -> Reply {
        let hadConnection = unsafe context != nil
        try connect()
        do throws(StoreError) {
            return try commandOnce(words)
        } catch {
            // A connection that the server has ended meanwhile is only found out by using it: once more on a new one.
            guard case .unreachable = error, hadConnection else { throw error }
            try connect()
            return try commandOnce(words)
        }
    }

    private func commandOnce(_ words: [String]) throws(StoreError) -> Reply {
        guard let context = unsafe context else { throw .unreachable("no connection") }
        let copies = unsafe words.map { unsafe strdup($0) }
        defer {
            for index in unsafe copies.indices { unsafe free(copies[index]) }
        }
        var pointers = unsafe copies.map { unsafe UnsafePointer<CChar>($0) }
        let counts = words.map { $0.utf8.count }
        guard let reply = unsafe chiredis_command(context, Int32(words.count), &pointers, counts) else {
            let text = unsafe String(cString: chiredis_error(context))
            disconnect()
            throw .unreachable("\(address.host):\(address.port): \(text)")
        }
        defer { unsafe freeReplyObject(reply) }
        if unsafe reply.pointee.type == REDIS_REPLY_ERROR { throw unsafe .refused(Self.text(reply)) }
        return unsafe Self.read(reply)
    }

    private static func read(_ reply: UnsafePointer<redisReply>) -> Reply {
        switch unsafe reply.pointee.type {
        case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: return unsafe .text(text(reply))
        case REDIS_REPLY_INTEGER: return unsafe .integer(Int(reply.pointee.integer))
        case REDIS_REPLY_ARRAY:
            return unsafe .list(
                (0..<Int(reply.pointee.elements)).map { index in
                    guard let element = unsafe chiredis_element(reply, index) else { return .nothing }
                    return unsafe read(element)
                })
        default: return .nothing
        }
    }

    private static func text(_ reply: UnsafePointer<redisReply>) -> String {
        guard let start = unsafe reply.pointee.str else { return "" }
        let bytes = unsafe UnsafeRawBufferPointer(start: start, count: Int(reply.pointee.len))
        return unsafe String(decoding: bytes, as: UTF8.self)
    }
}
