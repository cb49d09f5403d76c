import ArgumentParser
import ClarionSettings

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Print the effective settings and where each came from, secrets masked.")

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
            print(json ? configuration.json() : configuration.table())
            if !json { for warning in configuration.warnings { printToStandardError("Warning: \(warning)") } }
        }
    }
}
