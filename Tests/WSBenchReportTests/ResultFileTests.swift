import Foundation
import Testing

@testable import WSBenchReport

@Suite struct ResultFileTests {
    @Test func aResultIsReadAsItWasWritten() throws {
        var result = SampleRuns.result(seed: 1)
        result.marks = [Mark(atSeconds: 3, text: "drop")]
        result.steps = [Step(perSecond: 10, deliveredPerSecond: 100, latency: 2, isKept: true, reason: nil)]
        result.details = [Detail(name: "joined", value: 3, unit: "")]
        #expect(try ResultFile.results(in: ResultFile.json(result), path: "a") == [result])
    }

    @Test func severalResultsInAFile() throws {
        let two = [SampleRuns.result(seed: 1, intervals: 3), SampleRuns.result(seed: 2, intervals: 3)]
        let lines = try two.map { String(decoding: try ResultFile.json($0, isOneLine: true), as: UTF8.self) }
        #expect(try ResultFile.results(in: Data((lines.joined(separator: "\n") + "\n").utf8), path: "a") == two)
        #expect(try ResultFile.results(in: Data("[\(lines.joined(separator: ","))]".utf8), path: "a") == two)
    }

    @Test func whatIsNoResultIsNamed() throws {
        let good = String(decoding: try ResultFile.json(SampleRuns.result(seed: 1, intervals: 1)), as: UTF8.self)
        func reason(_ text: String) -> String {
            do {
                _ = try ResultFile.results(in: Data(text.utf8), path: "a.json")
                return "none"
            } catch { return error.description }
        }
        #expect(reason("").contains("a.json holds no result"))
        #expect(reason("{}").contains("is missing"))
        #expect(reason("[]").contains("no result at all"))
        #expect(reason(good.replacingOccurrences(of: "wsbench/1", with: "wsbench/9")).contains("wsbench/9"))
        #expect(reason(good.replacingOccurrences(of: "HISTFAAA", with: "HISTXXXX")).contains("histogram"))
        #expect(reason(String(good.prefix(200))).contains("a.json holds no result"))
        #expect(throws: ResultFileError.self) { try ResultFile.read("/no/such/file") }
    }

    /// The keys that docs/WSBENCH.md promises: whoever changes one changes the page, and the number of the schema.
    @Test func theKeysAreThoseOfTheDocumentation() throws {
        var result = SampleRuns.result(seed: 1, intervals: 1)
        result.marks = [Mark(atSeconds: 0, text: "x")]
        result.steps = [Step(perSecond: 1, deliveredPerSecond: 1, latency: 1, isKept: false, reason: "x")]
        result.details = [Detail(name: "x", value: 1, unit: "")]
        let object = try JSONSerialization.jsonObject(with: try ResultFile.json(result))
        let documentation = try String(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/WSBENCH.md"),
            encoding: .utf8)
        var keys: Set<String> = []
        func collect(_ value: Any, _ path: String) {
            if let object = value as? [String: Any] {
                for (key, value) in object { collect(value, path.isEmpty ? key : "\(path).\(key)") }
            } else if let list = value as? [Any], let first = list.first, first is [String: Any] {
                collect(first, path + "[]")
            } else {
                keys.insert(path)
            }
        }
        collect(object, "")
        let missing = keys.filter { key in
            let name = key.split(separator: ".").last.map(String.init) ?? key
            return !documentation.contains("`\(name)`")
        }
        #expect(missing.isEmpty, "docs/WSBENCH.md does not name \(missing.sorted())")
    }
}
