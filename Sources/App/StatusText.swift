import ClarionAdmin

/// The picture of a node that `clarion status` prints and `clarion top` repeats.
struct StatusText {
    let now: AdminValue
    /// An earlier answer, to tell rates by.
    let before: AdminValue?
    /// Between the two.
    let seconds: Double

    var text: String {
        var lines = [headline, ""]
        lines.append(AdminTables.table(totals))
        if let workers = now["workers"]?.list, workers.count > 1 {
            lines += ["", AdminTables.table(rows(of: workers))]
        }
        if let apps = now["apps"]?.list, !apps.isEmpty {
            let rows = apps.map { [AdminTables.count($0["connections"]), AdminTables.plain($0["id"])] }
            lines += ["", AdminTables.table([["connections", "application"]] + rows)]
        }
        if case .object(let reasons)? = now["closed"], !reasons.isEmpty {
            let rows = reasons.sorted { ($0.value.integer ?? 0) > ($1.value.integer ?? 0) }.map {
                [AdminTables.count($0.value), $0.name]
            }
            lines += ["", AdminTables.table([["closed", "reason"]] + rows)]
        }
        return lines.joined(separator: "\n")
    }

    private var headline: String {
        let memory = AdminTables.bytes(now["residentBytes"]?.integer ?? 0)
        var text = "clarion \(AdminTables.plain(now["version"])) on \(AdminTables.plain(now["address"]))"
        text += ", \(AdminTables.plain(now["backend"])), process \(now["pid"]?.integer ?? 0)"
        text += ", up \(StatusText.duration(now["uptimeSeconds"]?.integer ?? 0)), \(memory)"
        if let share = rate(now, before, "processorMicroseconds") {
            text += ", \(AdminTables.decimal(share / 10_000)) % of a processor"
        }
        return text
    }

    private var totals: [[String]] {
        let total = now["totals"] ?? .null
        let earlier = before?["totals"]
        func line(_ title: String, _ name: String) -> [String] {
            let perSecond = rate(total, earlier, name).map { AdminTables.grouped(Int($0.rounded())) + "/s" }
            return [title, AdminTables.count(total[name]), perSecond ?? ""]
        }
        func bytes(_ title: String, _ name: String) -> [String] {
            let perSecond = rate(total, earlier, name).map { AdminTables.bytes(Int($0)) + "/s" }
            return [title, AdminTables.bytes(total[name]?.integer ?? 0), perSecond ?? ""]
        }
        return [
            ["connections", AdminTables.count(total["connections"])],
            ["subscriptions", AdminTables.count(total["subscriptions"])],
            ["channels", AdminTables.count(total["channels"])],
            line("accepted", "accepted"), line("published", "publishes"), line("delivered", "deliveries"),
            line("messages in", "messagesIn"), bytes("bytes in", "bytesIn"), bytes("bytes out", "bytesOut"),
            line("readers blocked", "readersBlocked"), line("skipped", "skipped"),
            ["longest turn", AdminTables.decimal(Double(total["turnMicrosecondsMax"]?.integer ?? 0) / 1000) + " ms"],
        ]
    }

    private func rows(of workers: [AdminValue]) -> [[String]] {
        let earlier = before?["workers"]?.list
        var rows = [["worker", "connections", "channels", "delivered/s", "mail", "longest turn"]]
        for (number, worker) in workers.enumerated() {
            let perSecond = rate(worker, earlier.flatMap { $0.count > number ? $0[number] : nil }, "deliveries")
            rows.append([
                "\(number)", AdminTables.count(worker["connections"]), AdminTables.count(worker["channels"]),
                perSecond.map { AdminTables.grouped(Int($0.rounded())) } ?? "-",
                AdminTables.count(worker["mailWaiting"]),
                AdminTables.decimal(Double(worker["turnMicrosecondsMax"]?.integer ?? 0) / 1000) + " ms",
            ])
        }
        return rows
    }

    private func rate(_ now: AdminValue, _ before: AdminValue?, _ name: String) -> Double? {
        guard seconds > 0, let new = now[name]?.number, let old = before?[name]?.number else { return nil }
        return max(new - old, 0) / seconds
    }

    /// Days, hours, minutes, seconds: the two largest that are not 0.
    static func duration(_ seconds: Int) -> String {
        let parts = [
            (seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s"),
        ]
        let shown = parts.drop { $0.0 == 0 }.prefix(2).map { "\($0.0) \($0.1)" }
        return shown.isEmpty ? "0 s" : shown.joined(separator: " ")
    }
}
