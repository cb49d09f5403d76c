import CSQLite
import Glibc

/// Applications in a file of SQLite. The file is made when it is missing, readable by its owner only: it holds secrets.
///
/// Table: `clarion_apps (id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, secret TEXT NOT NULL, enabled INTEGER NOT NULL
/// DEFAULT 1, settings TEXT NOT NULL DEFAULT '{}')`.
@safe public final class SQLiteStore: ApplicationStore {
    private let path: String
    private let timeoutSeconds: Int
    /// The open database; owned by this object.
    private var database: OpaquePointer?
    /// Which file that is. One that is put in its place is opened anew.
    private var openedFile = (device: UInt(0), inode: UInt(0))

    /// - Parameter timeoutSeconds: how long a call waits for others who write.
    public init(path: String, timeoutSeconds: Int) {
        self.path = path
        self.timeoutSeconds = timeoutSeconds
        unsafe database = nil
    }

    deinit { unsafe _ = sqlite3_close_v2(database) }

    public func prepare() throws(StoreError) {
        // Made before SQLite opens it, so that nobody else may read it at any time.
        let descriptor = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        if descriptor < 0 { throw .refused(unsafe "\(path): \(String(cString: strerror(errno)))") }
        close(descriptor)
        _ = try run(
            """
            CREATE TABLE IF NOT EXISTS clarion_apps (id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, \
            secret TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1, settings TEXT NOT NULL DEFAULT '{}')
            """)
    }

    private static let columns = "SELECT id, key, secret, enabled, settings FROM clarion_apps"

    public func find(id: String) throws(StoreError) -> StoredApplication? {
        try run("\(Self.columns) WHERE id = ?1", [id]).rows.first
    }

    public func find(key: String) throws(StoreError) -> StoredApplication? {
        try run("\(Self.columns) WHERE key = ?1", [key]).rows.first
    }

    public func list(max: Int) throws(StoreError) -> [StoredApplication] {
        try run("\(Self.columns) ORDER BY id LIMIT \(max)").rows
    }

    public func create(_ application: StoredApplication) throws(StoreError) {
        _ = try run(
            "INSERT INTO clarion_apps (id, key, secret, enabled, settings) VALUES (?1, ?2, ?3, ?4, ?5)",
            Self.values(application))
    }

    public func replace(_ application: StoredApplication) throws(StoreError) -> Bool {
        try run(
            "UPDATE clarion_apps SET key = ?2, secret = ?3, enabled = ?4, settings = ?5 WHERE id = ?1",
            Self.values(application)
        ).changes > 0
    }

    public func delete(id: String) throws(StoreError) -> Bool {
        try run("DELETE FROM clarion_apps WHERE id = ?1", [id]).changes > 0
    }

    private static func values(_ application: StoredApplication) -> [String] {
        [
            application.id, application.key, application.secret, application.isEnabled ? "1" : "0",
            application.settings,
        ]
    }

    private func connect() throws(StoreError) -> OpaquePointer {
        var facts = stat()
        let isThere = unsafe stat(path, &facts) == 0
        let found = isThere ? (device: UInt(facts.st_dev), inode: UInt(facts.st_ino)) : (0, 0)
        if let open = unsafe database {
            if found == openedFile { return unsafe open }
            unsafe _ = sqlite3_close_v2(open)
            unsafe database = nil
        }
        var opened: OpaquePointer?
        // The file is never made here: a wrong path is told, not turned into an empty store.
        let status = unsafe sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil)
        guard status == SQLITE_OK, let opened = unsafe opened else {
            let text = unsafe opened.map { unsafe String(cString: sqlite3_errmsg($0)) } ?? "no memory"
            unsafe _ = sqlite3_close_v2(opened)
            let isMissing = unsafe access(path, F_OK) != 0
            throw .refused(
                isMissing
                    ? "\(path): there is no such file; `clarion app create` makes it, --store names another"
                    : "\(path): \(text)")
        }
        unsafe _ = sqlite3_busy_timeout(opened, Int32(clamping: timeoutSeconds * 1_000))
        unsafe database = opened
        openedFile = found
        return unsafe opened
    }

    private func run(
        _ text: String, _ values: [String] = []
    ) throws(StoreError) -> (rows: [StoredApplication], changes: Int) {
        let database = unsafe try connect()
        var prepared: OpaquePointer?
        if unsafe sqlite3_prepare_v2(database, text, -1, &prepared, nil) != SQLITE_OK { throw unsafe failure(database) }
        guard let statement = unsafe prepared else { throw .refused("an empty statement") }
        defer { unsafe _ = sqlite3_finalize(statement) }
        for (index, value) in values.enumerated() {
            let status = unsafe csqlite_bind_text(statement, Int32(index + 1), value, Int32(value.utf8.count))
            if status != SQLITE_OK { throw unsafe failure(database) }
        }
        var rows: [StoredApplication] = []
        while true {
            switch unsafe sqlite3_step(statement) {
            case SQLITE_ROW: unsafe rows.append(Self.row(statement))
            case SQLITE_DONE: return (rows, unsafe Int(sqlite3_changes(database)))
            case SQLITE_CONSTRAINT: throw .duplicate("there is an application with this id or this key already")
            default: throw unsafe failure(database)
            }
        }
    }

    private static func row(_ statement: OpaquePointer) -> StoredApplication {
        func text(_ column: Int32) -> String {
            guard let bytes = unsafe sqlite3_column_text(statement, column) else { return "" }
            return unsafe String(cString: bytes)
        }
        return unsafe StoredApplication(
            id: text(0), key: text(1), secret: text(2), isEnabled: sqlite3_column_int(statement, 3) != 0,
            settings: text(4))
    }

    private func failure(_ database: OpaquePointer) -> StoreError {
        let text = unsafe "\(path): \(String(cString: sqlite3_errmsg(database)))"
        switch unsafe sqlite3_errcode(database) & 0xFF {
        case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_IOERR: return .unreachable(text)
        default: return .refused(text)
        }
    }
}
