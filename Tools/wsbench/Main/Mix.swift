import ArgumentParser
import FoundationEssentials
import WSBenchCore

struct Mix: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mix", abstract: "Carries out a file of several loads at the same time, each measured on its own.",
        discussion: "docs/WSBENCH.md shows such a file.")

    @Argument(help: "The file, in JSON.")
    var file: String

    @Option(help: "The server, where the file names none.")
    var url = "ws://127.0.0.1:8080"

    @Option(help: "Decides everything that is left to chance; overrides the file.")
    var seed: UInt64?

    @Option(
        name: .customLong("server-pid"), parsing: .upToNextOption,
        help: "Processes of the server, for its CPU time, memory and descriptors.")
    var serverProcesses: [Int32] = []

    @OptionGroup var output: OutputOptions

    func run() throws {
        var scenario = try read()
        if let seed { scenario.seed = seed }
        var plans = try scenario.plans(url: url)
        if !plans.isEmpty {
            plans[0].serverProcesses = serverProcesses
            plans[0].progress = output.progress
        }
        try output.carryOut(plans)
    }

    private func read() throws -> ScenarioFile {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: file)) else {
            throw ValidationError("The file \(file) cannot be read.")
        }
        do {
            return try JSONDecoder().decode(ScenarioFile.self, from: data)
        } catch let error as DecodingError {
            throw ValidationError("The file \(file) is no scenario: \(Self.sentence(error))")
        } catch {
            throw ValidationError("The file \(file) is no JSON: \(error)")
        }
    }

    private static func sentence(_ error: DecodingError) -> String {
        func place(_ context: DecodingError.Context) -> String {
            let path = context.codingPath.map { $0.intValue.map { "\($0 + 1)" } ?? $0.stringValue }
            return path.isEmpty ? "" : "\(path.joined(separator: " ")): "
        }
        switch error {
        case .dataCorrupted(let context): return place(context) + context.debugDescription
        case .keyNotFound(let key, let context): return place(context) + "\(key.stringValue) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return place(context) + context.debugDescription
        @unknown default: return "\(error)"
        }
    }
}
