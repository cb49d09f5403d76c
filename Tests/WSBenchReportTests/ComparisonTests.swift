import Foundation
import Testing

@testable import WSBenchReport

@Suite struct ComparisonTests {
    private func runs(_ seeds: ClosedRange<UInt64>, latency: Double = 400, cost: Double = 3) -> [RunResult] {
        seeds.map { SampleRuns.result(seed: $0, latencyMicroseconds: latency, costMicroseconds: cost) }
    }

    private func row(_ key: String, _ comparison: Comparison) throws -> Comparison.Row {
        try #require(comparison.rows.first { $0.metric.key == key })
    }

    @Test func severalRunsAreComparedByWelch() throws {
        let comparison = Comparison(runs(1...4), runs(11...14, latency: 480))
        let p99 = try row("p99", comparison)
        #expect(p99.method == .runs)
        #expect(p99.judgement == .worse)
        #expect(p99.change.lower < 0.2 && 0.2 < p99.change.upper)
        #expect(try row("cpu", comparison).judgement == .unclear)
        #expect(comparison.warnings.isEmpty)
    }

    @Test func singleRunsAreComparedWithinThemselves() throws {
        let comparison = Comparison(runs(1...1), runs(2...2, latency: 320, cost: 3.3), confidence: 0.95, draws: 60)
        let p50 = try row("p50", comparison)
        #expect(p50.method == .withinRuns)
        #expect(p50.judgement == .better)
        #expect(abs(p50.change.value + 0.2) < 0.05)
        let cost = try row("cpu", comparison)
        #expect(cost.judgement == .worse)
        #expect(cost.change.lower < 0.1 && 0.1 < cost.change.upper + 0.02)
        #expect(try row("memory", comparison).method == .none)
        #expect(ComparisonReport.text(comparison, budgets: []).contains("single run"))
    }

    @Test func aRunAgainstItselfDoesNotDiffer() throws {
        let comparison = Comparison(runs(1...1), runs(1...1), confidence: 0.95, draws: 30)
        for row in comparison.rows {
            #expect(row.change.value == 0)
            #expect(row.judgement == .unclear)
        }
        #expect(comparison.rows.count >= 12)
    }

    @Test func theSameFilesGiveTheSameIntervals() throws {
        let once = Comparison(runs(1...1), runs(2...2), confidence: 0.95, draws: 20)
        let twice = Comparison(runs(1...1), runs(2...2), confidence: 0.95, draws: 20)
        #expect(once.rows.map(\.change) == twice.rows.map(\.change))
    }

    @Test func whatDiffersBesidesIsSaid() {
        var other = SampleRuns.result(seed: 2)
        other.scenario.connections = 10
        other.verdict.isGood = false
        other.verdict.reasons = ["3 messages were lost"]
        let warnings = Comparison(runs(1...1), [other], confidence: 0.95, draws: 10).warnings
        #expect(warnings.contains("the runs differ in connections: 10, 1000"))
        #expect(warnings.contains("B is no good result: 3 messages were lost"))
    }

    @Test func budgetsAreRead() throws {
        let budget = try Budget("p99=+5%")
        #expect(budget.metric.key == "p99" && budget.limit == 0.05 && budget.text == "p99=+5%")
        #expect(try Budget("delivered=-2.5%").limit == -0.025)
        for bad in [
            "p99", "p98=+5%", "p99=5%", "p99=+5", "p99=+%", "p99=+-5%", "p99=+5%=", "", "p99=+nan%", "p99=+inf%",
        ] {
            #expect(throws: Budget.FormatError.self) { try Budget(bad) }
        }
    }

    @Test func budgetsAreJudged() throws {
        let comparison = Comparison(runs(1...4), runs(11...14, latency: 480))
        func outcome(_ text: String) throws -> Budget.Outcome { try Budget(text).outcome(in: comparison) }
        #expect(try outcome("p99=+5%") == .broken)
        #expect(try outcome("p99=+40%") == .kept)
        #expect(try outcome("cpu=+5%") == .kept)
        #expect(try outcome("cpu=-10%") == .broken)
        #expect(try outcome("delivered=-5%") == .kept)
        #expect(try outcome("delivered=+20%") == .broken)
        var without = runs(1...2)
        for index in without.indices { without[index].connects = nil }
        #expect(try Budget("connect-p99=+1%").outcome(in: Comparison(without, without)) == .unmeasured)
    }

    @Test func chanceIsNoBreach() throws {
        func run(_ cost: Double) -> RunResult {
            var result = SampleRuns.result(seed: 1)
            result.cost.serverMicrosecondsPerDelivery = cost
            return result
        }
        let comparison = Comparison([run(3), run(4), run(2.5)], [run(3.4), run(2.9), run(4.2)])
        #expect(try Budget("cpu=+5%").outcome(in: comparison) == .unclear)
    }

    @Test func theComparisonAsJSON() throws {
        let comparison = Comparison(runs(1...2), runs(3...4))
        let data = try ComparisonReport.json(comparison, budgets: [try Budget("p99=+50%")])
        let document = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(document["schema"] as? String == "wsbench-compare/1")
        #expect((document["budgets"] as? [[String: Any]])?.first?["outcome"] as? String == "kept")
    }
}
