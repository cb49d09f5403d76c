import ArgumentParser
import ClarionSettings
import Glibc

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Print the effective settings and where each came from, secrets masked.",
        discussion: """
            Ends with status 78 when a node would refuse this configuration, and says why: so it also checks one \
            before a reload.
            """,
        subcommands: [ImportReverbCommand.self])

    @OptionGroup var flags: SettingFlags

    @Flag(help: "Print JSON.")
    var json = false

    @Option(help: ArgumentHelp("Print a page of documentation.", visibility: .hidden))
    var markdown: Page?

    /// A page that is made of the table of settings.
    enum Page: String, ExpressibleByArgument, CaseIterable {
        case configuration
        case limits
    }

    func run() throws {
        switch markdown {
        case .configuration: print(SettingsMarkdown.configuration, terminator: "")
        case .limits: print(SettingsMarkdown.limits, terminator: "")
        case nil:
            let configuration = try flags.load()
            try checkAppsFile(configuration.settings)
            print(json ? configuration.json() : configuration.table())
            if !json { for warning in configuration.warnings { printToStandardError("Warning: \(warning)") } }
        }
    }

    /// The file of applications is part of the verdict.
    private func checkAppsFile(_ settings: Settings) throws {
        if settings.appSources.file.isEmpty { return }
        do throws(SettingsError) {
            _ = try AppsFile.read(path: settings.appSources.file, messageBytesMax: settings.messageBytesCeiling)
        } catch {
            for problem in error.problems { printToStandardError("Error: \(problem)") }
            throw ExitCode(EX_CONFIG)
        }
    }
}
