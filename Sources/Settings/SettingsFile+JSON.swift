import ClarionBytes
import ClarionWire

// Settings in JSON: the same keys as in TOML, objects for tables.
extension SettingsFile {
    /// Reads `{"apps":[…], …}`, or a list of applications alone.
    mutating func readJSON(_ text: String) throws(SettingsProblem) {
        let document = JSONDocument(text)
        guard let root = document.root else {
            throw SettingsProblem("\(path):\(document.faultLine): not JSON from column \(document.faultColumn) on")
        }
        switch root {
        case .list(let list, _):
            apps = try Self.apps(list, path)
            namesApps = true
        case .object(let members, _):
            for member in members {
                guard member.key == "apps" else {
                    node += Self.items(member.value, key: member.key)
                    continue
                }
                guard case .list(let list, _) = member.value else {
                    throw SettingsProblem("\(path):\(member.value.line): apps must be a list of objects")
                }
                apps = try Self.apps(list, path)
                namesApps = true
            }
        case .value: throw SettingsProblem("\(path):1: a list of applications, or an object with one named apps")
        }
    }

    private static func apps(_ list: [JSONDocument.Node], _ path: String) throws(SettingsProblem) -> [App] {
        var apps: [App] = []
        for node in list {
            guard case .object(let members, let line) = node else {
                throw SettingsProblem("\(path):\(node.line): an application must be an object")
            }
            apps.append(try app(members, line: line, path))
        }
        return apps
    }

    /// One application of JSON text, such as a store has it.
    static func app(json text: String, place: String) throws(SettingsProblem) -> App {
        let document = JSONDocument(text)
        guard let root = document.root, case .object(let members, let line) = root else {
            throw SettingsProblem("\(place): the settings must be a JSON object")
        }
        return try app(members, line: line, place)
    }

    private static func app(
        _ members: [(key: String, value: JSONDocument.Node)], line: Int, _ path: String
    ) throws(SettingsProblem) -> App {
        var app = App(line: line)
        for member in members {
            guard member.key == "webhooks" else {
                app.items += items(member.value, key: member.key)
                continue
            }
            guard case .list(let endpoints, _) = member.value else { throw wrongWebhooks(path, member.value.line) }
            for endpoint in endpoints {
                guard case .object(let fields, _) = endpoint else { throw wrongWebhooks(path, endpoint.line) }
                app.webhooks.append(fields.flatMap { items($0.value, key: $0.key) })
            }
        }
        return app
    }

    /// A value under its dotted key; null is as if nothing was said.
    private static func items(_ node: JSONDocument.Node, key: String) -> [Item] {
        switch node {
        case .object(let members, _): members.flatMap { items($0.value, key: "\(key).\($0.key)") }
        case .list(let list, let line):
            [Item(key: key, value: .list(list.map { $0.shown }), line: line)]
        case .value(.nothing, _): []
        case .value(let value, let line): [Item(key: key, value: value, line: line)]
        }
    }
}

/// A JSON text as a tree that knows its lines.
struct JSONDocument {
    indirect enum Node {
        case object([(key: String, value: Node)], line: Int)
        case list([Node], line: Int)
        case value(SettingValue, line: Int)

        var line: Int {
            switch self {
            case .object(_, let line), .list(_, let line), .value(_, let line): line
            }
        }

        var shown: String { if case .value(let value, _) = self { value.shown } else { "" } }
    }

    /// nil: the text is not JSON.
    private(set) var root: Node?
    /// The line on which it stops being JSON.
    private(set) var faultLine = 1
    /// In bytes, from 1.
    private(set) var faultColumn = 1

    init(_ text: String) {
        let bytes = Array(text.utf8)
        unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            let view = unsafe ByteView(base: base, count: buffer.count)
            guard let value = JSON.parse(view) else {
                let good = bytes.prefix(JSON.faultOffset(view) ?? 0)
                faultLine = 1 + good.count { $0 == 0x0A }
                faultColumn = good.count - (good.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0) + 1
                return
            }
            var lines = LineCounter(bytes: bytes)
            root = unsafe Self.node(value, base, &lines)
        }
    }

    private static func node(_ value: JSONValue, _ base: UnsafePointer<UInt8>, _ lines: inout LineCounter) -> Node {
        let line = unsafe lines.line(at: value.raw.base - base)
        switch value.kind {
        case .object:
            var list: [(key: String, value: Node)] = []
            var members = JSONMembers(value)
            while let member = members.next() {
                list.append((member.key.string() ?? "", unsafe node(member.value, base, &lines)))
            }
            return .object(list, line: line)
        case .array:
            var list: [Node] = []
            var elements = JSONElements(value)
            while let element = elements.next() { list.append(unsafe node(element, base, &lines)) }
            return .list(list, line: line)
        case .string: return .value(.text(value.string() ?? ""), line: line)
        case .number: return .value(value.integer.map { .integer(Int($0)) } ?? .text(value.raw.string), line: line)
        case .true: return .value(.boolean(true), line: line)
        case .false: return .value(.boolean(false), line: line)
        case .null: return .value(.nothing, line: line)
        }
    }

    /// Counts lines up to places that are asked for in order.
    private struct LineCounter {
        let bytes: [UInt8]
        var position = 0
        var line = 1

        mutating func line(at place: Int) -> Int {
            while position < min(place, bytes.count) {
                if bytes[position] == 0x0A { line += 1 }
                position += 1
            }
            return line
        }
    }
}
