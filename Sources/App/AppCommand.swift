import ArgumentParser
import ClarionAdmin
import ClarionSettings
import ClarionStores
import Glibc

/// `clarion app …`: the applications of a store.
struct AppCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "app", abstract: "Keep applications in a store: SQLite, PostgreSQL or Redis.",
        discussion: """
            The store is that of --store, else of apps_store in the configuration, else the file clarion.sqlite in the \
            working directory. A node started with --apps-store finds them; it needs no restart.
            """,
        subcommands: [
            AppCreateCommand.self, AppListCommand.self, AppShowCommand.self, AppRotateCommand.self,
            AppDeleteCommand.self,
        ])
}

/// Where the applications are, and how to speak to it.
struct StoreOptions: ParsableArguments {
    @Option(help: "sqlite:PATH, postgresql://… or redis://…")
    var store: String?

    @Option(name: .customLong("config"), help: ArgumentHelp("A file of settings, in TOML.", valueName: "file"))
    var file: String?

    /// Time that one call may take.
    private static let timeoutSeconds = 10
    static let preset = "sqlite:clarion.sqlite"

    /// Opens the store, and makes its table when it is missing and `makes`.
    func open(makes: Bool = false) throws -> any ApplicationStore {
        let text = try store ?? configured() ?? Self.preset
        guard let address = StoreAddress(text) else {
            printToStandardError(
                "Error: --store: not the address of a store; write sqlite:PATH, postgresql://… or redis://…")
            throw ExitCode(EX_USAGE)
        }
        let opened = address.open(timeoutSeconds: Self.timeoutSeconds)
        if makes { try asked { () throws(StoreError) in try opened.prepare() } }
        return opened
    }

    private func configured() throws -> String? {
        var input = Configuration.Input()
        input.file = file
        input.environment = processEnvironment()
        do throws(SettingsError) {
            return try Configuration.load(input).settings.appSources.store?.revealed
        } catch {
            for problem in error.problems { printToStandardError("Error: \(problem)") }
            throw ExitCode(EX_CONFIG)
        }
    }
}

/// Does something with a store, and ends the command when that fails.
@discardableResult
private func asked<Outcome>(_ body: () throws(StoreError) -> Outcome) throws -> Outcome {
    do throws(StoreError) {
        return try body()
    } catch {
        printToStandardError("Error: \(error)")
        switch error {
        case .unreachable: throw ExitCode(EX_UNAVAILABLE)
        case .refused: throw ExitCode(EX_CONFIG)
        case .duplicate: throw ExitCode(EX_DATAERR)
        }
    }
}

/// A name or a secret that nobody can guess: letters and digits.
private func randomText(_ count: Int) -> String {
    let digits = Array("abcdefghijklmnopqrstuvwxyz0123456789")
    var generator = SystemRandomNumberGenerator()
    return String((0..<count).map { _ in digits.randomElement(using: &generator) ?? "a" })
}

/// Characters of what is made up: as the hosted service has them, and Laravel.
private enum RandomLength {
    static let id = 6
    static let key = 20
    static let secret = 40
}

/// An application as the commands print it.
private func show(_ application: StoredApplication, withSecret: Bool, asJSON: Bool) {
    let secret = withSecret ? application.secret : "••••••"
    if asJSON {
        print(
            "{\"id\":\(AdminValue.text(application.id).json),\"key\":\(AdminValue.text(application.key).json),"
                + "\"secret\":\(AdminValue.text(secret).json),\"enabled\":\(application.isEnabled),"
                + "\"settings\":\(application.settings)}")
    } else {
        print("id       \(application.id)\nkey      \(application.key)\nsecret   \(secret)")
        print("enabled  \(application.isEnabled)\nsettings \(application.settings)")
    }
}

/// Judges an application as the node would; ends the command with what is wrong.
private func judge(_ application: StoredApplication) throws {
    do throws(SettingsError) {
        _ = try AppSettings.stored(
            id: application.id, key: application.key, secret: application.secret, isEnabled: application.isEnabled,
            settings: application.settings, place: "application \(application.id)",
            messageBytesMax: Settings().messageBytesCeiling)
    } catch {
        for problem in error.problems { printToStandardError("Error: \(problem)") }
        throw ExitCode(EX_DATAERR)
    }
}

struct AppCreateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make an application and print it, with its secret.")

    @OptionGroup var options: StoreOptions
    @Option(help: "The id in the paths of the HTTP API; digits are made up when it is left out.")
    var id: String?
    @Option(help: "The public key; made up when it is left out.")
    var key: String?
    @Option(help: "Further settings as a JSON object with the keys of [[apps]].")
    var settings = "{}"
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        // Some SDKs take ids of digits only.
        let id = id ?? "\(Int.random(in: 100_000..<1_000_000))"
        let application = StoredApplication(
            id: id, key: key ?? randomText(RandomLength.key), secret: randomText(RandomLength.secret),
            settings: settings)
        try judge(application)
        let store = try options.open(makes: true)
        try asked { () throws(StoreError) in try store.create(application) }
        show(application, withSecret: true, asJSON: json)
    }
}

struct AppListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List applications, without secrets.")

    @OptionGroup var options: StoreOptions
    @Option(help: "How many at most.")
    var max = 10_000
    @Flag(help: "Print JSON, an application on each line.")
    var json = false

    func run() throws {
        let store = try options.open()
        let list = try asked { () throws(StoreError) in try store.list(max: Swift.max(max, 0)) }
        if json {
            for application in list { show(application, withSecret: false, asJSON: true) }
            return
        }
        let width = list.map(\.id.count).max() ?? 0
        for application in list {
            let padding = String(repeating: " ", count: width - application.id.count)
            print("\(application.id)\(padding)  \(application.key)\(application.isEnabled ? "" : "  (disabled)")")
        }
    }
}

struct AppShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Print an application.")

    @OptionGroup var options: StoreOptions
    @Argument(help: "The id of the application.")
    var id: String
    @Flag(help: "Print the secret too.")
    var secret = false
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let store = try options.open()
        show(try existing(id, store), withSecret: secret, asJSON: json)
    }
}

/// The application with this id; ends the command when there is none.
private func existing(_ id: String, _ store: any ApplicationStore) throws -> StoredApplication {
    let found = try asked { () throws(StoreError) in try store.find(id: id) }
    guard let found else {
        printToStandardError("Error: there is no application \(id)")
        throw ExitCode(EX_DATAERR)
    }
    return found
}

struct AppRotateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Give an application a new secret, and print it.",
        discussion: "Running nodes take the new secret when they next look, after apps_cache_seconds at most.")

    @OptionGroup var options: StoreOptions
    @Argument(help: "The id of the application.")
    var id: String
    @Flag(help: "Give it a new key too.")
    var key = false
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let store = try options.open()
        var application = try existing(id, store)
        application.secret = randomText(RandomLength.secret)
        if key { application.key = randomText(RandomLength.key) }
        let changed = application
        try asked { () throws(StoreError) in try store.replace(changed) }
        show(changed, withSecret: true, asJSON: json)
    }
}

struct AppDeleteCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete an application.",
        discussion: "Running nodes close its connections with 4003 when they next look.")

    @OptionGroup var options: StoreOptions
    @Argument(help: "The id of the application.")
    var id: String

    func run() throws {
        let store = try options.open()
        let id = id
        if try !asked({ () throws(StoreError) in try store.delete(id: id) }) {
            printToStandardError("Error: there is no application \(id)")
            throw ExitCode(EX_DATAERR)
        }
        print("deleted \(id)")
    }
}
