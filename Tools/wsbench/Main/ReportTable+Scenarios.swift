import WSBenchCore

// The lines of what only some scenarios measure.
extension ReportTable {
    static func scenarioLines(_ report: BenchReport) -> [(String, String)] {
        var lines: [(String, String)] = []
        func add(_ name: String, _ latency: BenchReport.Latency?) {
            if let latency { lines.append((name, percentiles(latency))) }
        }
        add("service latency", report.serviceLatency)
        if report.handshakesPerSecond > 0 {
            let rate = number(report.handshakesPerSecond, decimals: 0)
            lines.append(("handshakes", "\(rate) /s in \(number(report.rampSeconds, decimals: 2)) s"))
        }
        add("connect latency", report.connectLatency)
        add("publish answers", report.publishLatency)
        if let storm = report.storm {
            let time =
                storm.secondsUntilAllBack.map { "all back after \(number($0, decimals: 3)) s" } ?? "not all came back"
            let rate = number(storm.handshakesPerSecond, decimals: 0)
            lines.append(("storm", "\(storm.dropped) dropped, \(storm.returned) back, \(time), \(rate) handshakes/s"))
            add("health", storm.up)
            if storm.upFailures > 0 { lines.append(("", "\(storm.upFailures) health requests failed")) }
        }
        if let slow = report.slow {
            let faults = "lost \(slow.lost), doubled \(slow.doubled), reordered \(slow.reordered)"
            lines.append(
                ("slow readers", "\(slow.readers), closed by the server \(slow.closedByServer), \(faults)"))
        }
        if let churn = report.churn {
            let rate = number(churn.subscribedPerSecond, decimals: 0)
            lines.append(("churn", "\(rate) subscriptions/s, \(churn.afterEnd) messages after an end"))
            add("subscribe", churn.subscribe)
        }
        if let presence = report.presence {
            lines.append(("presence", "\(presence.joined) joined, \(presence.left) left"))
            let added = "\(presence.added) of \(presence.addedExpected)"
            lines.append(("", "arrivals told \(added), departures \(presence.removed) of \(presence.removedExpected)"))
        }
        if let maximum = report.maximum {
            let rate = maximum.rate.map { "\(number($0, decimals: 0)) /s published" } ?? "no rate holds it"
            let bound = "p\(maximum.percentile) at most \(number(maximum.bound, decimals: 0)) µs"
            lines.append(("highest rate", "\(rate), \(bound), \(maximum.steps.count) steps"))
        }
        return lines
    }

    static func percentiles(_ latency: BenchReport.Latency) -> String {
        let parts = [
            ("p50", latency.p50), ("p90", latency.p90), ("p99", latency.p99), ("p99.9", latency.p999),
            ("max", latency.max),
        ]
        return parts.map { "\($0.0) \(number($0.1, decimals: 0))" }.joined(separator: "  ") + "  µs"
    }
}
