import CMeter
import ClarionBenchmarks
import Glibc

/// Runs the bodies of the benchmarks and tells what one iteration of each costs. Under callgrind the instructions of
/// each body go into a file of their own, which `Tools/bench-check` reads.
///
/// Usage: bench-meter [NAME...]. Prints `name iterations allocations` for each body, separated by tabs.
@main
struct Meter {
    static func main() {
        let wanted = CommandLine.arguments.dropFirst()
        let unknown = wanted.filter { name in !BenchmarkBody.all.contains { $0.name == name } }
        guard unknown.isEmpty else {
            print("bench-meter: there is no benchmark \(unknown.joined(separator: ", ")); there are:")
            for body in BenchmarkBody.all { print("  \(body.name)") }
            exit(2)
        }
        for body in BenchmarkBody.all where wanted.isEmpty || wanted.contains(body.name) { measure(body) }
    }

    /// Iterations before anything is counted are so many of the counted ones, so that everything has grown to its size.
    private static let warmUpShare = 4

    private static func measure(_ body: BenchmarkBody) {
        let run = body.prepare()
        let warmUp = max(body.iterations / warmUpShare, 1)
        var checksum = run(warmUp)
        let before = cmeter_allocations()
        cmeter_start_counting()
        checksum &+= run(body.iterations)
        let allocations = cmeter_allocations() - before
        unsafe cmeter_stop_counting(body.name)
        print("\(body.name)\t\(body.iterations)\t\(allocations)\t\(checksum)")
    }
}
