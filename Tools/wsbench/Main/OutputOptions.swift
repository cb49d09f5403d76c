public import ArgumentParser
import Glibc
import WSBenchCore
public import WSBenchReport

/// Where the result of a run goes.
struct OutputOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Write the result with its environment as JSON; - for standard output.", valueName: "file"))
    var json: String?

    @Flag(help: "Add the JSON to its file as one more line, so that the file holds several runs for compare.")
    var append = false

    @Option(help: ArgumentHelp("Write a log of latency histograms that HdrHistogram's tools read.", valueName: "file"))
    var hlog: String?

    @Option(help: ArgumentHelp("Write the result as one page with charts.", valueName: "file"))
    var html: String?

    @Option(help: "A name for this run.")
    var label: String?

    @Option(help: "Live progress: auto (a line on a terminal, plain lines elsewhere), line, plain or off.")
    var progress = ProgressDisplay.Style.auto

    var writer: ResultWriter {
        var writer = ResultWriter()
        writer.json = json
        writer.appendsJSON = append
        writer.hlog = hlog
        writer.html = html
        return writer
    }

    func validate() throws {
        if append, json == nil { throw ValidationError("--append needs --json with the file to add to.") }
    }

    /// Carries plans out, writes the result everywhere, and ends with the status that it calls for.
    func carryOut(_ plans: [BenchPlan], search: FindMax? = nil) throws {
        guard let plan = plans.first else { throw ValidationError("There is nothing to carry out.") }
        let report: BenchReport
        var environment: RunEnvironment
        do {
            try writer.check()
            var run = try BenchRun(plans: plans)
            environment = EnvironmentProbe.collect(arguments: CommandLine.arguments)
            report = if let search { try run.findMax(search) } else { try run.run() }
            // Asked after the run, which it must not disturb.
            environment.server = ServerProbe.ask(host: plan.host, port: plan.port, processes: plan.serverProcesses)
        } catch {
            say("\(error)")
            throw Status.impossible
        }
        var result = RunResult(report, plan: plan, environment: environment)
        if let label { result.scenario.label = label }
        result.coarsen(intervalsMax: Self.intervalsMax)
        try writer.write(result, report: report.withoutSamples)
        if !writer.takesStandardOutput { print(TextReport.text(result)) }
        if writer.takesStandardOutput {  // otherwise the table has said it
            for note in result.verdict.notes { say("note: \(note)") }
            for reason in result.verdict.reasons { say(report.isGood ? "refused: \(reason)" : reason) }
        }
        if !report.isGood { throw Status.faults }
        if !report.isTrusted { throw Status.refused }
    }

    /// A run of hours needs no point every half second.
    private static let intervalsMax = 600

    private func say(_ sentence: String) {
        var line = "wsbench: \(sentence)\n"
        line.withUTF8 { bytes in _ = unsafe write(2, bytes.baseAddress, bytes.count) }
    }
}

extension ProgressDisplay.Style: ExpressibleByArgument {}
