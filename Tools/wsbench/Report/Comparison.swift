/// How side B differs from side A, number by number.
///
/// With two runs or more on both sides the runs are the sample: Welch's interval of the difference of the logarithms,
/// which is one of the ratio. With a single run on a side its intervals are the sample: they are drawn anew in blocks
/// of neighbours many times on both sides, and the ratio of what comes of it has the interval (bootstrap). That one
/// knows how much a run varies within itself and nothing of how runs differ, so it is narrower than the truth: several
/// runs are better.
public struct Comparison: Sendable {
    /// Where the interval of a change comes from.
    public enum Method: String, Codable, Sendable {
        /// Whole runs, compared by Welch.
        case runs
        /// Intervals within single runs, by bootstrap.
        case withinRuns
        /// There is nothing to take one from.
        case none
    }

    /// What became of a number.
    public enum Judgement: String, Codable, Sendable {
        /// The whole interval of the change lies on one side of zero.
        case better, worse
        /// It does not, or there is no interval.
        case unclear
    }

    /// One number on both sides.
    public struct Row: Sendable {
        /// Which number.
        public var metric: Metric
        /// Its mean over the runs of each side.
        public var first, second: Double
        /// The change of B against A as a ratio minus one; without an interval both ends are the value.
        public var change: Estimate
        /// Where the interval comes from.
        public var method: Method
        /// What became of the number.
        public var judgement: Judgement
    }

    /// The runs.
    public let first, second: [RunResult]
    /// What both sides have, in the order of `Metric.all`.
    public let rows: [Row]
    /// How sure the intervals are, 0 to 1.
    public let confidence: Double
    /// What makes the two sides hard to compare, a sentence each.
    public let warnings: [String]

    static let drawsUsual = 1_000
    /// Fewer intervals than this say nothing of how a run varies.
    static let intervalsMin = 8
    private static let seed: UInt64 = 0x57_53_42_45_4E_43_48

    /// Compares runs, at least one on each side.
    public init(_ first: [RunResult], _ second: [RunResult], confidence: Double = 0.95) {
        self.init(first, second, confidence: confidence, draws: Self.drawsUsual)
    }

    init(_ first: [RunResult], _ second: [RunResult], confidence: Double, draws: Int) {
        precondition(!first.isEmpty && !second.isEmpty)
        self.first = first
        self.second = second
        self.confidence = confidence
        warnings = Self.warnings(first, second)
        let drawn = first.count > 1 && second.count > 1 ? nil : Self.draw(first, second, draws: draws)
        rows = Metric.all.compactMap { metric in
            let one = first.compactMap { metric.ofRun($0) }
            let two = second.compactMap { metric.ofRun($0) }
            // A side on which only some runs have the number is not that side.
            guard one.count == first.count, two.count == second.count else { return nil }
            let (before, after) = (Statistics.mean(one), Statistics.mean(two))
            guard before > 0 else { return nil }
            let value = after / before - 1
            var row = Row(
                metric: metric, first: before, second: after,
                change: Estimate(value: value, lower: value, upper: value), method: .none, judgement: .unclear)
            if let change = Self.betweenRuns(one, two, confidence: confidence) {
                row.change = change
                row.method = .runs
            } else if let drawn, let change = Self.withinRuns(metric, drawn, value: value, confidence: confidence) {
                row.change = change
                row.method = .withinRuns
            }
            if row.method != .none, row.change.lower > 0 || row.change.upper < 0 {
                row.judgement = (row.change.value > 0) == metric.isBetterHigher ? .better : .worse
            }
            return row
        }
    }

    // MARK: Between runs

    private static func betweenRuns(_ first: [Double], _ second: [Double], confidence: Double) -> Estimate? {
        guard (first + second).allSatisfy({ $0 > 0 }),
            let ratio = Statistics.welch(
                first.map { Logarithm.of($0) }, second.map { Logarithm.of($0) }, confidence: confidence)
        else { return nil }
        return Estimate(
            value: Logarithm.undo(ratio.value) - 1, lower: Logarithm.undo(ratio.lower) - 1,
            upper: Logarithm.undo(ratio.upper) - 1)
    }

    // MARK: Within runs

    /// One draw: what each side's chosen intervals add up to.
    private typealias Draw = (first: Metric.Pieces, second: Metric.Pieces)

    private static func draw(_ first: [RunResult], _ second: [RunResult], draws: Int) -> [Draw]? {
        guard let one = Side(first), let two = Side(second) else { return nil }
        var generator = SeededGenerator(seed: seed)
        return (0..<draws).map { _ in (one.draw(using: &generator), two.draw(using: &generator)) }
    }

    private static func withinRuns(_ metric: Metric, _ drawn: [Draw], value: Double, confidence: Double) -> Estimate? {
        guard let find = metric.ofPieces else { return nil }
        var changes: [Double] = []
        for draw in drawn {
            guard let before = find(draw.first), let after = find(draw.second), before > 0 else { return nil }
            changes.append(after / before - 1)
        }
        changes.sort()
        let tail = (1 - confidence) / 2
        return Estimate(
            value: value, lower: min(value, Statistics.quantile(tail, ofSorted: changes)),
            upper: max(value, Statistics.quantile(1 - tail, ofSorted: changes)))
    }

    /// The intervals of one side's runs, ready to be drawn from.
    private struct Side {
        let intervals: [Interval]
        let block: Int
        let intended: DenseHistogram?
        let service: DenseHistogram?
        let intendedPlaces: [[(place: Int, count: UInt64)]]
        let servicePlaces: [[(place: Int, count: UInt64)]]

        init?(_ runs: [RunResult]) {
            let intervals = runs.flatMap(\.measured)
            guard intervals.count >= Comparison.intervalsMin else { return nil }
            self.intervals = intervals
            // The usual length for a bootstrap in blocks: the third root of how many there are.
            block = max(1, Int(Logarithm.undo(Logarithm.of(Double(intervals.count)) / 3).rounded()))
            (intended, intendedPlaces) = Self.lay(intervals.compactMap(\.intended), all: intervals.count)
            (service, servicePlaces) = Self.lay(intervals.compactMap(\.service), all: intervals.count)
        }

        private static func lay(
            _ histograms: [HistogramSnapshot], all: Int
        ) -> (DenseHistogram?, [[(place: Int, count: UInt64)]]) {
            guard histograms.count == all else { return (nil, []) }
            let dense = DenseHistogram(valuesOf: histograms)
            return (dense, histograms.map { dense.places(of: $0) })
        }

        func draw(using generator: inout SeededGenerator) -> Metric.Pieces {
            var pieces = Metric.Pieces()
            pieces.intended = intended
            pieces.service = service
            for index in Statistics.blockSample(count: intervals.count, block: block, using: &generator) {
                let interval = intervals[index]
                pieces.seconds += interval.seconds
                pieces.published += Double(interval.published)
                pieces.delivered += Double(interval.delivered)
                pieces.serverCPUSeconds = add(pieces.serverCPUSeconds, interval.serverCPUShare, interval.seconds)
                pieces.ownCPUSeconds = add(pieces.ownCPUSeconds, interval.ownCPUShare, interval.seconds)
                if intended != nil {
                    for counter in intendedPlaces[index] { pieces.intended?.counts[counter.place] += counter.count }
                }
                if service != nil {
                    for counter in servicePlaces[index] { pieces.service?.counts[counter.place] += counter.count }
                }
            }
            return pieces
        }

        private func add(_ sum: Double?, _ share: Double?, _ seconds: Double) -> Double? {
            guard let sum, let share else { return nil }
            return sum + share * seconds
        }
    }

    // MARK: Warnings

    private static func warnings(_ first: [RunResult], _ second: [RunResult]) -> [String] {
        var found: [String] = []
        let all = first + second
        for (name, side) in [("A", first), ("B", second)] {
            for (index, run) in side.enumerated() where !run.verdict.isGood {
                let which = side.count == 1 ? "" : ", run \(index + 1)"
                let reason = run.verdict.reasons.first.map { ": \($0)" } ?? ""
                found.append("\(name)\(which) is no good result\(reason)")
            }
        }
        func differs<Value: Hashable>(_ what: String, _ value: (RunResult) -> Value, _ show: (Value) -> String) {
            let values = Set(all.map(value))
            guard values.count > 1 else { return }
            let shown = values.map(show).sorted().joined(separator: ", ")
            found.append("the runs differ in \(what): \(shown)")
        }
        differs("scenario", { $0.scenario.name }, { $0 })
        differs("protocol", { $0.scenario.dialect }, { $0 })
        differs("connections", { $0.scenario.connections }, { "\($0)" })
        differs("channels", { $0.scenario.channels }, { "\($0)" })
        differs("message size", { $0.scenario.messageBytes }, { "\($0) bytes" })
        differs("messages in flight", { $0.scenario.window }, { $0.map { "\($0)" } ?? "open loop" })
        differs("rate", { $0.scenario.perSecond }, { $0.map { "\(Figure.count($0)) /s" } ?? "closed loop" })
        differs("processor", { $0.environment.processor }, { $0 ?? "unknown" })
        differs("usable processors", { $0.environment.processorsUsable }, { "\($0)" })
        differs("kernel", { $0.environment.kernel }, { $0 })
        return found
    }
}
