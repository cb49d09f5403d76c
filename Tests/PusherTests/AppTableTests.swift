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

    @Test func secretsAreNotShown() {
        let application = ApplicationConfiguration(id: "a", key: "k", secret: "marker")
        #expect(!"\(application)".contains("marker"))
        #expect(!String(reflecting: application).contains("marker"))
    }
}
