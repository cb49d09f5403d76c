import Glibc

/// Reads applications that stand in a file or in a store, and collects what is wrong with them.
///
/// The rows of `SettingTable.app` say what may stand there, as they do for the configuration itself.
struct AppReader {
    /// Named in messages: a path, or a store and an id.
    let place: String
    /// Whether `place` is a file, so that lines mean something.
    let hasLines: Bool
    private(set) var problems: [SettingsProblem] = []

    init(place: String, hasLines: Bool = true) {
        self.place = place
        self.hasLines = hasLines
    }

    private func at(_ line: Int) -> String { hasLines ? "\(place):\(line)" : place }

    /// - Parameter number: its place in the list, from 1, for messages.
    mutating func read(_ app: SettingsFile.App, number: Int) -> AppSettings {
        var settings = AppSettings()
        for item in app.items {
            guard let row = SettingTable.app.first(where: { $0.key == item.key || $0.otherKeys.contains(item.key) })
            else {
                note(unknown(item, SettingTable.app.map(\.key)))
                continue
            }
            assign(item, row, &settings)
        }
        settings.webhooks += app.webhooks.map { webhook($0) }
        let missing = [("id", settings.id), ("key", settings.key), ("secret", settings.secret.revealed)]
            .filter { $0.1.isEmpty }.map(\.0)
        if !missing.isEmpty {
            note(
                "\(at(app.line)): application \(number) has no \(missing.joined(separator: ", no ")); "
                    + "it needs all of id, key and secret")
        }
        return settings
    }

    /// One endpoint.
    mutating func webhook(_ items: [SettingsFile.Item]) -> WebhookSettings {
        var webhook = WebhookSettings()
        for item in items {
            if item.key.hasPrefix("headers.") {
                header(item, &webhook)
            } else if let row = SettingTable.webhook.first(where: { $0.key == item.key }) {
                assign(item, row, &webhook)
            } else {
                note(unknown(item, SettingTable.webhook.map(\.key) + ["headers"]))
            }
        }
        if webhook.url.isEmpty, !items.contains(where: { $0.key == "url" }) {
            note(
                "\(at(items.first?.line ?? 1)): a webhook has no url; "
                    + "add one such as url = \"https://example.org/hook\""
            )
        }
        return webhook
    }

    private mutating func header(_ item: SettingsFile.Item, _ webhook: inout WebhookSettings) {
        let name = String(item.key.dropFirst("headers.".count))
        let isToken = !name.isEmpty && name.utf8.allSatisfy { HeaderRules.isTokenByte($0) }
        if !isToken || HeaderRules.isReserved(name) {
            note("\(at(item.line)): headers cannot have \(name); take a name that the node does not set itself")
        } else if case .text(let value) = item.value, value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) {
            webhook.headers[name] = Secret(value)
        } else {
            note("\(at(item.line)): headers.\(name) cannot be its value; allowed is a text of one line")
        }
    }

    private mutating func assign<Root>(_ item: SettingsFile.Item, _ row: SettingRow<Root>, _ root: inout Root) {
        if row.assign(item.value, &root) { return }
        let shown = row.isSecret ? "its value" : "'\(item.value.shown)'"
        note("\(at(item.line)): \(item.key) cannot be \(shown); allowed is \(row.allowed)")
    }

    private func unknown(_ item: SettingsFile.Item, _ known: [String]) -> String {
        let hint = nearest(to: item.key, in: known).map { "; did you mean \($0)?" } ?? "; remove it"
        return "\(at(item.line)): there is no setting \(item.key)\(hint)"
    }

    private mutating func note(_ text: String) { problems.append(SettingsProblem(text)) }

    /// Reads a list of applications and sees to it that they can be told apart.
    /// - Parameter messageBytesMax: the largest message that the node can hold.
    mutating func read(_ apps: [SettingsFile.App], messageBytesMax: Int) -> [AppSettings] {
        var settings: [AppSettings] = []
        var lines: [String: Int] = [:]
        for (index, app) in apps.enumerated() {
            let one = read(app, number: index + 1)
            settings.append(one)
            for (name, value) in [("id", one.id), ("key", one.key)] where !value.isEmpty {
                if let other = lines["\(name) \(value)"] {
                    note(
                        "\(at(app.line)): two applications have the \(name) \(value), the other on line \(other); "
                            + "give each its own")
                }
                lines["\(name) \(value)"] = app.line
            }
            if one.messageBytesMax > messageBytesMax {
                note(
                    "\(at(app.line)): max_message_bytes is \(one.messageBytesMax); the node holds messages of "
                        + "\(messageBytesMax) bytes, half of limits.log_bytes_max")
            }
        }
        return settings
    }
}

/// Names of header lines.
private enum HeaderRules {
    /// RFC 9110 section 5.6.2.
    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// What the node or its HTTP client says itself.
    static func isReserved(_ name: String) -> Bool {
        let lowercase = name.lowercased()
        return lowercase.hasPrefix("x-pusher-")
            || [
                "content-type", "content-length", "host", "connection", "transfer-encoding", "user-agent", "expect",
                "upgrade", "te", "trailer",
            ].contains(lowercase)
    }
}

extension Settings {
    /// The largest message that a channel's log can hold twice.
    public var messageBytesCeiling: Int { limits.logBytesMax / 2 }
}

/// Applications outside the configuration.
public enum AppsFile {
    /// Reads the file at `path`: `[[apps]]` in TOML, or JSON when its name ends in `.json`. All of it is right, or
    /// nothing is taken.
    /// - Parameter messageBytesMax: see `Settings.messageBytesCeiling`.
    /// - Throws: `SettingsError` with every problem found.
    public static func read(path: String, messageBytesMax: Int) throws(SettingsError) -> [AppSettings] {
        let file: SettingsFile
        do {
            file = try SettingsFile(path: path)
        } catch {
            var status = stat()
            let isMissing = unsafe stat(path, &status) != 0 && errno == ENOENT
            let remedy = "; apps_file names it: make one (apps = [] as long as there are none), or leave apps_file out"
            throw SettingsError(problems: [isMissing ? SettingsProblem(error.description + remedy) : error])
        }
        var reader = AppReader(place: path)
        let apps = reader.read(file.apps, messageBytesMax: messageBytesMax)
        if !file.namesApps {
            // Most likely the file is only half written; to end every application takes a word.
            throw SettingsError(problem: "\(path): there are no [[apps]]; write apps = [] if there shall be none")
        }
        let others = file.node.map {
            SettingsProblem("\(path):\($0.line): \($0.key) does not belong here; this file holds [[apps]] only")
        }
        if !reader.problems.isEmpty || !others.isEmpty { throw SettingsError(problems: others + reader.problems) }
        return apps
    }
}

extension AppSettings {
    /// An application of a store.
    /// - Parameters:
    ///   - settings: a JSON object with the keys of `[[apps]]`, without id, key, secret and enabled.
    ///   - place: names it in messages.
    ///   - messageBytesMax: see `Settings.messageBytesCeiling`.
    /// - Throws: `SettingsError` with every problem found.
    public static func stored(
        id: String, key: String, secret: String, isEnabled: Bool, settings json: String, place: String,
        messageBytesMax: Int
    ) throws(SettingsError) -> AppSettings {
        var app: SettingsFile.App
        do {
            app = try SettingsFile.app(json: json.isEmpty ? "{}" : json, place: place)
        } catch {
            throw SettingsError(problems: [error])
        }
        let own: [(String, SettingValue)] = [
            ("id", .text(id)), ("key", .text(key)), ("secret", .text(secret)), ("enabled", .boolean(isEnabled)),
        ]
        app.items = app.items.filter { item in !own.contains { $0.0 == item.key } }
        app.items += own.map { SettingsFile.Item(key: $0.0, value: $0.1, line: 1) }
        var reader = AppReader(place: place, hasLines: false)
        let apps = reader.read([app], messageBytesMax: messageBytesMax)
        guard reader.problems.isEmpty, let first = apps.first else { throw SettingsError(problems: reader.problems) }
        return first
    }
}
