import ArgumentParser
import ClarionSettings
import Glibc

/// The flags that `clarion start` and `clarion config` share: `--config`, and one for every row of the table of
/// settings.
///
/// The parser finds the options of a type by reflection, so a mirror made of the table is all it takes to have them
/// declared, helped and completed without naming each a second time.
struct SettingFlags: ParsableArguments, CustomReflectable, Sendable {
    /// The file of `--config`.
    private(set) var file: String?
    /// What was given, by the key of the setting.
    private(set) var values: [String: SettingValue] = [:]

    init() {}

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        file = try container.decodeIfPresent(String.self, forKey: Key(stringValue: Self.fileLabel))
        for flag in SettingFlag.all {
            let key = Key(stringValue: flag.key)
            if flag.isBoolean {
                if let value = try container.decodeIfPresent(Bool.self, forKey: key) {
                    values[flag.key] = .boolean(value)
                }
            } else if let value = try container.decodeIfPresent(String.self, forKey: key) {
                values[flag.key] = .text(value)
            }
        }
    }

    var customMirror: Mirror {
        let file = Option<String?>(
            name: .customLong("config"), help: ArgumentHelp("A file of settings, in TOML.", valueName: "file"))
        let options = SettingFlag.all.map { flag -> (label: String?, value: Any) in
            let names = NameSpecification(flag.names.map { NameSpecification.Element.customLong($0) })
            let help = ArgumentHelp(stringLiteral: flag.help)
            return flag.isBoolean
                ? (flag.key, Flag<Bool?>(name: names, inversion: .prefixedNo, help: help))
                : (flag.key, Self.option(names, flag))
        }
        return Mirror(self, children: [(label: Self.fileLabel, value: file as Any)] + options)
    }

    /// Takes whatever stands behind the flag for its value, so that `--port -1` is told what a port may be.
    private static func option(_ names: NameSpecification, _ flag: SettingFlag) -> Option<String?> {
        Option(name: names, parsing: .unconditional, help: ArgumentHelp(flag.help, valueName: flag.valueName))
    }

    /// The settings of this run, or the end of the command: status 64 when a flag is to blame, 78 when the
    /// configuration is.
    func load() throws -> Configuration {
        do throws(SettingsError) {
            return try read()
        } catch {
            for problem in error.problems { printToStandardError("Error: \(problem)") }
            throw ExitCode(error.problems.contains { $0.isFlag } ? EX_USAGE : EX_CONFIG)
        }
    }

    /// The settings as flags, environment and file have them now.
    func read() throws(SettingsError) -> Configuration {
        var input = Configuration.Input()
        input.flags = values
        input.file = file
        input.environment = processEnvironment()
        return try Configuration.load(input)
    }

    private static let fileLabel = "config"

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

extension SettingFlag {
    /// What stands for the value in the help.
    fileprivate var valueName: String {
        key.split(separator: ".").last.map { String($0).replacing("_", with: "-") } ?? key
    }
}

/// The variables of the process. Those that are not UTF-8 are repaired, and then match nothing.
func processEnvironment() -> [String: String] {
    var variables: [String: String] = [:]
    var next = unsafe environ
    while let entry = unsafe next.pointee {
        let text = unsafe String(cString: entry)
        if let equals = text.firstIndex(of: "=") {
            variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        unsafe next += 1
    }
    return variables
}

/// Writes a line to standard error, for what is said before there is a log.
func printToStandardError(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = unsafe write(STDERR_FILENO, bytes, bytes.count)
}
