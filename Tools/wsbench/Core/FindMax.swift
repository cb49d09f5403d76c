import CBench
import Glibc

/// A bound of latency: so many percent of the deliveries must not take longer.
public struct LatencyBound: Sendable, Equatable {
    /// The percentile, above 0 and at most 100.
    public var percentile: Double
    /// The longest time.
    public var nanoseconds: UInt64

    /// A bound in numbers.
    public init(percentile: Double, nanoseconds: UInt64) {
        self.percentile = percentile
        self.nanoseconds = nanoseconds
    }

    /// Reads a text such as `p99=20ms`, `p99.9=500us` or `p50=1s`; nil when it is none.
    public init?(_ text: String) {
        let parts = text.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].hasPrefix("p"), let percentile = Double(parts[0].dropFirst()),
            percentile > 0, percentile <= 100
        else { return nil }
        let units: [(String, Double)] = [("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)]
        for (name, factor) in units where parts[1].hasSuffix(name) {
            guard let value = Double(parts[1].dropLast(name.count)), value > 0, value * factor <= 1e11 else { continue }
            self.init(percentile: percentile, nanoseconds: UInt64(value * factor))
            return
        }
        return nil
    }
}

/// A search for the highest rate of an open loop under a bound of latency: doubling until the bound breaks, then
/// halving the interval, then a verification that runs as long as a measurement and begins anew a little lower when it
/// fails.
public struct FindMax: Sendable {
    /// Steps last at most so long; only the verification takes the plan's whole duration.
    static let stepNanosecondsMax: UInt64 = 2_000_000_000
    static let warmupNanosecondsMax: UInt64 = 500_000_000
    /// Messages a second: the search begins and ends within these.
    static let rateMin = 1.0
    static let rateMax = 5e6
    /// A failed verification is repeated at this share of the rate, so often at most.
    static let retreat = 0.93
    static let verificationsMax = 6
    /// How long connections that the server ended may take to be back.
    static let reopenNanosecondsMax: UInt64 = 10_000_000_000

    /// The bound, the first rate, and how close the interval must be, as a share of the rate.
    public let bound: LatencyBound
    public let startRate: Double
    public let precision: Double

    /// A search.
    public init(bound: LatencyBound, startRate: Double = 100, precision: Double = 0.05) {
        self.bound = bound
        self.startRate = min(max(startRate, Self.rateMin), Self.rateMax)
        self.precision = min(max(precision, 0.01), 1)
    }
}

extension BenchRun {
    /// Carries out a search instead of one measurement. The plan needs a rate; its value is not used.
    public mutating func findMax(_ search: FindMax) throws(BenchPlanError) -> BenchReport {
        var maximum = BenchReport.Maximum(
            percentile: search.bound.percentile, bound: Double(search.bound.nanoseconds) / 1e3)
        let found = try carryOut { run in run.search(search, &maximum) }
        var report = found
        report.maximum = maximum
        report.rate = maximum.rate
        if maximum.rate == nil, let reason = maximum.steps.last?.reason {
            report.refusals.append("no rate held the bound; at the last one \(reason)")
        }
        return report
    }

    private mutating func search(_ search: FindMax, _ maximum: inout BenchReport.Maximum) {
        let plan = parts[0].plan
        let short = min(plan.durationNanoseconds, FindMax.stepNanosecondsMax)
        var good = 0.0
        var bad = Double.infinity
        var rate = search.startRate
        func isOver() -> Bool { !parts[0].isAlive }
        while !isOver(), bad / max(good, FindMax.rateMin) > 1 + search.precision, rate <= FindMax.rateMax {
            let step = step(at: rate, for: short, search.bound)
            maximum.steps.append(step)
            if step.holds { good = rate } else { bad = rate }
            if bad.isInfinite {
                rate *= 2
            } else if good == 0 {
                rate /= 2
                if rate < FindMax.rateMin { return }
            } else {
                rate = (good * bad).squareRoot()
            }
        }
        var candidate = good
        for _ in 0..<FindMax.verificationsMax where candidate >= FindMax.rateMin && !isOver() {
            let step = step(at: candidate, for: plan.durationNanoseconds, search.bound)
            maximum.steps.append(step)
            if step.holds {
                maximum.rate = candidate
                maximum.deliveredPerSecond = step.deliveredPerSecond
                return
            }
            candidate *= FindMax.retreat
        }
    }

    /// Runs at one rate. What the report says in the end is that of the last step.
    private mutating func step(at rate: Double, for duration: UInt64, _ bound: LatencyBound) -> BenchReport.Step {
        let part = parts[0]
        let board = part.board
        part.baseline = BenchBaseline(board)
        let errors = part.errors
        board.set(.rate, rate.bitPattern)
        for each in parts { each.board.enter(.running) }
        awaitReturn(part)
        let warmup = min(part.plan.warmupNanoseconds, FindMax.warmupNanosecondsMax)
        var flows = watch(for: warmup, saying: "\(Int(rate))/s, warming up")
        let start = BenchMoment(parts, probe)
        board.set(.measureStart, start.time - board.epoch)
        board.set(.measureEnd, .max)
        if flows { flows = watch(for: duration, saying: "\(Int(rate))/s") }
        let end = BenchMoment(parts, probe)
        board.set(.measureEnd, end.time - board.epoch)
        let isComplete = finish()
        book(from: start, to: end)
        part.report.stalled = false
        let measured = LatencyDistribution(from: part.baseline.counts(.latency), to: board.counts(.latency))
        let latency = measured.nanoseconds(atPercentile: bound.percentile)
        var step = BenchReport.Step(
            rate: rate, deliveredPerSecond: part.report.deliveredPerSecond, latency: Double(latency) / 1e3, holds: false
        )
        let own = part.report.selfMeasure
        if latency > bound.nanoseconds {
            step.reason = "the latency was \(Int(step.latency)) µs"
        } else if !flows || !isComplete || measured.total == 0 {
            step.reason = "messages stopped arriving"
        } else if part.errors > errors {
            step.reason = "messages or connections were lost"
        } else if own.sentRatio < SelfCheck.sentRatioMin {
            step.reason = "only \(Int(own.sentRatio * 100)) % of the messages could be sent"
        } else if own.busyShare > SelfCheck.busyShareMax {
            step.reason = "wsbench itself was busy \(Int(own.busyShare * 100)) % of the time"
        } else {
            step.holds = true
        }
        return step
    }

    /// Connections that the server ended in the last step come back first.
    private mutating func awaitReturn(_ part: BenchPart) {
        let deadline = cbench_now() + FindMax.reopenNanosecondsMax
        let wanted = UInt64(part.plan.connections) - part.board.total(.connectFailures)
        while part.board.total(.ready) < wanted, part.isAlive, cbench_now() < deadline {
            take(phase: "opening again")
            usleep(2_000)
        }
    }
}

/// The board's sums at a moment, to be taken off later ones.
struct BenchBaseline {
    private var counters: [UInt64]
    private var histograms: [[UInt64]]

    /// Zero.
    init() {
        counters = [UInt64](repeating: 0, count: LoopCounter.allCases.count)
        let nothing = [UInt64](repeating: 0, count: LatencyCounts.classCount)
        histograms = [[UInt64]](repeating: nothing, count: LoopHistogram.allCases.count)
    }

    init(_ board: Board) {
        counters = LoopCounter.allCases.map { board.total($0) }
        histograms = LoopHistogram.allCases.map { board.counts($0) }
    }

    func counts(_ histogram: LoopHistogram) -> [UInt64] { histograms[histogram.rawValue] }

    /// What a counter has grown by.
    func growth(_ counter: LoopCounter, _ board: Board) -> UInt64 {
        let now = board.total(counter)
        return now - min(now, counters[counter.rawValue])
    }
}
