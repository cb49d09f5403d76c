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

    /// As it was given, for messages.
    let path: String
    /// What stands outside `[[apps]]`.
    private(set) var node: [Item] = []
    /// What stands in each `[[apps]]`, in their order.
    private(set) var apps: [[Item]] = []
    /// The line of each `[[apps]]`.
    private(set) var appLines: [Int] = []
    /// What stands in each `[[listeners]]`, in their order.
    private(set) var listeners: [[Item]] = []

    /// The tables that there may be several of.
    fileprivate static let lists = ["apps", "listeners"]

    /// The largest file that is read, bytes. A configuration is far smaller; a device or a log given by mistake is
    /// not read whole.
    static let bytesMax = 1 << 20

    /// Parses `text` as TOML.
    /// - Throws: `SettingsProblem` with the line of the first error.
    init(path: String, text: String) throws(SettingsProblem) {
        self.path = path
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
            if Self.lists.contains(key) {
                let malformed = SettingsProblem("\(path):\(lines.line(of: key)): \(key) must be written as [[\(key)]]")
                guard let list = value.array else { throw malformed }
                var tables: [[Item]] = []
                for index in 0..<list.count {
                    guard let table = list[index].table else { throw malformed }
                    if key == "apps" { appLines.append(lines.line(of: "apps.\(index)")) }
                    tables.append(Self.items(of: table, under: "", lines: lines, prefix: "\(key).\(index)."))
                }
                if key == "apps" { apps = tables } else { listeners = tables }
            } else if let inner = value.table {
                node += Self.items(of: inner, under: key + ".", lines: lines, prefix: "")
            } else {
                node.append(Item(key: key, value: Self.value(of: value), line: lines.line(of: key)))
            }
        }
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

    private static func contents(of path: String) throws(SettingsProblem) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
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

/// Where the keys of a TOML text stand. The parser does not tell, so the lines are scanned for headers and for `key
/// =`; a key of an inline table has the line of its table.
private struct KeyLines {
    private var lines: [String: Int] = [:]

    init(_ text: String) {
        var prefix = ""
        var counts: [String: Int] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let trimmed = line.drop { $0 == " " || $0 == "\t" }
            if trimmed.hasPrefix("[") {
                let isList = trimmed.hasPrefix("[[")
                let name = Self.plain(trimmed.drop { $0 == "[" }.prefix { $0 != "]" })
                if isList { counts[name, default: 0] += 1 }
                let list = SettingsFile.lists.first { name == $0 || name.hasPrefix($0 + ".") }
                if let list {
                    prefix = "\(list).\(max(0, counts[list, default: 0] - 1))\(name.dropFirst(list.count))."
                } else {
                    prefix = name + "."
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
