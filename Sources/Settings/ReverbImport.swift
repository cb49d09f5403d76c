/// Turns the environment of a Laravel application (`.env`) into a configuration of the node.
public struct ReverbImport: Sendable {
    /// The configuration, in TOML.
    public private(set) var toml = ""
    /// What was found and has no counterpart here, a sentence each.
    public private(set) var remarks: [String] = []

    /// - Parameter text: the contents of an `.env` file.
    /// - Throws: `SettingsError` with every problem found.
    public init(path: String, text: String) throws(SettingsError) {
        let file = DotEnvironment(text)
        var problems = file.problems.map { SettingsProblem("\(path):\($0.line): \($0.text)") }
        let variables = file.variables.filter { !$0.value.text.isEmpty && $0.value.text.lowercased() != "null" }
        var lines: [String] = []
        var settings = Settings()
        for row in SettingTable.node {
            guard let line = Self.line(row, number: "", variables, into: &settings, path, &problems) else { continue }
            lines.append(line)
        }
        var apps = 0
        for number in [""] + (2...Layers.environmentAppsMax).map(String.init) {
            var app = AppSettings()
            let rows = SettingTable.app.compactMap {
                Self.line($0, number: number, variables, into: &app, path, &problems)
            }
            if rows.isEmpty { continue }
            apps += 1
            for (name, value) in [("ID", app.id), ("KEY", app.key), ("SECRET", app.secret.revealed)]
            where value.isEmpty {
                problems.append(
                    SettingsProblem("\(path): REVERB_APP\(number)_\(name) is missing; add it, as Laravel needs it too"))
            }
            lines += ["", "[[apps]]"] + rows
        }
        if apps == 0 {
            problems.append(
                SettingsProblem(
                    "\(path): there is no REVERB_APP_ID, REVERB_APP_KEY and REVERB_APP_SECRET; "
                        + "is this the .env of the Laravel application?"))
        }
        if !problems.isEmpty { throw SettingsError(problems: problems) }
        if variables["REVERB_SERVER_HOST"] == nil {
            lines.insert(
                "# Without REVERB_SERVER_HOST Reverb listens on 0.0.0.0, this node on 127.0.0.1; for others:", at: 0)
            lines.insert("# host = \"0.0.0.0\"", at: 1)
        }
        remarks = Self.remarks(variables)
        toml =
            (["# Made from \(path) by clarion config import-reverb. It holds secrets."] + lines)
            .joined(separator: "\n") + "\n"
    }

    /// `key = value` for a setting that one of its variables gives.
    private static func line<Root>(
        _ row: SettingRow<Root>, number: String, _ variables: [String: DotEnvironment.Value], into root: inout Root,
        _ path: String, _ problems: inout [SettingsProblem]
    ) -> String? {
        for other in row.otherEnvironment {
            let name = other.name.replacing("{n}", with: number)
            guard name.hasPrefix("REVERB_"), let value = variables[name], let part = other.part(value.text) else {
                continue
            }
            guard row.assign(.text(part), &root) else {
                let shown = row.isSecret ? "its value" : "'\(part)'"
                problems.append(
                    SettingsProblem("\(path):\(value.line): \(name) cannot be \(shown); allowed is \(row.allowed)"))
                return nil
            }
            // A secret is only shown masked, so what was read is written.
            return "\(row.key) = \(row.isSecret ? quoted(part) : written(row.read(root)))"
        }
        return nil
    }

    private static func written(_ value: SettingValue) -> String {
        switch value {
        case .integer(let number): "\(number)"
        case .boolean(let flag): "\(flag)"
        case .list(let items): "[\(items.map { quoted($0) }.joined(separator: ", "))]"
        case .text(let text): quoted(text)
        case .nothing: quoted("none")
        case .masked: quoted("")
        }
    }

    /// A basic string of TOML.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7F {
                    let digits = String(scalar.value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }

    private static func remarks(_ variables: [String: DotEnvironment.Value]) -> [String] {
        var remarks: [String] = []
        if let value = variables["REVERB_SCALING_ENABLED"], ["true", "1", "(true)"].contains(value.text.lowercased()) {
            remarks.append(
                "REVERB_SCALING_ENABLED is on: one node takes the place of several Reverb servers; it does not join "
                    + "their Redis channel")
        }
        if let value = variables["REVERB_SERVER"], value.text != "reverb" {
            remarks.append("REVERB_SERVER is '\(value.text)': there is one kind of server here, so it has no effect")
        }
        if let port = variables["REVERB_PORT"], variables["REVERB_SERVER_PORT"] == nil, port.text != "8080" {
            remarks.append(
                "REVERB_PORT is \(port.text), the port that Laravel and browsers call; the node listens on 8080 unless "
                    + "REVERB_SERVER_PORT says otherwise, so a proxy must stand between, or set port")
        }
        if variables["REVERB_SCHEME"]?.text.lowercased() == "https" {
            remarks.append("REVERB_SCHEME is https: TLS ends at a proxy in front of the node, or at the node itself")
        }
        let silent = ["REVERB_PULSE_INGEST_INTERVAL", "REVERB_TELESCOPE_INGEST_INTERVAL"]
        for name in silent where variables[name] != nil {
            remarks.append("\(name) concerns Laravel's own monitoring and has no effect here; see /metrics")
        }
        return remarks
    }
}

/// A `.env` file as PHP's dotenv reads it: `NAME=value`, quotes, comments, `export`, and `${NAME}`.
struct DotEnvironment {
    struct Value {
        var text: String
        var line: Int
    }

    private(set) var variables: [String: Value] = [:]
    private(set) var problems: [(line: Int, text: String)] = []

    init(_ text: String) {
        let lines = text.replacing("\r\n", with: "\n").split(separator: "\n", omittingEmptySubsequences: false)
        var index = 0
        while index < lines.count {
            let number = index + 1
            var line = lines[index].drop { $0 == " " || $0 == "\t" || $0 == "\u{FEFF}" }
            index += 1
            if line.isEmpty || line.hasPrefix("#") { continue }
            if line.hasPrefix("export ") { line = line.dropFirst("export ".count).drop { $0 == " " } }
            guard let equals = line.firstIndex(of: "=") else {
                problems.append((number, "not NAME=value; write NAME= for an empty value"))
                continue
            }
            let name = line[..<equals].trimmed
            guard !name.isEmpty, name.utf8.allSatisfy({ Self.isNameByte($0) }) else {
                problems.append((number, "'\(name)' is no name of a variable"))
                continue
            }
            var value = String(line[line.index(after: equals)...].drop { $0 == " " || $0 == "\t" })
            if let quote = value.first, quote == "\"" || quote == "'" {
                // A quoted value may go on over several lines.
                while Self.closing(value, quote) == nil, index < lines.count {
                    value += "\n" + lines[index]
                    index += 1
                }
                guard let end = Self.closing(value, quote) else {
                    problems.append((number, "the value of \(name) has no closing \(quote)"))
                    continue
                }
                let inner = String(value[value.index(after: value.startIndex)..<end])
                value = quote == "'" ? inner : expand(Self.unescaped(inner))
            } else {
                value = expand(Self.withoutComment(value).trimmed)
            }
            variables[name] = Value(text: value, line: number)
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2E: true
        default: false
        }
    }

    private static func closing(_ value: String, _ quote: Character) -> String.Index? {
        var isEscaped = false
        for index in value.indices.dropFirst() {
            if isEscaped {
                isEscaped = false
            } else if value[index] == "\\", quote == "\"" {
                isEscaped = true
            } else if value[index] == quote {
                return index
            }
        }
        return nil
    }

    private static func unescaped(_ text: String) -> String {
        var result = ""
        var isEscaped = false
        for character in text {
            if isEscaped {
                switch character {
                case "n": result.append("\n")
                case "t": result.append("\t")
                case "r": result.append("\r")
                case "\"", "\\", "$": result.append(character)
                default: result += "\\\(character)"
                }
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                result.append(character)
            }
        }
        return result
    }

    /// A comment begins with a `#` behind white space.
    private static func withoutComment(_ value: String) -> Substring {
        var previous: Character = " "
        for index in value.indices {
            if value[index] == "#", previous == " " || previous == "\t" { return value[..<index] }
            previous = value[index]
        }
        return value[...]
    }

    /// `${NAME}` stands for what was set before; empty when nothing was.
    private func expand(_ text: String) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "${") {
            result += rest[..<start.lowerBound]
            rest = rest[start.upperBound...]
            guard let end = rest.firstIndex(of: "}") else { return result + "${" + rest }
            result += variables[String(rest[..<end])]?.text ?? ""
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        var view = self[...]
        while let first = view.first, first.isWhitespace { view = view.dropFirst() }
        while let last = view.last, last.isWhitespace { view = view.dropLast() }
        return String(view)
    }
}
