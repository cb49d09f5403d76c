import CPostgres
import Glibc

/// Applications in a table of PostgreSQL: `clarion_apps (id text PRIMARY KEY, key text NOT NULL UNIQUE, secret text NOT
/// NULL, enabled boolean NOT NULL DEFAULT true, settings jsonb NOT NULL DEFAULT '{}')`.
///
/// One connection, made when it is needed and again after it broke. No call waits longer than `timeoutSeconds`, also
/// when the server has stopped in the middle of an answer.
@safe public final class PostgresStore: ApplicationStore {
    private let url: String
    private let timeoutSeconds: Int
    /// The connection; owned by this object.
    private var connection: OpaquePointer?

    public init(url: String, timeoutSeconds: Int) {
        self.url = url
        self.timeoutSeconds = timeoutSeconds
        unsafe connection = nil
    }

    deinit { unsafe PQfinish(connection) }

    public func prepare() throws(StoreError) {
        _ = try run(
            """
            CREATE TABLE IF NOT EXISTS clarion_apps (id text PRIMARY KEY, key text NOT NULL UNIQUE, \
            secret text NOT NULL, enabled boolean NOT NULL DEFAULT true, settings jsonb NOT NULL DEFAULT '{}')
            """)
    }

    // As text, whatever the types of the columns are.
    private static let columns =
        "SELECT id::text, key::text, secret::text, enabled::text, settings::text FROM clarion_apps"

    public func find(id: String) throws(StoreError) -> StoredApplication? {
        try run("\(Self.columns) WHERE id::text = $1", [id]).rows.first
    }

    public func find(key: String) throws(StoreError) -> StoredApplication? {
        try run("\(Self.columns) WHERE key = $1", [key]).rows.first
    }

    public func find(ids: [String]) throws(StoreError) -> [StoredApplication] {
        let quoted = ids.map { "\"" + $0.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\"" }
        return try run("\(Self.columns) WHERE id::text = ANY($1::text[])", ["{\(quoted.joined(separator: ","))}"]).rows
    }

    public func list(max: Int) throws(StoreError) -> [StoredApplication] {
        try run("\(Self.columns) ORDER BY id LIMIT \(max)").rows
    }

    public func create(_ application: StoredApplication) throws(StoreError) {
        _ = try run(
            "INSERT INTO clarion_apps (id, key, secret, enabled, settings) VALUES ($1, $2, $3, $4, $5)",
            Self.values(application))
    }

    public func replace(_ application: StoredApplication) throws(StoreError) -> Bool {
        try run(
            "UPDATE clarion_apps SET key = $2, secret = $3, enabled = $4, settings = $5 WHERE id = $1",
            Self.values(application)
        ).changes > 0
    }

    public func delete(id: String) throws(StoreError) -> Bool {
        try run("DELETE FROM clarion_apps WHERE id = $1", [id]).changes > 0
    }

    private static func values(_ application: StoredApplication) -> [String] {
        [
            application.id, application.key, application.secret, application.isEnabled ? "true" : "false",
            application.settings,
        ]
    }

    // MARK: The connection

    private func connect(_ deadline: Deadline) throws(StoreError) -> OpaquePointer {
        if let connection = unsafe connection { return unsafe connection }
        guard let started = unsafe PQconnectStart(url) else { throw .unreachable("no memory") }
        var isDone = false
        defer { if !isDone { unsafe PQfinish(started) } }
        var next = PGRES_POLLING_WRITING
        while unsafe PQstatus(started) != CONNECTION_BAD, next != PGRES_POLLING_OK, next != PGRES_POLLING_FAILED {
            let events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT
            if unsafe !deadline.wait(PQsocket(started), Int16(events)) {
                throw .unreachable("no connection within \(timeoutSeconds) s")
            }
            next = unsafe PQconnectPoll(started)
        }
        if next != PGRES_POLLING_OK { throw unsafe .unreachable(Self.message(PQerrorMessage(started))) }
        unsafe _ = PQsetnonblocking(started, 1)
        // Notices of the server are not for our standard error.
        unsafe _ = PQsetNoticeProcessor(started, { _, _ in }, nil)
        isDone = true
        unsafe connection = started
        return unsafe started
    }

    private func disconnect() {
        unsafe PQfinish(connection)
        unsafe connection = nil
    }

    private func run(
        _ text: String, _ values: [String] = []
    ) throws(StoreError) -> (rows: [StoredApplication], changes: Int) {
        let hadConnection = unsafe connection != nil
        do {
            return try runOnce(text, values)
        } catch {
            // A connection that the server has ended meanwhile is only found out by using it: once more on a new one.
            guard case .unreachable = error, hadConnection, unsafe connection == nil else { throw error }
            return try runOnce(text, values)
        }
    }

    private func runOnce(
        _ text: String, _ values: [String]
    ) throws(StoreError) -> (rows: [StoredApplication], changes: Int) {
        let deadline = Deadline(seconds: timeoutSeconds)
        let connection = unsafe try connect(deadline)
        let copies = unsafe values.map { unsafe strdup($0) }
        defer {
            for index in unsafe copies.indices { unsafe free(copies[index]) }
        }
        let pointers = unsafe copies.map { unsafe UnsafePointer<CChar>($0) }
        let isSent = unsafe PQsendQueryParams(
            connection, text, Int32(values.count), nil, pointers, nil, nil, 0)
        do throws(StoreError) {
            if isSent != 1 { throw unsafe .unreachable(Self.message(PQerrorMessage(connection))) }
            return unsafe try answer(connection, deadline)
        } catch {
            if case .unreachable = error { disconnect() }
            throw error
        }
    }

    private func answer(
        _ connection: OpaquePointer, _ deadline: Deadline
    ) throws(StoreError) -> (rows: [StoredApplication], changes: Int) {
        var outcome: Result<(rows: [StoredApplication], changes: Int), StoreError> = .success(([], 0))
        while true {
            while unsafe PQflush(connection) == 1 {
                if unsafe !deadline.wait(PQsocket(connection), Int16(POLLOUT)) { throw late }
            }
            while unsafe PQisBusy(connection) == 1 {
                if unsafe !deadline.wait(PQsocket(connection), Int16(POLLIN)) { throw late }
                if unsafe PQconsumeInput(connection) != 1 {
                    throw unsafe .unreachable(Self.message(PQerrorMessage(connection)))
                }
            }
            guard let result = unsafe PQgetResult(connection) else { return try outcome.get() }
            outcome = unsafe read(result, outcome)
            unsafe PQclear(result)
            if unsafe PQstatus(connection) == CONNECTION_BAD {
                throw unsafe .unreachable(Self.message(PQerrorMessage(connection)))
            }
        }
    }

    private var late: StoreError { .unreachable("no answer within \(timeoutSeconds) s") }

    private func read(
        _ result: OpaquePointer, _ before: Result<(rows: [StoredApplication], changes: Int), StoreError>
    ) -> Result<(rows: [StoredApplication], changes: Int), StoreError> {
        switch unsafe PQresultStatus(result) {
        case PGRES_TUPLES_OK:
            let rows = unsafe (0..<PQntuples(result)).map { unsafe Self.row(result, $0) }
            return .success((rows, 0))
        case PGRES_COMMAND_OK:
            return .success(([], unsafe Int(String(cString: PQcmdTuples(result))) ?? 0))
        default:
            // Class 23, code 505: a value that must be unique is there (PostgreSQL manual, appendix A).
            let code = unsafe PQresultErrorField(result, Self.codeField).map { unsafe String(cString: $0) } ?? ""
            if code == "23505" {
                return .failure(.duplicate("there is an application with this id or this key already"))
            }
            let text = unsafe Self.message(PQresultErrorMessage(result))
            // Classes 08, 53, 57: connection, resources, an operator's intervention.
            let isPassing = ["08", "53", "57"].contains { code.hasPrefix($0) }
            return .failure(isPassing ? .unreachable(text) : .refused(text))
        }
    }

    /// PG_DIAG_SQLSTATE, a character constant that Swift does not import.
    private static let codeField = Int32(UInt8(ascii: "C"))

    private static func row(_ result: OpaquePointer, _ number: Int32) -> StoredApplication {
        func text(_ column: Int32) -> String {
            guard let value = unsafe PQgetvalue(result, number, column) else { return "" }
            return unsafe String(cString: value)
        }
        return StoredApplication(
            id: text(0), key: text(1), secret: text(2), isEnabled: ["true", "t", "1"].contains(text(3)),
            settings: text(4))
    }

    /// One line of what the server says.
    private static func message(_ text: UnsafePointer<CChar>?) -> String {
        guard let text = unsafe text else { return "no reason given" }
        return unsafe String(cString: text).split(separator: "\n").joined(separator: " ")
    }
}

/// A point in time by which something must have happened.
struct Deadline {
    private let end: UInt64

    init(seconds: Int) { end = Self.now() + UInt64(max(seconds, 0)) * 1_000 }

    /// Waits until `descriptor` is ready for `events`; false when the time is over.
    func wait(_ descriptor: Int32, _ events: Int16) -> Bool {
        while true {
            let now = Self.now()
            if now >= end { return false }
            var entry = pollfd(fd: descriptor, events: events, revents: 0)
            let ready = unsafe poll(&entry, 1, Int32(clamping: end - now))
            if ready > 0 { return true }
            if ready < 0 && errno != EINTR { return false }
        }
    }

    private static func now() -> UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000 + UInt64(time.tv_nsec) / 1_000_000
    }
}
