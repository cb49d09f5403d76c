import FoundationEssentials

/// The result of a run as one page that needs nothing else: styles, scripts and data are in it, and it fetches nothing.
///
/// The page is put together from the files in Page/, which the build puts into the program. Charts are drawn by its
/// script from the result itself, so the page also holds all numbers.
public enum ReportPage {
    /// More points than this on a curve cannot be told apart.
    private static let curvePointsMax = 400.0
    /// More intervals than this on a chart cannot either.
    private static let intervalsMax = 600

    /// What the script reads.
    private struct PageData: Encodable {
        struct Fault: Encodable {
            var name: String
            var count: UInt64
        }
        /// Points of latency by percentile: how many nines deep (`-log10(1 - quantile)`), and microseconds.
        struct Curves: Encodable {
            var intended, service: [[Double]]?
        }
        var result: RunResult
        var curves: Curves
        var faults: [Fault]
        var partFaults: [UInt64]
    }

    /// The whole page.
    public static func html(_ result: RunResult) throws -> String {
        var shown = result
        shown.coarsen(intervalsMax: intervalsMax)
        // The curves are drawn from the sums; the page would only grow by the histograms of the intervals.
        for index in shown.intervals.indices {
            if shown.intervals[index].p50 == nil, let latency = shown.intervals[index].intended.flatMap({ Latency($0) })
            {
                shown.intervals[index].p50 = latency.p50
                shown.intervals[index].p99 = latency.p99
            }
            shown.intervals[index].intended = nil
            shown.intervals[index].service = nil
        }
        let data = PageData(
            result: shown,
            curves: PageData.Curves(
                intended: result.latency.intended.map { curve($0.histogram) },
                service: result.latency.service.map { curve($0.histogram) }),
            faults: result.checks.faults.map { PageData.Fault(name: $0.name, count: $0.count) },
            partFaults: result.parts.map(\.checks.total))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let json = String(decoding: try encoder.encode(data), as: UTF8.self)
        return fill(
            text(PackageResources.page_html),
            [
                "title": escaped("wsbench: \(result.scenario.label ?? result.scenario.name)"),
                "style": text(PackageResources.page_css),
                "chart": text(PackageResources.chart_js),
                "content": text(PackageResources.content_js),
                "text": escaped(TextReport.text(result)),
                // Within a script element only `<` could end it; in JSON it may be written in this way everywhere.
                "data": json.split(separator: "<", omittingEmptySubsequences: false).joined(separator: "\\u003c"),
            ])
    }

    /// Latency by percentile, with as many points as can be seen.
    static func curve(_ histogram: HistogramSnapshot) -> [[Double]] {
        guard histogram.count > 0 else { return [] }
        let total = Double(histogram.count)
        let deepest = max(1, Logarithm.ofTen(total))
        var points: [[Double]] = []
        var seen: UInt64 = 0
        var drawn = -1.0
        for counter in histogram.counters {
            let value = Double(histogram.layout.highestValue(at: counter.index)) / 1e3
            let isFirst = seen == 0
            seen += counter.count
            let left = Double(histogram.count - seen)
            let depth = left > 0 ? min(deepest, -Logarithm.ofTen(left / total)) : deepest
            if isFirst { points.append([0, value]) }
            guard depth - drawn >= deepest / curvePointsMax || left == 0 else { continue }
            drawn = depth
            points.append([rounded(depth), value])
        }
        return points
    }

    private static func rounded(_ value: Double) -> Double { (value * 1e4).rounded() / 1e4 }

    /// Puts texts in the places `{{name}}` of a template. What is put in is not searched again.
    static func fill(_ template: String, _ texts: [String: String]) -> String {
        var filled = ""
        var rest = template[...]
        while let start = rest.firstRange(of: "{{"), let end = rest[start.upperBound...].firstRange(of: "}}") {
            filled += rest[..<start.lowerBound]
            filled += texts[String(rest[start.upperBound..<end.lowerBound])] ?? ""
            rest = rest[end.upperBound...]
        }
        return filled + rest
    }

    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.append(character)
            }
        }
        return escaped
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
