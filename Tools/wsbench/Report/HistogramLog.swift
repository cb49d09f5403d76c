/// A log of histograms as HdrHistogram's tools read it (format version 1.3): a line for each interval, with the
/// histogram in encoding V2. Values are nanoseconds, the largest of an interval is given in milliseconds.
///
/// Two tags: `intended` for latencies from the intended send time, `service` for those from the real one; `connect` for
/// how long connecting took. Intervals without their own histograms give one line for the whole run.
public enum HistogramLog {
    private static let nanosecondsPerUnitOfMaximum = 1e6

    /// The whole log of a run.
    public static func text(_ result: RunResult) -> String {
        let start = result.environment.startedAtSeconds
        var lines = [
            "#[wsbench \(result.scenario.name), latencies in nanoseconds]",
            "#[Histogram log format version 1.3]",
            "#[StartTime: \(fixed(start)) (seconds since epoch), \(result.environment.startedAt)]",
            "#[BaseTime: \(fixed(start)) (seconds since epoch)]",
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"",
        ]
        if let connects = result.connects?.histogram {
            lines.append(line(tag: "connect", at: 0, seconds: result.seconds, connects))
        }
        let kinds: [(String, Latency?, (Interval) -> HistogramSnapshot?)] = [
            ("intended", result.latency.intended, { $0.intended }),
            ("service", result.latency.service, { $0.service }),
        ]
        var timed: [(at: Double, line: String)] = []
        for (tag, whole, part) in kinds {
            let parts = result.intervals.compactMap { interval in part(interval).map { (interval, $0) } }
            if parts.isEmpty, let whole {
                timed.append((0, line(tag: tag, at: 0, seconds: result.seconds, whole.histogram)))
            }
            for (interval, histogram) in parts {
                timed.append(
                    (interval.atSeconds, line(tag: tag, at: interval.atSeconds, seconds: interval.seconds, histogram)))
            }
        }
        // Readers take intervals in the order of their times. Sorting in Swift keeps the order of equals.
        lines += timed.sorted { $0.at < $1.at }.map(\.line)
        return lines.joined(separator: "\n") + "\n"
    }

    private static func line(tag: String, at start: Double, seconds: Double, _ histogram: HistogramSnapshot) -> String {
        let largest = Double(histogram.maximum) / nanosecondsPerUnitOfMaximum
        return "Tag=\(tag),\(fixed(start)),\(fixed(seconds)),\(fixed(largest)),\(HistogramCodec.encode(histogram))"
    }

    private static func fixed(_ value: Double) -> String { Figure.fixed(value, decimals: 3) }
}
