import ArgumentParser
import FoundationEssentials
import WSBenchReport

/// Says how results differ.
struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says how results of --json differ, and how sure that is.",
        discussion: """
            wsbench compare A.json B.json
            wsbench compare --a before/*.json --b after/*.json --budget p99=+5% --budget cpu=+3%

            A file may hold several runs (--append). With two runs or more on both sides the intervals are Welch's \
            between runs, otherwise a bootstrap within the single runs.

            Exits with 1 when a budget is broken or a run is no good result, with 3 when a change beyond a budget \
            could be chance, and with 0 otherwise.
            """)

    @Argument(help: ArgumentHelp("Two files: before and after.", valueName: "file"))
    var files: [String] = []

    @Option(name: .customLong("a"), parsing: .upToNextOption, help: "Files of side A, instead of two names.")
    var first: [String] = []

    @Option(name: .customLong("b"), parsing: .upToNextOption, help: "Files of side B.")
    var second: [String] = []

    @Option(
        help: ArgumentHelp(
            "How much a number may change, such as p99=+5% or delivered=-3%. Numbers: \(keys).",
            valueName: "name=change"))
    var budget: [String] = []

    @Option(help: "How sure the intervals are, in percent.")
    var confidence = 95.0

    @Flag(help: "Print JSON.")
    var json = false

    private static var keys: String { Metric.all.map(\.key).joined(separator: ", ") }
    private static let unclearStatus = ExitCode(3)

    func validate() throws {
        guard (50...99.99).contains(confidence) else { throw ValidationError("--confidence must be 50 to 99.99.") }
        let isPair = files.count == 2 && first.isEmpty && second.isEmpty
        let isNamed = files.isEmpty && !first.isEmpty && !second.isEmpty
        guard isPair || isNamed else {
            throw ValidationError("Give two files, or the files of both sides with --a and --b.")
        }
        for text in budget {
            do { _ = try Budget(text) } catch { throw ValidationError(error.description) }
        }
    }

    func run() throws {
        let budgets = try budget.map { try Budget($0) }
        let sides = try (files.isEmpty ? [first, second] : [[files[0]], [files[1]]]).map { paths in
            try paths.flatMap { try ResultFile.read($0) }
        }
        let comparison = Comparison(sides[0], sides[1], confidence: confidence / 100)
        if json {
            print(String(decoding: try ComparisonReport.json(comparison, budgets: budgets), as: UTF8.self))
        } else {
            print(ComparisonReport.text(comparison, budgets: budgets))
        }
        let outcomes = budgets.map { $0.outcome(in: comparison) }
        let areGood = (comparison.first + comparison.second).allSatisfy(\.verdict.isGood)
        if !areGood || outcomes.contains(.broken) || outcomes.contains(.unmeasured) { throw ExitCode.failure }
        if outcomes.contains(.unclear) { throw Self.unclearStatus }
    }
}

/// Makes other outputs of a result that is there already.
struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a page, a log of histograms or a table of a result that --json wrote.")

    @Argument(help: ArgumentHelp("The result.", valueName: "file"))
    var file: String

    @Option(name: .customLong("run"), help: "Which of several runs in the file, from 1.")
    var number = 1

    @Option(help: ArgumentHelp("Write a log of latency histograms that HdrHistogram's tools read.", valueName: "file"))
    var hlog: String?

    @Option(help: ArgumentHelp("Write one page with charts.", valueName: "file"))
    var html: String?

    func run() throws {
        let results = try ResultFile.read(file)
        guard results.indices.contains(number - 1) else {
            throw ValidationError("\(file) holds \(results.count) runs, so --run must be 1 to \(results.count).")
        }
        var writer = ResultWriter()
        writer.hlog = hlog
        writer.html = html
        try writer.check()
        try writer.write(results[number - 1])
        print(TextReport.text(results[number - 1]))
    }
}
