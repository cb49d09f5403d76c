public import FoundationEssentials

/// What a comparison and its budgets say, for a terminal and for programs.
public enum ComparisonReport {
    /// The table, the budgets, and what to mind, without a line end at the end.
    public static func text(_ comparison: Comparison, budgets: [Budget]) -> String {
        var blocks = [sides(comparison)]
        var table = TextTable(firstRight: 1)
        let percent = Figure.fixed(comparison.confidence * 100, decimals: 0)
        table.add(["", "A", "B", "change", "\(percent) % interval", ""])
        for row in comparison.rows {
            let interval =
                row.method == .none ? "" : "\(Figure.change(row.change.lower)) … \(Figure.change(row.change.upper))"
            table.add([
                row.metric.title, row.metric.text(row.first), row.metric.text(row.second),
                Figure.change(row.change.value), interval, judgement(row),
            ])
        }
        blocks.append(comparison.rows.isEmpty ? "The two sides have no number in common." : table.text)
        if !budgets.isEmpty {
            var table = TextTable(firstRight: 2)
            for budget in budgets { table.add(["budget \(budget.text)", verdict(budget, comparison)]) }
            blocks.append(table.text)
        }
        var remarks = comparison.warnings.map { "Mind: \($0)." }
        if comparison.rows.contains(where: { $0.method == .withinRuns }) {
            remarks.append(
                "A side has a single run: the intervals show how it varied within itself, not how runs differ. "
                    + "Three runs or more on each side tell that.")
        }
        if !remarks.isEmpty { blocks.append(remarks.joined(separator: "\n")) }
        return blocks.joined(separator: "\n\n")
    }

    /// The same as JSON, keys in order.
    public static func json(_ comparison: Comparison, budgets: [Budget]) throws -> Data {
        let document = Document(
            schema: "wsbench-compare/1", confidence: comparison.confidence, runsA: comparison.first.count,
            runsB: comparison.second.count,
            metrics: comparison.rows.map { row in
                Document.Row(
                    name: row.metric.key, a: row.first, b: row.second, change: row.change, method: row.method,
                    judgement: row.judgement)
            },
            budgets: budgets.map { Document.Verdict(budget: $0.text, outcome: $0.outcome(in: comparison)) },
            warnings: comparison.warnings)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        return try encoder.encode(document)
    }

    private struct Document: Encodable {
        struct Row: Encodable {
            var name: String
            var a, b: Double
            var change: Estimate
            var method: Comparison.Method
            var judgement: Comparison.Judgement
        }
        struct Verdict: Encodable {
            var budget: String
            var outcome: Budget.Outcome
        }
        var schema: String
        var confidence: Double
        var runsA, runsB: Int
        var metrics: [Row]
        var budgets: [Verdict]
        var warnings: [String]
    }

    private static func sides(_ comparison: Comparison) -> String {
        var table = TextTable(firstRight: 2)
        for (name, runs) in [("A", comparison.first), ("B", comparison.second)] {
            let run = runs[0]
            let parts = [
                run.scenario.label, TextReport.plural(runs.count, "run"),
                "\(run.scenario.name) \(run.scenario.dialect), "
                    + TextReport.plural(run.scenario.connections, "connection")
                    + TextReport.pace(run.scenario), run.environment.server?.line, run.environment.commit,
            ]
            table.add([name, parts.compactMap { $0 }.joined(separator: " · ")])
        }
        return table.text
    }

    private static func judgement(_ row: Comparison.Row) -> String {
        switch row.judgement {
        case .better: "better"
        case .worse: "worse"
        case .unclear: row.method == .none ? "single values" : "no clear change"
        }
    }

    private static func verdict(_ budget: Budget, _ comparison: Comparison) -> String {
        switch budget.outcome(in: comparison) {
        case .kept: "kept"
        case .broken: "BROKEN"
        case .unclear: "beyond it, but that could be chance: make more or longer runs"
        case .unmeasured: "cannot be judged: not every run has this number"
        }
    }
}
