/// The result of a run as a table for a terminal.
public enum TextReport {
    /// The whole table, without a line end at the end.
    public static func text(_ result: RunResult) -> String {
        var blocks = [pairs(head(result))]
        let latencies = latencyTable(result)
        if !latencies.isEmpty { blocks.append(latencies) }
        if !result.steps.isEmpty { blocks.append(stepTable(result.steps)) }
        let details = result.details.map { ($0.name, value($0)) }
        if !details.isEmpty { blocks.append(pairs(details)) }
        if !result.parts.isEmpty { blocks.append(partTable(result.parts)) }
        blocks.append(pairs(checks(result)))
        return blocks.joined(separator: "\n\n")
    }

    private static func head(_ result: RunResult) -> [(String, String)] {
        let scenario = result.scenario
        var lines = [
            (
                scenario.name,
                "\(scenario.dialect), \(plural(scenario.connections, "connection")), "
                    + "\(plural(scenario.channels, "channel"))" + pace(scenario)
            )
        ]
        if let label = scenario.label { lines.append(("label", label)) }
        if let server = result.environment.server { lines.append(("server", server.line)) }
        if result.seconds > 0 {
            lines.append(("measured", "\(Figure.fixed(result.seconds, decimals: 2)) s"))
            lines.append(("published", "\(Figure.count(result.publishedPerSecond)) /s"))
            var delivered = "\(Figure.count(result.deliveredPerSecond)) /s"
            if let ratio = result.deliveryRatio {
                delivered += "  (\(Figure.fixed(ratio * 100, decimals: 4)) % of expected)"
            }
            lines.append(("delivered", delivered))
        }
        if let cost = result.cost.serverMicrosecondsPerDelivery {
            let share = result.cost.serverCPUShare.map { "  (\(Figure.share($0)) of a processor)" } ?? ""
            lines.append(("server CPU", "\(Figure.fixed(cost, decimals: 3)) µs per delivery\(share)"))
        } else if let share = result.cost.serverCPUShare {
            lines.append(("server CPU", "\(Figure.share(share)) of a processor"))
        }
        if let cost = result.cost.ownMicrosecondsPerDelivery {
            let share = result.cost.ownCPUShare.map { "  (\(Figure.share($0)) of a processor)" } ?? ""
            lines.append(("wsbench CPU", "\(Figure.fixed(cost, decimals: 3)) µs per delivery\(share)"))
        }
        if let machine = machineLine(result.machine) { lines.append(("machine", machine)) }
        if let memory = result.memory {
            let each = Figure.count(memory.residentBytesPerConnection)
            let share = memory.proportionalBytesPerConnection.map { " (proportional \(Figure.count($0)))" } ?? ""
            lines.append(("server memory", "\(each) bytes resident per connection\(share)"))
            let moments = [memory.beforeBytes, memory.connectedBytes, memory.endBytes].map { Figure.bytes(Double($0)) }
            lines.append(("", "\(moments.joined(separator: " → ")) before, connected, at the end"))
        }
        if let wire = result.wireBytes, let payload = result.payloadBytes, wire > 0, payload > 0 {
            let ratio = Figure.fixed(Double(wire) / Double(payload) * 100, decimals: 1)
            lines.append(("received", "\(Figure.bytes(Double(wire))) on the wire, \(ratio) % of the payload"))
        }
        return lines
    }

    /// What the machine did to the run, as far as it is known.
    private static func machineLine(_ machine: MachineMeasure?) -> String? {
        guard let machine else { return nil }
        var parts: [String] = []
        if let stolen = machine.stolenShare {
            parts.append("\(Figure.fixed(stolen * 100, decimals: 1)) % stolen by the one below")
        }
        let waits = [("server", machine.serverWaitShare), ("wsbench", machine.ownWaitShare)].compactMap { name, share in
            share.map { "\(name) \(Figure.fixed($0, decimals: 2))" }
        }
        if !waits.isEmpty { parts.append("threads waiting for a processor: \(waits.joined(separator: ", "))") }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }

    private static func latencyTable(_ result: RunResult) -> String {
        let rows: [(String, Latency?)] = [
            ("intended", result.latency.intended), ("service", result.latency.service), ("connect", result.connects),
        ]
        let others = result.timings.map { ($0.name, $0.latency as Latency?) }
        let measured = (rows + others).compactMap { name, latency in latency.map { (name, $0) } }
        guard !measured.isEmpty else { return "" }
        var table = TextTable(firstRight: 1)
        table.add(["latency", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max", "of"])
        for (name, latency) in measured {
            let values = [
                latency.mean, latency.p50, latency.p90, latency.p99, latency.p999, latency.p9999, latency.max,
            ]
            table.add([name] + values.map { Figure.time(microseconds: $0) } + [Figure.count(Double(latency.count))])
        }
        return table.text
    }

    private static func stepTable(_ steps: [Step]) -> String {
        var table = TextTable(firstRight: 0)
        table.add(["rate tried", "delivered", "latency", "bound"])
        for step in steps {
            table.add([
                "\(Figure.count(step.perSecond)) /s", "\(Figure.count(step.deliveredPerSecond)) /s",
                Figure.time(microseconds: step.latency),
                step.isKept ? "kept" : "broken" + (step.reason.map { ": \($0)" } ?? ""),
            ])
        }
        return table.text
    }

    private static func partTable(_ parts: [RunResult]) -> String {
        var table = TextTable(firstRight: 1)
        table.add(["part", "delivered", "p50", "p99", "faults"])
        for part in parts {
            table.add([
                part.scenario.label ?? part.scenario.name, "\(Figure.count(part.deliveredPerSecond)) /s",
                part.latency.intended.map { Figure.time(microseconds: $0.p50) } ?? "-",
                part.latency.intended.map { Figure.time(microseconds: $0.p99) } ?? "-",
                Figure.count(Double(part.checks.total)),
            ])
        }
        return table.text
    }

    private static func checks(_ result: RunResult) -> [(String, String)] {
        let checks = result.checks
        var lines = [("lost", "\(checks.lost), doubled \(checks.doubled), reordered \(checks.reordered)")]
        for (name, count) in checks.faults.dropFirst(3) + [("late", checks.late)] where count > 0 {
            lines.append((name, Figure.count(Double(count))))
        }
        lines += result.verdict.notes.map { ("note", $0) }
        if result.verdict.isGood {
            lines.append(("verdict", "good"))
        } else {
            for (index, reason) in result.verdict.reasons.enumerated() {
                lines.append((index == 0 ? "verdict" : "", reason))
            }
            if result.verdict.reasons.isEmpty { lines.append(("verdict", "not good")) }
        }
        return lines
    }

    // MARK: Parts

    private static func pairs(_ lines: [(String, String)]) -> String {
        var table = TextTable(firstRight: 2)
        for (name, text) in lines { table.add([name, text]) }
        return table.text
    }

    static func pace(_ scenario: Scenario) -> String {
        var text = scenario.messageBytes > 0 ? ", \(Figure.bytes(Double(scenario.messageBytes)))" : ""
        if let perSecond = scenario.perSecond { text += ", open loop at \(Figure.count(perSecond)) messages/s" }
        if let window = scenario.window { text += ", closed loop with \(Figure.count(Double(window))) in flight" }
        return text
    }

    static func plural(_ count: Int, _ noun: String) -> String {
        "\(Figure.count(Double(count))) \(noun)\(count == 1 ? "" : "s")"
    }

    /// A number of a scenario with its unit.
    static func value(_ detail: Detail) -> String {
        switch detail.unit {
        case "µs": Figure.time(microseconds: detail.value)
        case "bytes": Figure.bytes(detail.value)
        case "": detail.value == detail.value.rounded() ? Figure.count(detail.value) : Figure.brief(detail.value)
        default: "\(Figure.brief(detail.value)) \(detail.unit)"
        }
    }
}

extension RunResult {
    /// The part of what should have been delivered that was; nil where that is not known.
    public var deliveryRatio: Double? {
        guard let expected, expected > 0 else { return nil }
        return Double(delivered) / Double(expected)
    }
}

extension ServerIdentity {
    /// One line for people.
    var line: String {
        var parts = [[name, version].compactMap { $0 }.joined(separator: " ")].filter { !$0.isEmpty }
        if parts.isEmpty, let program { parts.append(program) }
        if let backend { parts.append(backend) }
        if let workers { parts.append(TextReport.plural(workers, "worker")) }
        return parts.isEmpty ? "says nothing of itself" : parts.joined(separator: ", ")
    }
}
