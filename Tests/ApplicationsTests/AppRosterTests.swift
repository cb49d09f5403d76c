import ClarionSettings
import Testing

@testable import ClarionApplications

private func app(_ id: String, _ key: String, _ change: (inout AppSettings) -> Void = { _ in }) -> AppSettings {
    var app = AppSettings()
    app.id = id
    app.key = key
    app.secret = Secret("s")
    change(&app)
    return app
}

@Suite struct AppRosterTests {
    @Test func numbersStay() {
        var roster = AppRoster(numbersMax: 10)
        #expect(roster.configure([app("a", "1"), app("b", "2")]).changes.map(\.number) == [0, 1])
        let (changes, reload) = roster.configure([app("b", "2"), app("c", "3")])
        #expect(changes.map(\.number) == [0, 2] && changes[0].app == nil)
        #expect(reload.removed == ["a"] && reload.added == ["c"] && reload.changed.isEmpty)
        #expect(roster.configure([app("c", "3"), app("b", "2"), app("a", "9")]).changes.map(\.number) == [0])
        #expect(roster.contains(.key("9")) && !roster.contains(.key("1")) && roster.contains(.id("a")))
    }

    @Test func keysMayBeSwappedAndHandedOn() {
        var roster = AppRoster(numbersMax: 10)
        _ = roster.configure([app("a", "1"), app("b", "2")])
        let swapped = roster.configure([app("a", "2"), app("b", "1")])
        #expect(swapped.reload.changed == ["a", "b"])
        #expect(roster.contains(.key("1")) && roster.contains(.key("2")))
        // c takes over the key of a, which is gone.
        let handed = roster.configure([app("c", "2"), app("b", "1")])
        #expect(handed.changes.map(\.number) == [0, 2] && handed.changes[0].app == nil)
        #expect(roster.contains(.key("2")))
    }

    @Test func theConfigurationHoldsAgainstTheStore() {
        var roster = AppRoster(numbersMax: 10)
        _ = roster.configure([app("a", "1")])
        #expect(roster.store(app("a", "9")) == nil)
        #expect(roster.store(app("z", "1")) == nil)
        #expect(roster.store(app("s", "5"))?.map(\.number) == [1])
        #expect(roster.store(app("s", "5")) == [])
        #expect(roster.store(app("t", "5")) == nil)
        #expect(roster.store(app("s", "6") { $0.isEnabled = false })?.count == 1)
        #expect(!roster.contains(.key("5")) && roster.contains(.key("6")))
        // A new configuration takes the key of a stored one, and the id of another.
        _ = roster.store(app("u", "7"))
        let (changes, _) = roster.configure([app("a", "6"), app("u", "8")])
        #expect(changes.contains(RegistryChange(number: 1, app: nil)))
        #expect(changes.contains { $0.number == 2 && $0.app?.key == "8" })
        #expect(roster.storedIDs.isEmpty)
    }

    @Test func storedOnesGo() {
        var roster = AppRoster(numbersMax: 2)
        _ = roster.configure([app("a", "1")])
        _ = roster.store(app("s", "5"))
        #expect(roster.removeStored(id: "a").isEmpty)
        #expect(roster.removeStored(id: "s") == [RegistryChange(number: 1, app: nil)])
        #expect(!roster.contains(.key("5")))
        // Numbers are not used twice for different applications.
        #expect(roster.store(app("t", "6")) == nil)
        #expect(roster.store(app("s", "5"))?.map(\.number) == [1])
    }
}
