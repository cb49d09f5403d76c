/// How often each time was measured: pairs of a time and a count, in rising order of time.
///
/// Times are in nanoseconds, each the highest of its class; classes are at most a thousandth wide. It is written as one
/// flat list, `[time, count, time, count, …]`.
public struct LatencyDistribution: Codable, Sendable, Equatable {
    /// The times, rising.
    public private(set) var nanoseconds: [UInt64] = []
    /// How often each was measured.
    public private(set) var counts: [UInt64] = []
    /// The sum of the counts.
    public private(set) var total: UInt64 = 0

    /// A distribution of nothing.
    public init() {}

    /// Adds a time that is higher than all before it.
    public mutating func append(nanoseconds time: UInt64, count: UInt64) {
        precondition(nanoseconds.last.map { $0 < time } ?? true)
        nanoseconds.append(time)
        counts.append(count)
        total += count
    }

    /// The time that `percent` of all do not exceed; 0 when nothing was measured.
    public func nanoseconds(atPercentile percent: Double) -> UInt64 {
        let wanted = max(1, UInt64((percent / 100 * Double(total)).rounded(.up)))
        var seen: UInt64 = 0
        for (index, count) in counts.enumerated() {
            seen += count
            if seen >= wanted { return nanoseconds[index] }
        }
        return nanoseconds.last ?? 0
    }

    /// Reads the flat list.
    public init(from decoder: any Decoder) throws {
        var list = try decoder.unkeyedContainer()
        while !list.isAtEnd {
            let time = try list.decode(UInt64.self)
            let count = try list.decode(UInt64.self)
            guard nanoseconds.last.map({ $0 < time }) ?? true else {
                throw DecodingError.dataCorruptedError(in: list, debugDescription: "the times do not rise")
            }
            append(nanoseconds: time, count: count)
        }
    }

    /// Writes the flat list.
    public func encode(to encoder: any Encoder) throws {
        var list = encoder.unkeyedContainer()
        for (time, count) in zip(nanoseconds, counts) {
            try list.encode(time)
            try list.encode(count)
        }
    }
}

extension BenchReport.Latency {
    /// Reads the percentiles off a distribution; nil when it is empty.
    public init?(_ distribution: LatencyDistribution) {
        guard distribution.total > 0 else { return nil }
        func microseconds(_ percent: Double) -> Double {
            Double(distribution.nanoseconds(atPercentile: percent)) / 1e3
        }
        self.init(
            count: distribution.total, p50: microseconds(50), p90: microseconds(90), p99: microseconds(99),
            p999: microseconds(99.9), max: microseconds(100), distribution: distribution)
    }
}
