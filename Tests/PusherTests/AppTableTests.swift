import ClarionBytes
import Testing

@testable import ClarionPusher

@Suite struct AppTableTests {
    private func application(_ id: String, _ key: String) -> ApplicationConfiguration {
        ApplicationConfiguration(id: id, key: key, secret: "s")
    }

    @Test func findsEachByKeyAndByID() throws {
        let list = (0..<100).map { application("id\($0)", "key\(99 - $0)") }
        let table = try AppTable(list)
        for index in list.indices {
            #expect(withView(list[index].id) { table.index(id: $0) } == index)
            #expect(withView(list[index].key) { table.index(key: $0) } == index)
        }
        for absent in ["", "id", "id100", "id5x", "ID5", "zzz", "key5"] {
            #expect(withView(absent) { table.index(id: $0) } == nil)
        }
    }

    @Test func spacesBeginAtOne() {
        #expect(AppTable.space(of: 0) == 1)
        #expect(AppTable.space(of: PusherLimits.applicationsMax - 1) == 65_534)
    }

    @Test func refusesWhatCannotBeToldApart() {
        #expect(throws: AppTableError.duplicateID("a")) {
            try AppTable([application("a", "1"), application("a", "2")])
        }
        #expect(throws: AppTableError.duplicateKey("1")) {
            try AppTable([application("a", "1"), application("b", "1")])
        }
        #expect(throws: AppTableError.emptyID) { try AppTable([application("", "1")]) }
        #expect(throws: AppTableError.emptyKey(id: "a")) { try AppTable([application("a", "")]) }
        #expect(throws: AppTableError.emptySecret(id: "a")) {
            try AppTable([ApplicationConfiguration(id: "a", key: "k", secret: "")])
        }
    }

    @Test func applicationsComeChangeAndGo() throws {
        var table = try AppTable([application("a", "1"), application("b", "2")])
        // Two swap their keys, and a third comes.
        let changes = [
            ApplicationChange(number: 0, application: application("a", "2")),
            ApplicationChange(number: 1, application: application("b", "1")),
            ApplicationChange(number: 2, application: application("c", "3")),
        ]
        for change in changes { table.withdraw(change.number) }
        for change in changes { table.put(change) }
        #expect(withView("2") { table.index(key: $0) } == 0)
        #expect(withView("1") { table.index(key: $0) } == 1)
        #expect(withView("c") { table.index(id: $0) } == 2)
        table.withdraw(1)
        table.withdraw(1)
        #expect(withView("1") { table.index(key: $0) } == nil)
        #expect(withView("b") { table.index(id: $0) } == nil)
        #expect(table.applications[1].configuration.id == "b")
        table.put(ApplicationChange(number: 1, application: application("b", "9")))
        #expect(withView("9") { table.index(key: $0) } == 1)
    }

    @Test func secretsAreNotShown() {
        let application = ApplicationConfiguration(id: "a", key: "k", secret: "marker")
        #expect(!"\(application)".contains("marker"))
        #expect(!String(reflecting: application).contains("marker"))
    }
}
