import ClarionAdmin
import ClarionLog
public import ClarionSandbox
public import ClarionSettings
import ClarionStores
import Glibc

/// What the process gives up for good, in the order in which it can: files before there are threads, privileges when
/// the ports are open, system calls when everything runs.
public struct Confinement: Sendable {
    private let user: ProcessUser?
    /// nil: the sandbox is off.
    private let files: Sandbox.Files?
    private let hidesMemory: Bool

    /// The first step. Comes before any thread but the calling one.
    /// - Throws: `SandboxError` when something that was asked for cannot be had.
    public init(_ configuration: Configuration) throws(SandboxError) {
        let settings = configuration.settings
        user = settings.user.isEmpty ? nil : try ProcessUser(named: settings.user)
        let isSandboxed = settings.sandbox == .on
        hidesMemory = isSandboxed || user != nil || settings.environment == .production
        if isSandboxed || user != nil { try Sandbox.forbidNewPrivileges() }
        files = isSandboxed ? try Sandbox.confineFiles(Self.rules(configuration)) : nil
    }

    /// The second step, when all listeners are open and before there is a worker.
    /// - Parameter sockets: names of sockets that are to belong to the user that the process becomes.
    func dropPrivileges(sockets: [String]) throws(SandboxError) {
        if let user {
            for path in sockets { try user.own(path) }
            try user.become()
        }
        // After the change of users, which decides about this anew.
        if hidesMemory { try Sandbox.hideMemory() }
    }

    /// The last step, when everything runs. One line says what holds.
    func seal(usesUring: Bool, _ log: Logger) throws(SandboxError) {
        var fields: LogFields = [:]
        if let user { fields.append("user", .text(user.name)) }
        if let files {
            let allowed = try Sandbox.filterSystemCalls()
            fields.append("system_calls", .text("seccomp, \(allowed) allowed"))
            switch files {
            case .confined(let version):
                fields.append("files", .text("Landlock \(version)"))
                let isBound = version >= Sandbox.portVersion
                fields.append("listening", .text(isBound ? "seccomp, Landlock" : "seccomp"))
            case .unavailable(let why):
                fields.append("listening", "seccomp")
                log.warning("files are not confined: the kernel has no Landlock", ["error": .text(why)])
            }
            fields.append("io_uring", .text(usesUring ? "operations of a worker" : "none"))
        }
        if hidesMemory { fields.append("core_dumps", "none") }
        if user != nil || files != nil { log.info("confined", fields) }
    }

    /// Whether rings are told what they are for.
    var restrictsOperations: Bool { files != nil }

    // MARK: Rules

    private static func rules(_ configuration: Configuration) -> FileRules {
        let settings = configuration.settings
        var rules = FileRules()
        let tls = settings.tls
        let named = [configuration.file ?? "", settings.appSources.file, tls.clientAuthority]
        for path in named + tls.certificates + tls.keys + tls.ocspAnswers where path != "-" {
            rules.read(fileAt: path)
        }
        if let address = settings.appSources.store { add(store: address.revealed, to: &rules) }
        rules.socketFolders = settings.listeners.filter { !$0.socket.isEmpty }.map { FileRules.folder(of: $0.socket) }
        if settings.adminSocket != AdminSettingWords.off {
            let isUsual = settings.adminSocket == AdminSettingWords.auto
            let path = isUsual ? AdminPath.usual(port: settings.port) : settings.adminSocket
            // Makes the folder now, if it is one that the node makes. What is wrong with it is told when the socket is
            // opened.
            try? AdminPath.prepare(path)
            rules.socketFolders.append(FileRules.folder(of: path))
        }
        rules.ports =
            [UInt16(clamping: settings.port)] + settings.listeners.compactMap { $0.port.map(UInt16.init(clamping:)) }
        return rules
    }

    private static func add(store text: String, to rules: inout FileRules) {
        switch StoreAddress(text) {
        case .sqlite(let path):
            // Journals stand beside the database.
            rules.writable.append(FileRules.folder(of: path))
            rules.writable.append(path)
        case .postgres(let url):
            for parameter in url.split(whereSeparator: { $0 == "?" || $0 == "&" }).dropFirst() {
                let parts = parameter.split(separator: "=", maxSplits: 1)
                if parts.count == 2, postgresFiles.contains(String(parts[0])) { rules.read(fileAt: String(parts[1])) }
            }
            if let home = unsafe getenv("HOME") {
                let folder = unsafe String(cString: home)
                rules.readable += ["\(folder)/.postgresql", "\(folder)/.pgpass", "\(folder)/.pg_service.conf"]
            }
            rules.readable.append("/etc/postgresql-common")
        case .redis?, nil: break
        }
    }

    /// Parameters of libpq that name files.
    private static let postgresFiles: Set<String> = ["sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"]
}
