import Foundation
import Testing

@testable import WSBenchReport

@Suite struct ReportPageTests {
    @Test func thePageNeedsNothingElse() throws {
        let page = try ReportPage.html(SampleRuns.result(seed: 1))
        for part in ["<!doctype html>", "<style>", "Latency by percentile", "default-src 'none'", "\"wsbench/1\""] {
            #expect(page.contains(part), "\(part)")
        }
        #expect(!page.contains("{{"))
        // The one address in it is the name of the language of its drawings.
        for address in page.matches(of: /https?:\/\/[^"'\s]*/) {
            #expect(address.output == "http://www.w3.org/2000/svg")
        }
        #expect(page.contains("<noscript><pre>fanout"))
    }

    @Test func theDataIsTheResult() throws {
        var result = SampleRuns.result(seed: 1)
        result.scenario.label = "</script><script>alert(1)</script> & {{style}}"
        let page = try ReportPage.html(result)
        #expect(!page.contains("alert(1)</script>"))
        #expect(page.contains("<title>wsbench: &lt;/script&gt;"))
        let marker = #"<script type="application/json" id="data">"#
        let start = try #require(page.range(of: marker)).upperBound
        let end = try #require(page[start...].range(of: "</script>")).lowerBound
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(page[start..<end].utf8)) as? [String: Any])
        let shown = try #require(document["result"] as? [String: Any])
        #expect((shown["scenario"] as? [String: Any])?["label"] as? String == result.scenario.label)
        let intervals = try #require(shown["intervals"] as? [[String: Any]])
        #expect(intervals.count == 20)
        #expect(intervals[0]["intended"] == nil && intervals[0]["p99"] is Double)
    }

    @Test func curvesRiseToTheMaximum() throws {
        let histogram = HistogramSnapshot(nanoseconds: (1...100_000).map { UInt64($0) * 1_000 })
        let curve = ReportPage.curve(histogram)
        #expect(curve.count > 100 && curve.count <= 402)
        #expect(curve.first?[0] == 0)
        let last = try #require(curve.last)
        #expect(last[0] == 5 && last[1] == Double(histogram.maximum) / 1e3)
        for (one, next) in zip(curve, curve.dropFirst()) { #expect(one[0] <= next[0] && one[1] <= next[1]) }
        let half = try #require(curve.min { abs($0[0] - 0.30103) < abs($1[0] - 0.30103) })
        #expect(abs(half[1] - 50_000) < 2_000)
        #expect(ReportPage.curve(HistogramSnapshot(nanoseconds: [])).isEmpty)
        #expect(ReportPage.curve(HistogramSnapshot(nanoseconds: [5_000])).count == 2)
    }

    @Test func whatIsPutInIsNotSearchedAgain() {
        #expect(ReportPage.fill("a{{x}}b{{y}}c{{z}}", ["x": "{{y}}", "y": "2"]) == "a{{y}}b2c")
    }

    @Test func filesAreWrittenWhereTheyWereAskedFor() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "wsbench-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var writer = ResultWriter()
        writer.json = folder.appending(path: "runs.json").path()
        writer.appendsJSON = true
        writer.hlog = folder.appending(path: "run.hlog").path()
        writer.html = folder.appending(path: "run.html").path()
        try writer.check()
        let results = [SampleRuns.result(seed: 1), SampleRuns.result(seed: 2)]
        for result in results { try writer.write(result) }
        #expect(try ResultFile.read(writer.json ?? "") == results)
        writer.appendsJSON = false
        try writer.write(results[0])
        #expect(try ResultFile.read(writer.json ?? "") == [results[0]])
        #expect(
            try String(contentsOf: folder.appending(path: "run.hlog"), encoding: .utf8) == HistogramLog.text(results[0])
        )
        writer.html = folder.appending(path: "no/such/folder/x.html").path()
        #expect(throws: ResultWriter.WriteError.self) { try writer.check() }
        writer.html = "-"
        #expect(throws: ResultWriter.WriteError.self) { try writer.check() }
    }
}
