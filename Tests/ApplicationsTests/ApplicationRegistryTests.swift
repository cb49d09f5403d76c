import ClarionLog
import ClarionSettings
import ClarionStores
import Foundation
import Synchronization
import Testing

@testable import ClarionApplications

/// A registry with what it told.
private final class Told: Sendable {
    let updates = Mutex<[RegistryUpdate]>([])

    /// Waits until `check` finds what it looks for.
    func wait(_ what: String, _ check: ([RegistryUpdate]) -> Bool) async throws {
        for _ in 0..<1_500 {
            if updates.withLock({ check($0) }) { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("\(what): \(updates.withLock { $0 })")
    }
}

@Suite struct ApplicationRegistryTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    private func text(_ id: String, key: String? = nil) -> String {
        "[[apps]]\nid = \"\(id)\"\nkey = \"\(key ?? id)\"\nsecret = \"s\"\n"
    }

    private func registry(_ change: (inout AppSourceSettings) -> Void, configured: [AppSettings] = []) throws
        -> ApplicationRegistry
    {
        var sources = AppSourceSettings()
        change(&sources)
        return try ApplicationRegistry(
            configured: configured, sources: sources, messageBytesMax: 1 << 19, numbersMax: 100,
            log: try Logger.standardError(level: .error, format: .json))
    }

    @Test func aWatchedFileTakesEffectAndAWrongOneDoesNot() async throws {
        try text("a").write(toFile: path("apps.toml"), atomically: true, encoding: .utf8)
        let registry = try registry { $0.file = path("apps.toml") }
        #expect(registry.initial.map(\.id) == ["a"] && registry.listed.map(\.key) == ["a"])
        let told = Told()
        #expect(registry.start { update in told.updates.withLock { $0.append(update) } })
        defer { registry.stop() }
        try (text("a") + text("b")).write(toFile: path("apps.toml"), atomically: true, encoding: .utf8)
        try await told.wait("b comes") { $0.contains { $0.changes.contains { $0.app?.id == "b" && $0.number == 1 } } }
        let before = told.updates.withLock { $0.count }
        try (text("b") + text("b")).write(toFile: path("apps.toml"), atomically: true, encoding: .utf8)
        for _ in 0..<500 where registry.statistics.refusedReloads == 0 { try await Task.sleep(for: .milliseconds(20)) }
        #expect(registry.statistics.refusedReloads == 1 && told.updates.withLock { $0.count } == before)
        // Emptied, as by who begins to write it: nobody goes.
        try "".write(toFile: path("apps.toml"), atomically: true, encoding: .utf8)
        for _ in 0..<500 where registry.statistics.refusedReloads < 2 { try await Task.sleep(for: .milliseconds(20)) }
        #expect(registry.statistics.refusedReloads == 2 && told.updates.withLock { $0.count } == before)
        // Written in place, not replaced.
        let handle = try #require(FileHandle(forWritingAtPath: path("apps.toml")))
        try handle.truncate(atOffset: 0)
        try handle.write(contentsOf: Data(text("b").utf8))
        try handle.close()
        try await told.wait("a goes") { $0.last?.changes == [RegistryChange(number: 0, app: nil)] }
    }

    @Test func aWrongFileOrAClashIsToldAtTheStart() throws {
        try "[[apps]]\nid = 1\n".write(toFile: path("x.toml"), atomically: true, encoding: .utf8)
        #expect(throws: SettingsError.self) { _ = try registry { $0.file = path("x.toml") } }
        #expect(throws: SettingsError.self) { _ = try registry { $0.file = path("missing.toml") } }
        try text("app-id").write(toFile: path("y.toml"), atomically: true, encoding: .utf8)
        #expect(throws: SettingsError.self) {
            _ = try registry({ $0.file = path("y.toml") }, configured: [.embedded])
        }
    }

    @Test func aStoreIsAskedOnceAndAgainLater() async throws {
        let store = SQLiteStore(path: path("apps.sqlite"), timeoutSeconds: 5)
        try store.prepare()
        try store.create(StoredApplication(id: "s", key: "sk", secret: "1"))
        let registry = try registry {
            $0.store = Secret("sqlite:\(path("apps.sqlite"))")
            $0.cacheSeconds = 1
            $0.absentSeconds = 1
        }
        let told = Told()
        #expect(registry.start { update in told.updates.withLock { $0.append(update) } })
        defer { registry.stop() }
        #expect(
            registry.ask(.key("sk"), worker: 3) && registry.ask(.key("nobody"), worker: 2)
                && registry.ask(.id("s"), worker: 1))
        try await told.wait("answers") { $0.count >= 3 }
        let answers = told.updates.withLock { $0 }
        #expect(
            answers.map { $0.answer?.outcome } == [.known, .absent, .known]
                && answers.map { $0.answer?.worker } == [3, 2, 1])
        #expect(answers[0].changes.map { $0.app?.id } == ["s"] && answers[2].changes.isEmpty)
        // Changed, and then deleted, behind the registry's back.
        #expect(try store.replace(StoredApplication(id: "s", key: "sk", secret: "2")))
        try await told.wait("the new secret") { $0.last?.changes.first?.app?.secret == Secret("2") }
        #expect(try store.delete(id: "s"))
        try await told.wait("it goes") { $0.last?.changes == [RegistryChange(number: 0, app: nil)] }
        // What was absent is found once it is there, when its time is over.
        try store.create(StoredApplication(id: "n", key: "nobody", secret: "1"))
        for _ in 0..<200 {
            _ = registry.ask(.key("nobody"), worker: 2)
            try await Task.sleep(for: .milliseconds(50))
            if told.updates.withLock({ $0.last?.answer?.outcome == .known }) { break }
        }
        #expect(told.updates.withLock { $0.last?.answer?.outcome } == .known)
    }

    @Test func aBrokenStoreDecidesNothing() async throws {
        let registry = try registry { $0.store = Secret("sqlite:\(path("missing.sqlite"))") }
        let told = Told()
        #expect(registry.start { update in told.updates.withLock { $0.append(update) } })
        defer { registry.stop() }
        #expect(registry.ask(.key("k"), worker: 0))
        try await told.wait("an answer") { $0.last?.answer?.outcome == .undecided }
        #expect(registry.statistics.storeFailures == 1)
    }

    @Test func questionsAreBounded() throws {
        // The thread does not run.
        let registry = try registry { $0.store = Secret("sqlite:x") }
        for _ in 0..<ApplicationRegistry.questionsMax { #expect(registry.ask(.key("k"), worker: 0)) }
        #expect(!registry.ask(.key("k"), worker: 0))
    }
}
