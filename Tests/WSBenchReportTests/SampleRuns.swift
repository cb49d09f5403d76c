@testable import WSBenchReport

/// Results as runs would give them, decided by a seed.
enum SampleRuns {
    /// - Parameters:
    ///   - latencyMicroseconds: what latencies lie around.
    ///   - costMicroseconds: what a delivery costs the server.
    static func result(
        seed: UInt64, latencyMicroseconds: Double = 400, costMicroseconds: Double = 3, intervals: Int = 20,
        deliveries: Int = 400
    ) -> RunResult {
        var generator = SeededGenerator(seed: seed)
        var scenario = Scenario(
            name: "fanout", dialect: "json", url: "ws://127.0.0.1:8080", connections: 1_000, channels: 1,
            messageBytes: 64, threads: 1)
        scenario.perSecond = 500
        var environment = RunEnvironment()
        environment.startedAt = "2026-01-02T03:04:05Z"
        environment.startedAtSeconds = 1_767_323_045
        environment.kernel = "6.1.0"
        environment.processor = "Some Processor"
        environment.processorsUsable = 2
        environment.command = ["wsbench", "fanout"]
        var result = RunResult(scenario: scenario, environment: environment)
        var intended = HistogramSnapshot(nanoseconds: [])
        var service = HistogramSnapshot(nanoseconds: [])
        var cpuSeconds = 0.0
        for index in 0..<intervals {
            let count = deliveries + Int.random(in: -20...20, using: &generator)
            var interval = Interval(
                atSeconds: Double(index), seconds: 1, published: UInt64(count / 10), delivered: UInt64(count),
                connections: 1_000, errors: 0)
            let values = (0..<count).map { _ in
                UInt64(
                    latencyMicroseconds * 1e3 * Double.random(in: 0.5...1.5, using: &generator)
                        * Double.random(in: 0.5...1.5, using: &generator))
            }
            interval.intended = HistogramSnapshot(nanoseconds: values)
            interval.service = HistogramSnapshot(nanoseconds: values.map { $0 * 4 / 5 })
            interval.serverCPUShare =
                Double(count) * costMicroseconds / 1e6 * Double.random(in: 0.98...1.02, using: &generator)
            interval.ownCPUShare = Double(count) * 1e-6
            interval.serverResidentBytes = Int64(20_000_000 + index * 1_000)
            interval.serverDescriptors = 1_020
            cpuSeconds += interval.serverCPUShare ?? 0
            interval.intended.map { intended.add($0) }
            interval.service.map { service.add($0) }
            result.published += interval.published
            result.delivered += interval.delivered
            result.intervals.append(interval)
        }
        result.seconds = Double(intervals)
        result.publishedPerSecond = Double(result.published) / result.seconds
        result.deliveredPerSecond = Double(result.delivered) / result.seconds
        result.expected = result.delivered
        result.latency = Latencies(intended: Latency(intended), service: Latency(service))
        result.connects = Latency(HistogramSnapshot(nanoseconds: [300_000, 500_000, 900_000]))
        result.cost.serverMicrosecondsPerDelivery = cpuSeconds * 1e6 / Double(result.delivered)
        result.cost.serverCPUShare = cpuSeconds / result.seconds
        result.cost.ownMicrosecondsPerDelivery = 1
        result.memory = Memory(
            beforeBytes: 10_000_000, connectedBytes: 11_000_000, endBytes: 20_500_000,
            residentBytesPerConnection: 1_000,
            proportionalBytesPerConnection: 950)
        return result
    }
}
