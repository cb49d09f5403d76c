import Foundation
import Testing

@testable import ClarionSettings

/// The pages are made of the table; whoever changes the table runs `make docs`.
@Suite struct SettingsMarkdownTests {
    @Test(arguments: [
        ("docs/CONFIGURATION.md", SettingsMarkdown.configuration), ("docs/LIMITS.md", SettingsMarkdown.limits),
    ])
    func thePagesAreCurrent(_ path: String, _ made: String) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let written = try String(contentsOf: root.appending(path: path), encoding: .utf8)
        #expect(written == made, "run `make docs`")
    }

    @Test func everySettingIsOnAPage() {
        for row in SettingTable.node + SettingTable.limits {
            let page = row.key.hasPrefix("limits.") ? SettingsMarkdown.limits : SettingsMarkdown.configuration
            #expect(page.contains("| `\(row.key)` |"), "\(row.key)")
        }
        for row in SettingTable.app {
            #expect(SettingsMarkdown.configuration.contains("| `\(row.key)` |"), "\(row.key)")
        }
    }
}
