import ArgumentParser
import ClarionServer

/// The command: `clarion start`, `clarion config`, `clarion app`, `clarion version`.
@main
struct Clarion: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clarion",
        abstract: "A node that holds WebSocket connections and delivers what is published to their channels.",
        version: clarionVersion,
        subcommands: [
            StartCommand.self, StatusCommand.self, TopCommand.self, ConfigCommand.self, AppCommand.self,
            ChannelsCommand.self, PublishCommand.self, TailCommand.self, ConnectionsCommand.self, KickCommand.self,
            ReloadCommand.self, RestartCommand.self, DrainCommand.self, VersionCommand.self,
        ])
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    func run() { print("clarion \(clarionVersion)") }
}
