import Testing

@testable import ClarionSettings

@Suite struct SettingTableTests {
    @Test func namesAreUnique() {
        let flags = SettingFlag.all.flatMap(\.names)
        #expect(Set(flags).count == flags.count)
        let node = (SettingTable.node + SettingTable.limits).map(\.key)
        #expect(Set(node).count == node.count)
        let app = SettingTable.app.map(\.key)
        #expect(Set(app).count == app.count)
    }

    @Test func everyRowSaysWhatItMeans() {
        for row in SettingTable.node + SettingTable.limits {
            #expect(row.sentence.hasSuffix("."), "\(row.key)")
            #expect(!row.allowed.isEmpty, "\(row.key)")
        }
        for row in SettingTable.limits {
            #expect(row.cost.hasSuffix(".") && row.reached.hasSuffix("."), "\(row.key)")
        }
        for row in SettingTable.app { #expect(row.sentence.hasSuffix("."), "\(row.key)") }
    }

    /// What is written out can be read in again, so that a file can be made of `clarion config`.
    @Test func defaultsAreAllowedValues() {
        for row in SettingTable.node + SettingTable.limits where !row.isSecret {
            var settings = Settings()
            #expect(row.assign(row.read(settings), &settings), "\(row.key)")
            #expect(settings == Settings(), "\(row.key)")
        }
        for row in SettingTable.app where !row.isSecret {
            var app = AppSettings.embedded
            #expect(row.assign(row.read(app), &app), "\(row.key)")
            #expect(app == AppSettings.embedded, "\(row.key)")
        }
    }

    /// A row that forgot its path, or took its neighbour's, would leave the value unchanged.
    @Test func everyRowChangesItsOwnValue() {
        var seen: Set<String> = []
        for row in SettingTable.node + SettingTable.limits {
            for candidate in [
                "true", "false", "7", "1024", "2048", "131072", "2097152", "33554432", "epoll", "envelope", "debug",
                "json", "skip", "https://x", "/x", "production", "sqlite:x", "10.0.0.0/8", "1.3", "required", "a*=off",
                "dedicated", "13", "on",
            ] {
                var settings = Settings()
                if row.assign(.text(candidate), &settings), settings != Settings() {
                    seen.insert(row.key)
                    let changed = (SettingTable.node + SettingTable.limits).filter { other in
                        settings.differs(from: Settings(), at: other)
                    }
                    #expect(changed.map(\.key) == [row.key])
                    break
                }
            }
        }
        #expect(seen == Set((SettingTable.node + SettingTable.limits).map { $0.key }))
    }
}

extension Settings {
    fileprivate func differs(from other: Settings, at row: SettingRow<Settings>) -> Bool { !row.isSame(self, other) }
}

@Suite struct SecretTests {
    @Test func aSecretNeverPrints() throws {
        let secret = Secret("hush-hush")
        var dumped = ""
        dump(secret, to: &dumped)
        #expect(!"\(secret) \(String(reflecting: secret)) \(dumped)".contains("hush"))
        var input = Configuration.Input()
        input.environment = [
            "CLARION_APP_ID": "a", "CLARION_APP_KEY": "b", "CLARION_APP_SECRET": "hush-app",
            "CLARION_REALTIME_SECRET": "hush-rt",
        ]
        let configuration = try Configuration.load(input)
        #expect(!configuration.table().contains("hush"))
        #expect(!configuration.json().contains("hush"))
        var everything = ""
        dump(configuration, to: &everything)
        #expect(!everything.contains("hush"))
    }
}
