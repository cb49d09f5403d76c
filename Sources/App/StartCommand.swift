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
            configuration: configuration, confinement: confinement,
            read: { () throws(SettingsError) in try flags.read() }, log: log)
        log.flush(withinMilliseconds: Self.flushMillisecondsMax)
        throw ExitCode(status)
    }
}
