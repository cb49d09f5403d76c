import ArgumentParser
import ClarionAdmin
import Glibc

// Commands that speak to a running node over its admin socket.

/// How a command finds the node.
struct AdminOptions: ParsableArguments {
    @Option(help: "The admin socket of the node.")
    var socket: String?

    @Option(help: "The port of the node, which names its admin socket when --socket does not.")
    var port = 8080

    @Flag(help: "Print the answer as JSON.")
    var json = false

    var client: AdminClient { AdminClient(path: socket ?? AdminPath.usual(port: port)) }

    /// The answer to a request; ends the command with a sentence and status 1 when there is none, or it is an error.
    func ask(_ request: AdminValue) throws -> AdminValue {
        do {
            let answer = try client.ask(request)
            if let sentence = answer["error"]?.text { throw AdminFailure(description: sentence) }
            return answer
        } catch let error as LocalSocketError {
            throw AdminFailure(description: error.description)
        }
    }
}

/// Why a command of the admin socket failed; printed as it is.
struct AdminFailure: Error, CustomStringConvertible {
    let description: String
}

/// A request without the members that are nil.
func request(_ command: String, _ members: [(String, AdminValue?)] = []) -> AdminValue {
    .object([("command", .text(command))] + members.compactMap { name, value in value.map { (name, $0) } })
}

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Print what a running node does: connections, rates, close reasons.")

    @OptionGroup var admin: AdminOptions

    @Option(help: "Seconds over which rates are measured; 0 prints counts only.")
    var seconds = 1.0

    func validate() throws {
        guard (0...3_600).contains(seconds) else { throw ValidationError("--seconds must be 0 to 3600.") }
    }

    func run() throws {
        let first = try admin.ask(request("status"))
        if admin.json { return print(first.json) }
        if seconds == 0 { return print(StatusText(now: first, before: nil, seconds: 0).text) }
        usleep(UInt32(seconds * 1e6))
        let second = try admin.ask(request("status"))
        print(StatusText(now: second, before: first, seconds: seconds).text)
    }
}

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Show a running node live: rates, workers, fullest channels, slowest readers.")

    @OptionGroup var admin: AdminOptions

    @Option(help: "Seconds between two pictures.")
    var interval = 1.0

    @Option(help: "How many pictures; 0 goes on until it is interrupted.")
    var count = 0

    @Option(help: "Channels and readers to show of each.")
    var rows = 8

    func validate() throws {
        guard (0.1...3_600).contains(interval) else { throw ValidationError("--interval must be 0.1 to 3600.") }
        guard count >= 0, (0...100).contains(rows) else {
            throw ValidationError("--count must not be negative, and --rows 0 to 100.")
        }
    }

    func run() throws {
        var before = try admin.ask(request("status"))
        var shown = 0
        let isTerminal = isatty(1) == 1
        while true {
            usleep(UInt32(interval * 1e6))
            let now = try admin.ask(request("status"))
            let channels = try admin.ask(request("channels", [("limit", .integer(rows))]))
            let readers = try admin.ask(request("connections", [("slow", true), ("limit", .integer(rows))]))
            var text = StatusText(now: now, before: before, seconds: interval).text
            text += "\n" + AdminTables.channels(channels) + "\n" + AdminTables.readers(readers)
            // Home, the picture, and nothing below it.
            print(isTerminal ? "\u{1B}[H\u{1B}[2J\(text)" : text + "\n")
            fflush(nil)
            before = now
            shown += 1
            if shown == count { return }
        }
    }
}

struct ChannelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "channels", abstract: "List the channels with subscribers, the fullest first.")

    @OptionGroup var admin: AdminOptions

    @Option(help: "Only those of this application (id or key), or of realtime: /ws.")
    var app: String?

    @Option(help: "Only those whose name begins so.")
    var prefix: String?

    @Option(help: "How many to list.")
    var limit = 50

    func run() throws {
        let answer = try admin.ask(
            request(
                "channels",
                [("app", app.map { .text($0) }), ("prefix", prefix.map { .text($0) }), ("limit", .integer(limit))]))
        print(admin.json ? answer.json : AdminTables.channels(answer))
    }
}

struct ConnectionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connections", abstract: "List connections, those furthest behind first.")

    @OptionGroup var admin: AdminOptions

    @Argument(help: "A socket id: this connection in detail, with its channels.")
    var id: String?

    @Option(help: "Only those of this application (id or key), or of realtime: /ws.")
    var app: String?

    @Flag(help: "Only readers that have not taken everything.")
    var slow = false

    @Option(help: "How many to list.")
    var limit = 50

    func run() throws {
        if let id {
            let answer = try admin.ask(request("connection", [("socket", .text(id))]))
            return print(admin.json ? answer.json : AdminTables.connection(answer))
        }
        let answer = try admin.ask(
            request(
                "connections",
                [("app", app.map { .text($0) }), ("slow", .bool(slow)), ("limit", .integer(limit))]))
        print(admin.json ? answer.json : AdminTables.readers(answer))
    }
}

struct KickCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kick", abstract: "End one connection, or all of an application.")

    @OptionGroup var admin: AdminOptions

    @Argument(help: "The socket id, as `clarion connections` shows it.")
    var id: String?

    @Option(help: "Instead: all connections of this application (id or key), or of realtime: /ws.")
    var app: String?

    func validate() throws {
        if (id == nil) == (app == nil) { throw ValidationError("Name a socket id, or an --app.") }
    }

    func run() throws {
        let answer = try admin.ask(
            request("kick", [("socket", id.map { .text($0) }), ("app", app.map { .text($0) })]))
        print(admin.json ? answer.json : "\(answer["kicked"]?.integer ?? 0) ended")
    }
}

struct PublishCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish", abstract: "Send an event to a channel.")

    @OptionGroup var admin: AdminOptions

    @Argument(help: "The channel.")
    var channel: String

    @Argument(help: "The event's name (for realtime: the message itself).")
    var event: String

    @Argument(help: "The event's data: a text, which may be JSON.")
    var data: String?

    @Option(help: "The application (id or key), or realtime: /ws. The first application when missing.")
    var app: String?

    func run() throws {
        let isRealtime = app == AdminNames.realtime
        let answer = try admin.ask(
            request(
                "publish",
                [
                    ("app", app.map { .text($0) }), ("channel", .text(channel)),
                    ("event", .text(event)), ("data", .text(data ?? (isRealtime ? event : "{}"))),
                ]))
        print(admin.json ? answer.json : "published to \(answer["subscriptions"]?.integer ?? 0) subscriptions")
    }
}

struct TailCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "Print what is published, as it comes.")

    @OptionGroup var admin: AdminOptions

    @Argument(help: "The channel; all when missing.")
    var channel: String?

    @Option(help: "Only channels whose name begins so.")
    var prefix: String?

    @Option(help: "Only channels of this application (id or key), or of realtime: /ws.")
    var app: String?

    func run() throws {
        var failure: String?
        let isJSON = admin.json
        do throws(LocalSocketError) {
            try admin.client.follow(
                request(
                    "tail",
                    [
                        ("channel", channel.map { .text($0) }), ("prefix", prefix.map { .text($0) }),
                        ("app", app.map { .text($0) }),
                    ])
            ) { value in
                if let sentence = value["error"]?.text {
                    failure = sentence
                    return false
                }
                if value["tailing"] != nil { return true }
                print(isJSON ? value.json : AdminTables.message(value))
                fflush(nil)
                return true
            }
        } catch {
            throw AdminFailure(description: error.description)
        }
        throw AdminFailure(description: failure ?? "the node has ended")
    }
}

struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload", abstract: "Let a running node read its configuration anew.",
        discussion: "A configuration with anything wrong in it changes nothing, and ends this command with status 1.")

    @OptionGroup var admin: AdminOptions

    func run() throws {
        let answer = try admin.ask(request("reload"))
        print(admin.json ? answer.json : AdminTables.reload(answer))
    }
}

struct RestartCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart", abstract: "Start a running node anew, without a moment in which nobody listens.",
        discussion: """
            The same program with the same arguments takes the listening sockets over; then the old process sends its \
            clients away and ends. When the new one cannot start, the old one goes on, and this command ends with \
            status 1.
            """)

    @OptionGroup var admin: AdminOptions

    func run() throws {
        let answer = try admin.ask(request("restart"))
        print(admin.json ? answer.json : "process \(answer["pid"]?.integer ?? 0) has taken over")
    }
}

struct DrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Let a running node tell its clients to go elsewhere, and end.")

    @OptionGroup var admin: AdminOptions

    func run() throws {
        let answer = try admin.ask(request("drain"))
        print(admin.json ? answer.json : "draining")
    }
}
