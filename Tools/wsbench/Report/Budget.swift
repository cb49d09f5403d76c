/// How much a number may change: `p99=+5%` lets it rise by five percent, `delivered=-3%` fall by three, and `cpu=-10%`
/// asks that it falls by ten.
public struct Budget: Sendable {
    /// The number.
    public var metric: Metric
    /// The most that it may rise, or, where more is better, the most that it may fall (negative): a ratio minus one.
    public var limit: Double

    /// A text that is no budget, and why.
    public struct FormatError: Error, CustomStringConvertible {
        /// The reason, for people.
        public var description: String
    }

    /// What a comparison says of a budget.
    public enum Outcome: String, Codable, Sendable {
        /// The change is within the budget.
        case kept
        /// It is beyond the budget, and it is a change beyond doubt.
        case broken
        /// It is beyond the budget, but could as well be chance: more runs would tell.
        case unclear
        /// A side does not have the number.
        case unmeasured
    }

    /// Reads a budget such as `p99=+5%`.
    public init(_ text: String) throws(FormatError) {
        let parts = text.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, let metric = Metric.all.first(where: { $0.key == parts[0] }) else {
            let keys = Metric.all.map(\.key).joined(separator: ", ")
            throw FormatError(description: "“\(text)” is no budget: write NAME=+5% or NAME=-5% with a name of \(keys)")
        }
        guard let sign = parts[1].first, sign == "+" || sign == "-", parts[1].last == "%",
            let percent = Double(parts[1].dropFirst().dropLast()), percent.isFinite, percent >= 0
        else {
            throw FormatError(
                description: "“\(text)” is no budget: the change needs a sign and a percent sign, as in +5%")
        }
        self.metric = metric
        limit = (sign == "-" ? -percent : percent) / 100
    }

    /// The text that it was read from.
    public var text: String {
        "\(metric.key)=\(limit < 0 ? "-" : "+")\(Figure.trimmed(limit.magnitude * 100))%"
    }

    /// Judges a comparison.
    public func outcome(in comparison: Comparison) -> Outcome {
        guard let row = comparison.rows.first(where: { $0.metric.key == metric.key }) else { return .unmeasured }
        let isWithin = metric.isBetterHigher ? row.change.value >= limit : row.change.value <= limit
        if isWithin { return .kept }
        // Without an interval the value is all there is to judge by.
        return row.method == .none || row.judgement == .worse || demandsGain ? .broken : .unclear
    }

    /// Whether it asks for an improvement, which doubt does not grant.
    private var demandsGain: Bool { metric.isBetterHigher ? limit > 0 : limit < 0 }
}
