/// The settings of a run, and for each where its value came from.
///
/// Four layers, the first that has a value wins: flag, environment (a `CLARION_` variable before those of other
/// programs), file, default.
public struct Configuration: Sendable {
    /// Where a value came from.
    public enum Source: Sendable, Equatable, CustomStringConvertible {
        /// Nobody set it; the sentence says when the default depends on another setting.
        case preset(String)
        case file(path: String, line: Int)
        case environment(String)
        case flag(String)

        public var description: String {
            switch self {
            case .preset(let because): because.isEmpty ? "default" : "default (\(because))"
            case .file(let path, let line): "\(path):\(line)"
            case .environment(let name): name
            case .flag(let name): "--\(name)"
            }
        }
    }

    /// One effective value.
    public struct Entry: Sendable, Equatable {
        /// The key; settings of applications begin with `apps.1.`, `apps.2.`, …
        public let key: String
        /// A secret comes out masked.
        public let value: SettingValue
        public let source: Source
    }

    /// The values.
    public internal(set) var settings = Settings()
    /// All of them with their sources, in the order of the table.
    public internal(set) var entries: [Entry] = []
    /// What is allowed but most likely not meant, a sentence each.
    public internal(set) var warnings: [String] = []
    /// Keys of settings that are dangerous where others reach the node.
    public internal(set) var dangers: [String] = []
    /// The file that was read; nil: none.
    public internal(set) var file: String?
    /// Nobody configured an application, so there is the one that everybody knows.
    var hasEmbeddedApp = false

    /// What the four layers are read from.
    public struct Input: Sendable {
        /// Values of flags by the key of their setting; those of the first application begin with `app.`.
        public var flags: [String: SettingValue] = [:]
        /// The environment of the process.
        public var environment: [String: String] = [:]
        /// The file of `--config`; without it that of `CLARION_CONFIG`, if any.
        public var file: String?
        /// The text of the file, when it has been read already; the path is then only its name in messages.
        public var fileText: String?

        public init() {}
    }

    /// Puts the layers together.
    /// - Throws: `SettingsError` with every problem found.
    public static func load(_ input: Input) throws(SettingsError) -> Configuration {
        var file: SettingsFile?
        let path = input.file ?? input.environment["CLARION_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        do {
            if let text = input.fileText {
                file = try SettingsFile(path: path ?? "(text)", text: text)
            } else if let path {
                file = try SettingsFile(path: path)
            }
        } catch {
            throw SettingsError(problems: [error])
        }
        var layers = Layers(input: input, file: file)
        var configuration = layers.merge()
        configuration.file = path
        guard layers.problems.isEmpty else { throw SettingsError(problems: layers.problems) }
        return configuration
    }
}

/// One thing that is wrong with the configuration, as a sentence that names source, key, value and what is allowed.
public struct SettingsProblem: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String
    /// Whether a flag is to blame, so that the command was misused rather than the node configured badly.
    public let isFlag: Bool

    init(_ description: String, isFlag: Bool = false) {
        self.description = description
        self.isFlag = isFlag
    }
}

/// The configuration cannot be used.
public struct SettingsError: Error, Sendable, CustomStringConvertible {
    /// At least one.
    public let problems: [SettingsProblem]

    init(problems: [SettingsProblem]) { self.problems = problems }

    /// One problem, of somebody who reads settings elsewhere.
    public init(problem: String) { problems = [SettingsProblem(problem)] }

    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
