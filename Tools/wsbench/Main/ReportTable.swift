import WSBenchCore

/// The result as a table for people.
enum ReportTable {
    static func text(_ report: BenchReport) -> String {
        ([report] + report.parts).map(table).joined(separator: "\n\n")
    }

    private static func table(_ report: BenchReport) -> String {
        var lines: [(String, String)] = []
        var pace = ""
        if let window = report.window { pace = "window \(window)\(report.burst ? " in bursts" : "")" }
        if let rate = report.rate { pace = "rate \(number(rate, decimals: 0)) /s" }
        let sizes = "\(report.connections) connections, \(report.channels) channels, \(report.textBytes) bytes"
        lines.append(
            (report.name ?? report.shape, "\(report.dialect), \(sizes)" + (report.shape == "idle" ? "" : ", \(pace)")))
        if report.seconds > 0 {
            lines.append(("measured", "\(number(report.seconds, decimals: 2)) s"))
            lines.append(("published", "\(number(report.publishedPerSecond, decimals: 0)) /s"))
            lines.append(("delivered", "\(number(report.deliveredPerSecond, decimals: 0)) /s"))
        }
        if let cost = report.serverMicrosecondsPerDelivery {
            let share = number((report.serverCPUShare ?? 0) * 100, decimals: 0)
            lines.append(("server CPU", "\(number(cost, decimals: 3)) µs per delivery (\(share) % of a processor)"))
        }
        if let cost = report.ownMicrosecondsPerDelivery {
            lines.append(("wsbench CPU", "\(number(cost, decimals: 3)) µs per delivery"))
        }
        if let latency = report.latency {
            lines.append(("latency", percentiles(latency)))
        }
        lines += scenarioLines(report)
        if let memory = report.memory {
            let each = number(memory.residentBytesPerConnection, decimals: 0)
            let share = number(memory.proportionalBytesPerConnection, decimals: 0)
            lines.append(("server memory", "\(each) bytes resident per connection (proportional \(share))"))
            let moments = [memory.beforeBytes, memory.connectedBytes, memory.endBytes].map { "\($0 / 1_024)" }
            lines.append(("", "\(moments.joined(separator: " → ")) KiB before, connected, at the end"))
        }
        lines.append(
            ("lost", "\(report.lost), doubled \(report.doubled), reordered \(report.reordered), late \(report.late)"))
        lines += faults(report)
        let width = lines.map(\.0.count).max() ?? 0
        return lines.map { "\($0.0)\(String(repeating: " ", count: width - $0.0.count))  \($0.1)" }.joined(
            separator: "\n")
    }

    private static func faults(_ report: BenchReport) -> [(String, String)] {
        var lines: [(String, String)] = []
        let counts: [(String, Int)] = [
            ("not connected", report.connectFailures + report.unopened), ("not subscribed", report.unsubscribed),
            ("disconnected", Int(report.disconnected)), ("invalid frames", Int(report.invalidFrames)),
            ("foreign", Int(report.foreign)), ("held back", Int(report.heldBack)),
        ]
        for (name, count) in counts where count > 0 { lines.append((name, "\(count)")) }
        if report.stalled { lines.append(("stalled", "nothing arrived for too long")) }
        if let failure = report.failure { lines.append(("failure", failure)) }
        if !report.isGood, let text = report.latestText { lines.append(("server said", text)) }
        return lines
    }

    /// A number with a fixed count of decimals.
    static func number(_ value: Double, decimals: Int) -> String {
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (value * scale).rounded()
        guard scaled.magnitude < 1e15 else { return "\(value)" }
        let whole = Int(scaled.magnitude)
        let sign = scaled < 0 ? "-" : ""
        guard decimals > 0 else { return "\(sign)\(whole)" }
        let fraction = String(whole % Int(scale))
        return "\(sign)\(whole / Int(scale))." + String(repeating: "0", count: decimals - fraction.count) + fraction
    }
}
