/// One question of the benchmarks: something small that the node does for a message, a connection or a request.
///
/// The same bodies run in two places: `bench-meter` counts their instructions and allocations, which `make bench-check`
/// holds to `Benchmarks/thresholds.txt`, and the package in `Benchmarks/` measures their time.
public struct BenchmarkBody: Sendable {
    /// Lower-case words, the floor first: `wire-unmask-4k`.
    public let name: String
    /// What one iteration handles: "frame", "message", "connection" …
    public let unit: String
    /// Iterations of one metered run: enough that what happens now and then (a log that is cut, memory that grows)
    /// shows as its average.
    public let iterations: Int
    /// Makes everything that is not measured and returns what is: it carries out so many iterations and returns a
    /// number that depends on all of them, so that none can be left out. May be called again and goes on from there.
    public let prepare: @Sendable () -> (_ iterations: Int) -> Int

    init(
        _ name: String, _ unit: String, iterations: Int,
        prepare: @escaping @Sendable () -> (_ iterations: Int) -> Int
    ) {
        self.name = name
        self.unit = unit
        self.iterations = iterations
        self.prepare = prepare
    }

    /// All bodies, floor by floor from the bottom.
    public static let all: [BenchmarkBody] =
        bytesBodies + frameBodies + textBodies + httpBodies + timerBodies + logBodies + deflateBodies + workerBodies
        + pusherBodies
}
