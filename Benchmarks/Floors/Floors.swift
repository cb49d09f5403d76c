import Benchmark
import ClarionBenchmarks

// The bodies under a clock. Instructions and allocations are `make bench-check`'s.
let benchmarks: @Sendable () -> Void = {
    for body in BenchmarkBody.all {
        let configuration = Benchmark.Configuration(
            metrics: [.wallClock, .throughput], scalingFactor: .kilo, maxDuration: .milliseconds(500))
        nonisolated(unsafe) var run: ((Int) -> Int)?
        Benchmark(body.name, configuration: configuration) { benchmark in
            guard let run else { return }
            blackHole(run(benchmark.scaledIterations.count))
        } setup: {
            run = body.prepare()
        }
    }
}
