import ClarionStores
import Foundation
import Testing

@Suite struct SQLiteStoreTests {
    private func withStore(_ body: (SQLiteStore, String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("apps.sqlite").path
        try body(SQLiteStore(path: path, timeoutSeconds: 5), path)
    }

    private func application(_ id: String, key: String? = nil) -> StoredApplication {
        StoredApplication(id: id, key: key ?? "key-\(id)", secret: "secret-\(id)", settings: #"{"max_connections":1}"#)
    }

    @Test func whatIsKeptIsFound() throws {
        try withStore { store, path in
            try store.prepare()
            try store.prepare()
            for id in ["b", "a", "é'; DROP TABLE clarion_apps; --"] { try store.create(application(id)) }
            #expect(try store.find(id: "a") == application("a"))
            #expect(try store.find(key: "key-b") == application("b"))
            #expect(try store.find(key: "a") == nil)
            #expect(try store.find(ids: ["a", "x", "b"]).map(\.id) == ["a", "b"])
            #expect(try store.list(max: 10).map(\.id) == ["a", "b", "é'; DROP TABLE clarion_apps; --"])
            #expect(try store.list(max: 1).map(\.id) == ["a"])
            var changed = application("a", key: "other")
            changed.isEnabled = false
            #expect(try store.replace(changed))
            #expect(try store.find(key: "other") == changed)
            #expect(try !store.replace(application("x")))
            #expect(try store.delete(id: "a") && !store.delete(id: "a"))
            // Another connection sees the same, and nobody else may read the file.
            #expect(try SQLiteStore(path: path, timeoutSeconds: 5).find(id: "b") == application("b"))
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test func namesAreUnique() throws {
        try withStore { store, _ in
            try store.prepare()
            try store.create(application("a"))
            for clash in [application("a", key: "new"), application("new", key: "key-a")] {
                do throws(StoreError) {
                    try store.create(clash)
                    Issue.record("taken")
                } catch {
                    if case .duplicate = error { continue }
                    Issue.record("\(error)")
                }
            }
        }
    }

    @Test func aStoreThatIsNotThereIsToldNotMade() throws {
        try withStore { store, path in
            #expect(throws: StoreError.self) { _ = try store.find(id: "a") }
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }
}
