/// One line of the table of settings: its names in the three places, what it may be, and what it means.
///
/// `Root` is the struct the setting lives in: `Settings`, or `AppSettings` for what each application has of its own.
public struct SettingRow<Root: Sendable>: Sendable {
    /// The name in the file, dotted: `limits.log_bytes_max`. The flag and the environment variable follow from it.
    public let key: String
    /// What the value counts: bytes, seconds, or nothing.
    public let unit: String
    /// One sentence: what the setting decides.
    public let sentence: String
    /// For a bound: what it costs to raise it. Empty elsewhere.
    public let cost: String
    /// For a bound: what happens at it. Empty elsewhere.
    public let reached: String
    /// Further environment variables, in the order in which they are looked at after the `CLARION_` one.
    public let otherEnvironment: [EnvironmentName]
    /// Further names of the flag, without dashes.
    public let otherFlags: [String]
    /// Further names in the file: those that Laravel's config/reverb.php has.
    public let otherKeys: [String]
    /// A change takes effect while the node runs.
    public let isReloadable: Bool
    /// What a value may be, completing "allowed is …".
    public let allowed: String
    /// The value is never shown.
    public let isSecret: Bool
    /// The flag takes no value.
    public let isBoolean: Bool
    /// Puts a value in; false when it is not allowed.
    let assign: @Sendable (SettingValue, inout Root) -> Bool
    /// Whether two have the same value, secrets included.
    let isSame: @Sendable (Root, Root) -> Bool
    /// Puts the value of the first into the second.
    let copy: @Sendable (Root, inout Root) -> Void
    /// The value as it stands.
    let read: @Sendable (Root) -> SettingValue

    init<Value: Sendable & Equatable>(
        _ key: String, _ path: any WritableKeyPath<Root, Value> & Sendable, _ codec: SettingCodec<Value>,
        unit: String = "", environment: [EnvironmentName] = [], flags: [String] = [],
        keys: [String] = [], reloads: Bool = false, _ sentence: String,
        cost: String = "", reached: String = ""
    ) {
        self.key = key
        self.unit = unit
        self.sentence = sentence
        self.cost = cost
        self.reached = reached
        otherEnvironment = environment
        otherFlags = flags
        otherKeys = keys
        isReloadable = reloads
        allowed = codec.allowed
        isSecret = codec.isSecret
        isBoolean = codec.isBoolean
        assign = { value, root in
            guard let decoded = codec.decode(value) else { return false }
            root[keyPath: path] = decoded
            return true
        }
        isSame = { $0[keyPath: path] == $1[keyPath: path] }
        copy = { $1[keyPath: path] = $0[keyPath: path] }
        read = { codec.encode($0[keyPath: path]) }
    }
}

/// A variable that another program's users already have set, and the part of it that a setting takes.
public struct EnvironmentName: Sendable, ExpressibleByStringLiteral {
    /// The variable. In the table of applications `{n}` stands for the number of the application, empty for the first.
    public let name: String
    let part: @Sendable (String) -> String?

    public init(stringLiteral value: String) {
        name = value
        part = { $0 }
    }

    /// - Parameter part: what the setting takes of the variable's text; nil when it holds nothing for the setting.
    init(_ name: String, part: @escaping @Sendable (String) -> String?) {
        self.name = name
        self.part = part
    }
}

extension SettingRow {
    /// The `CLARION_` variable.
    func environmentName(prefix: String = "") -> String {
        let name = key.replacing(".", with: "_").uppercased()
        return prefix.isEmpty ? "CLARION_\(name)" : "CLARION_\(prefix)_\(name)"
    }
}
