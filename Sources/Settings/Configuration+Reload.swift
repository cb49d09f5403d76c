/// What a new configuration changes on a running node.
public struct ConfigurationChanges: Sendable, Equatable {
    /// Keys that differ and take effect while the node runs; those of applications are not among them.
    public var applied: [String] = []
    /// Keys that differ and hold from the next start on.
    public var needsRestart: [String] = []
}

extension Configuration {
    /// What differs in `new`. Applications are compared by whoever serves them.
    public func changes(to new: Configuration) -> ConfigurationChanges {
        var changes = ConfigurationChanges()
        for row in SettingTable.node + SettingTable.limits where !row.isSame(settings, new.settings) {
            if row.isReloadable { changes.applied.append(row.key) } else { changes.needsRestart.append(row.key) }
        }
        return changes
    }

    /// The settings of a running node after it has taken over what it can of `new`; the rest stays as it was.
    public func adopting(_ new: Configuration) -> Configuration {
        var result = new
        for row in SettingTable.node + SettingTable.limits where !row.isReloadable {
            row.copy(settings, &result.settings)
        }
        return result
    }
}
