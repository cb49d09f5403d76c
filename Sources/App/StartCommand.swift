import ArgumentParser
import ClarionLog
import ClarionServer
import ClarionSettings
import Glibc

struct StartCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Run a node until SIGINT or SIGTERM.",
        discussion: """
            Every flag has a CLARION_ variable and a key in the file: see docs/CONFIGURATION.md, or `clarion config`. \
            Secrets in flags are visible to all who can list processes; give them by environment or file.
            """)

    @OptionGroup var flags: SettingFlags

    @Flag(
        help: ArgumentHelp(
            "Take the place of the node that runs on this port now: get its listening sockets, so that nobody who "
                + "connects is refused, and have it leave. Starts as usual when there is none."))
    var takeOver = false

    /// How long the last lines of the log may take on their way out.
    private static let flushMillisecondsMax = 1_000

    func run() throws {
        let configuration = try flags.load()
        let settings = configuration.settings
        let confinement: Confinement
        do {
            confinement = try Confinement(configuration)
        } catch {
            printToStandardError("Error: \(error)")
            throw ExitCode(EXIT_FAILURE)
        }
        let log: Logger
        do {
            log = try Logger.standardError(level: settings.logLevel, format: settings.logFormat)
        } catch {
            printToStandardError("Error: \(error)")
            throw ExitCode(EX_OSERR)
        }
        for warning in configuration.warnings { log.warning(warning) }
        let flags = flags
        let status = runNode(
            configuration: configuration, confinement: confinement, takesOver: takeOver,
            read: { () throws(SettingsError) in try flags.read() }, log: log)
        log.flush(withinMilliseconds: Self.flushMillisecondsMax)
        throw ExitCode(status)
    }
}
