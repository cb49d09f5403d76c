/// A number that two sides of a comparison have in common.
public struct Metric: Sendable {
    /// What it is called on the command line, and in a table.
    public var key: String
    public var title: String
    /// Whether more is better; otherwise less is.
    public var isBetterHigher: Bool
    /// How it is shown.
    var unit: Unit
    /// How it is found in a whole run; nil where it was not measured.
    var ofRun: @Sendable (RunResult) -> Double?
    /// How it is found in pieces of a run; nil for numbers that pieces do not have.
    var ofPieces: (@Sendable (Pieces) -> Double?)?

    /// How a number is shown.
    enum Unit: Sendable { case microseconds, perSecond, bytes, microsecondsPerDelivery, count, share }

    /// A value with its unit.
    func text(_ value: Double) -> String {
        switch unit {
        case .microseconds: Figure.time(microseconds: value)
        case .perSecond: "\(Figure.count(value)) /s"
        case .bytes: Figure.bytes(value)
        case .microsecondsPerDelivery: "\(Figure.fixed(value, decimals: 3)) µs"
        case .count: Figure.count(value)
        case .share: Figure.share(value)
        }
    }

    /// What is chosen from a run's intervals, with their histograms added up.
    struct Pieces {
        var seconds = 0.0
        var published = 0.0
        var delivered = 0.0
        var serverCPUSeconds: Double? = 0
        var ownCPUSeconds: Double? = 0
        var intended: DenseHistogram?
        var service: DenseHistogram?
    }

    /// All that can be compared, in the order of the table.
    public static let all: [Metric] = [
        Metric(
            key: "delivered", title: "delivered", isBetterHigher: true, unit: .perSecond,
            ofRun: { positive($0.deliveredPerSecond) },
            ofPieces: { $0.seconds > 0 ? positive($0.delivered / $0.seconds) : nil }),
        Metric(
            key: "published", title: "published", isBetterHigher: true, unit: .perSecond,
            ofRun: { positive($0.publishedPerSecond) },
            ofPieces: { $0.seconds > 0 ? positive($0.published / $0.seconds) : nil }),
        latency("p50", "p50", 0.5), latency("p90", "p90", 0.9), latency("p99", "p99", 0.99),
        latency("p999", "p99.9", 0.999), latency("max", "max", 1),
        service("service-p50", "service p50", 0.5), service("service-p99", "service p99", 0.99),
        Metric(
            key: "connect-p99", title: "connect p99", isBetterHigher: false, unit: .microseconds,
            ofRun: { $0.connects?.p99 }),
        Metric(
            key: "cpu", title: "server CPU / delivery", isBetterHigher: false, unit: .microsecondsPerDelivery,
            ofRun: { $0.cost.serverMicrosecondsPerDelivery },
            ofPieces: { pieces in
                pieces.delivered > 0 ? pieces.serverCPUSeconds.map { $0 * 1e6 / pieces.delivered } : nil
            }),
        Metric(
            key: "cpu-share", title: "server CPU", isBetterHigher: false, unit: .share,
            ofRun: { $0.cost.serverCPUShare },
            ofPieces: { pieces in pieces.seconds > 0 ? pieces.serverCPUSeconds.map { $0 / pieces.seconds } : nil }),
        Metric(
            key: "own-cpu", title: "wsbench CPU / delivery", isBetterHigher: false, unit: .microsecondsPerDelivery,
            ofRun: { $0.cost.ownMicrosecondsPerDelivery },
            ofPieces: { pieces in pieces.delivered > 0 ? pieces.ownCPUSeconds.map { $0 * 1e6 / pieces.delivered } : nil
            }),
        Metric(
            key: "memory", title: "memory / connection", isBetterHigher: false, unit: .bytes,
            ofRun: { $0.memory?.residentBytesPerConnection }),
        Metric(
            key: "rss", title: "server memory, highest", isBetterHigher: false, unit: .bytes,
            ofRun: { result in
                (result.intervals.compactMap(\.serverResidentBytes) + [result.memory?.endBytes].compactMap { $0 }).max()
                    .map(Double.init)
            }),
    ]

    private static func latency(_ key: String, _ title: String, _ quantile: Double) -> Metric {
        Metric(
            key: key, title: "latency \(title)", isBetterHigher: false, unit: .microseconds,
            ofRun: { $0.latency.intended.map { Double($0.histogram.value(at: quantile)) / 1e3 } },
            ofPieces: { $0.intended?.value(at: quantile).map { Double($0) / 1e3 } })
    }

    private static func service(_ key: String, _ title: String, _ quantile: Double) -> Metric {
        Metric(
            key: key, title: title, isBetterHigher: false, unit: .microseconds,
            ofRun: { $0.latency.service.map { Double($0.histogram.value(at: quantile)) / 1e3 } },
            ofPieces: { $0.service?.value(at: quantile).map { Double($0) / 1e3 } })
    }

    private static func positive(_ value: Double) -> Double? { value > 0 ? value : nil }
}

/// Histograms of one run's intervals laid over each other, so that any choice of them is added up quickly: a counter
/// for each value that occurs in any.
struct DenseHistogram {
    /// The values of the counters in nanoseconds, rising, and what is counted.
    let values: [UInt64]
    var counts: [UInt64]

    /// No count yet, for all values of these histograms.
    init(valuesOf histograms: [HistogramSnapshot]) {
        var seen: Set<UInt64> = []
        for histogram in histograms {
            for counter in histogram.counters { seen.insert(histogram.layout.highestValue(at: counter.index)) }
        }
        values = seen.sorted()
        counts = [UInt64](repeating: 0, count: values.count)
    }

    /// Where each counter of a histogram lies here.
    func places(of histogram: HistogramSnapshot) -> [(place: Int, count: UInt64)] {
        var places: [(place: Int, count: UInt64)] = []
        var next = 0
        for counter in histogram.counters {
            let value = histogram.layout.highestValue(at: counter.index)
            while next < values.count, values[next] < value { next += 1 }
            places.append((next, counter.count))
        }
        return places
    }

    /// The value that a share of all does not exceed; nil when nothing is counted.
    func value(at quantile: Double) -> UInt64? {
        let total = counts.reduce(0, +)
        guard total > 0 else { return nil }
        let wanted = min(total, max(1, UInt64((quantile * Double(total)).rounded(.up))))
        var seen: UInt64 = 0
        for (place, count) in counts.enumerated() {
            seen += count
            if seen >= wanted { return values[place] }
        }
        return values.last
    }
}
