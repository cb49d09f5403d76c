import Glibc
import TOMLKit

/// A configuration file, taken apart into dotted keys with their values and lines.
struct SettingsFile {
    /// A value of the file.
    struct Item {
        /// The key as the table of settings spells it, without `apps` and its number.
        let key: String
        let value: SettingValue
        /// The line it stands on, from 1.
        let line: Int
    }

    /// An application: what stands in one `[[apps]]`, or what a store has of it.
    struct App {
        /// The line it begins on.
        var line = 1
        var items: [Item] = []
        /// What stands in each `[[apps.webhooks]]` of it.
        var webhooks: [[Item]] = []
    }

    /// As it was given, for messages.
    let path: String
    /// What stands outside `[[apps]]`.
    var node: [Item] = []
    /// The applications in their order.
    var apps: [App] = []
    /// Whether anything is said of applications, if only that there are none.
    var namesApps = false
    /// What stands in each `[[listeners]]`, in their order.
    var listeners: [[Item]] = []

    /// The largest file that is read, bytes. A configuration is far smaller; a device or a log given by mistake is
    /// not read whole.
    static let bytesMax = 1 << 20

    /// Parses `text` as TOML.
    /// - Throws: `SettingsProblem` with the line of the first error.
    init(path: String, text: String) throws(SettingsProblem) {
        self.path = path
        if path.hasSuffix(".json") {
            try readJSON(text)
            return
        }
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            throw SettingsProblem("\(path):\(error.source.begin.line): not TOML: \(error.description)")
        } catch {
            throw SettingsProblem("\(path): not TOML: \(error)")
        }
        let lines = KeyLines(text)
        for (key, value) in table {
            if key == "apps" || key == "listeners" {
                let malformed = SettingsProblem("\(path):\(lines.line(of: key)): \(key) must be written as [[\(key)]]")
                guard let list = value.array else { throw malformed }
                if key == "apps" { namesApps = true }
                for index in 0..<list.count {
                    guard let table = list[index].table else { throw malformed }
                    let prefix = "\(key).\(index)."
                    if key == "apps" {
                        apps.append(try Self.app(table, path: path, lines: lines, prefix: prefix))
                    } else {
                        listeners.append(Self.items(of: table, under: "", lines: lines, prefix: prefix))
                    }
                }
            } else if let inner = value.table {
                node += Self.items(of: inner, under: key + ".", lines: lines, prefix: "")
            } else {
                node.append(Item(key: key, value: Self.value(of: value), line: lines.line(of: key)))
            }
        }
    }

    private static func app(
        _ table: TOMLTable, path: String, lines: KeyLines, prefix: String
    ) throws(SettingsProblem) -> App {
        var app = App(line: lines.line(of: String(prefix.dropLast())))
        let list = table["webhooks"]
        if let list {
            guard let endpoints = list.array else { throw wrongWebhooks(path, lines.line(of: prefix + "webhooks")) }
            for index in 0..<endpoints.count {
                guard let endpoint = endpoints[index].table else {
                    throw wrongWebhooks(path, lines.line(of: prefix + "webhooks"))
                }
                app.webhooks.append(
                    items(of: endpoint, under: "", lines: lines, prefix: "\(prefix)webhooks.\(index)."))
            }
        }
        app.items = items(of: table, under: "", lines: lines, prefix: prefix).filter { $0.key != "webhooks" }
        return app
    }

    static func wrongWebhooks(_ path: String, _ line: Int) -> SettingsProblem {
        SettingsProblem(
            "\(path):\(line): webhooks must be written as [[apps.webhooks]], one for each endpoint; "
                + "a list of URLs goes into webhook_urls")
    }

    /// Reads and parses the file at `path`.
    /// - Throws: `SettingsProblem` when it cannot be read or is no TOML.
    init(path: String) throws(SettingsProblem) {
        try self.init(path: path, text: try Self.contents(of: path))
    }

    private static func items(of table: TOMLTable, under parent: String, lines: KeyLines, prefix: String) -> [Item] {
        var items: [Item] = []
        for (name, value) in table {
            let key = parent + name
            if let inner = value.table {
                items += Self.items(of: inner, under: key + ".", lines: lines, prefix: prefix)
            } else {
                items.append(Item(key: key, value: Self.value(of: value), line: lines.line(of: prefix + key)))
            }
        }
        return items
    }

    private static func value(of value: any TOMLValueConvertible) -> SettingValue {
        switch value.type {
        case .int: .integer(value.int ?? 0)
        case .bool: .boolean(value.bool ?? false)
        case .string: .text(value.string ?? "")
        case .array: .list((value.array.map { Array($0) } ?? []).map { $0.string ?? $0.debugDescription })
        default: .text(value.debugDescription)
        }
    }

    static func contents(of path: String) throws(SettingsProblem) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
        var facts = stat()
        guard unsafe fstat(descriptor, &facts) == 0 else { throw unreadable(path) }
        if facts.st_mode & S_IFMT == S_IFIFO {
            // A pipe could keep whoever reads it waiting for ever. One that the caller has opened is meant.
            guard path.hasPrefix("/dev/fd/") || path == "/dev/stdin" || path.hasPrefix("/proc/self/fd/") else {
                throw SettingsProblem("\(path): a pipe, not a file")
            }
            _ = fcntl(descriptor, F_SETFL, O_RDONLY)
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = unsafe read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path) }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[0..<count])
            guard bytes.count <= bytesMax else { throw SettingsProblem("\(path): larger than \(bytesMax) bytes") }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw SettingsProblem("\(path): not UTF-8") }
        return text
    }

    private static func unreadable(_ path: String) -> SettingsProblem {
        SettingsProblem(unsafe "\(path): cannot be read: \(String(cString: strerror(errno)))")
    }
}

/// Files that somebody else reads settings from.
public enum SettingsText {
    /// The text of a file.
    /// - Throws: `SettingsError` when it cannot be read, is too large, or is no UTF-8.
    public static func read(path: String) throws(SettingsError) -> String {
        do throws(SettingsProblem) {
            return try SettingsFile.contents(of: path)
        } catch {
            throw SettingsError(problems: [error])
        }
    }
}

/// Where the keys of a TOML text stand. The parser does not tell, so the lines are scanned for headers and for `key
/// =`; a key of an inline table has the line of its table.
private struct KeyLines {
    private var lines: [String: Int] = [:]

    init(_ text: String) {
        var prefix = ""
        var counts: [String: Int] = [:]
        var webhookCount = 0
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let trimmed = line.drop { $0 == " " || $0 == "\t" }
            if trimmed.hasPrefix("[") {
                let isList = trimmed.hasPrefix("[[")
                let name = Self.plain(trimmed.drop { $0 == "[" }.prefix { $0 != "]" })
                if isList { counts[name, default: 0] += 1 }
                if isList, name == "apps" { webhookCount = 0 }
                if isList, name == "apps.webhooks" { webhookCount += 1 }
                let list = ["apps", "listeners"].first { name == $0 || name.hasPrefix($0 + ".") }
                let place = list.map { "\($0).\(max(0, counts[$0, default: 0] - 1))" } ?? ""
                if name == "apps.webhooks" || name.hasPrefix("apps.webhooks.") {
                    let rest = name.dropFirst("apps.webhooks".count)
                    prefix = "\(place).webhooks.\(max(0, webhookCount - 1))\(rest)."
                } else {
                    prefix = list.map { "\(place)\(name.dropFirst($0.count))." } ?? name + "."
                }
                remember(String(prefix.dropLast()), index + 1)
                if let list { remember(list, index + 1) }
            } else if let equals = trimmed.firstIndex(of: "=") {
                remember(prefix + Self.plain(trimmed[..<equals]), index + 1)
            }
        }
    }

    /// The line of `key`, or of the table it is in; 1 when the scan found neither.
    func line(of key: String) -> Int {
        var key = key[...]
        while true {
            if let line = lines[String(key)] { return line }
            guard let dot = key.lastIndex(of: ".") else { return 1 }
            key = key[..<dot]
        }
    }

    private mutating func remember(_ key: String, _ line: Int) {
        if lines[key] == nil { lines[key] = line }
    }

    /// A dotted key without quotes and white space.
    private static func plain(_ key: some StringProtocol) -> String {
        String(key.filter { !$0.isWhitespace && $0 != "\"" && $0 != "'" })
    }
}
