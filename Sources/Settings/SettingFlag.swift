/// A setting as the command line sees it.
public struct SettingFlag: Sendable {
    /// The key under which `Configuration.Input.flags` takes the value.
    public let key: String
    /// Names without dashes, the usual one first.
    public let names: [String]
    /// The flag takes no value and has a `no-` form.
    public let isBoolean: Bool
    /// For the help: what the setting decides, and its default.
    public let help: String

    /// All settings that can be given as a flag: those of the node, the limits, and those of the first application.
    public static let all: [SettingFlag] =
        SettingTable.node.map { SettingFlag($0, prefix: "", defaults: Settings()) }
        + SettingTable.app.map { SettingFlag($0, prefix: "app", defaults: AppSettings.embedded) }
        + SettingTable.limits.map { SettingFlag($0, prefix: "", defaults: Settings()) }

    private init<Root>(_ row: SettingRow<Root>, prefix: String, defaults: Root) {
        key = prefix.isEmpty ? row.key : "\(prefix).\(row.key)"
        names = [key.flagName] + row.otherFlags
        isBoolean = row.isBoolean
        let preset = row.isSecret ? SettingValue.nothing : row.read(defaults)
        let shown = preset.shown.isEmpty || preset == .nothing || row.isBoolean ? "" : " (default: \(preset.shown))"
        help = row.sentence + shown
    }
}
