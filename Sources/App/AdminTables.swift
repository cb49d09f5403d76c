import ClarionAdmin

/// Answers of the admin socket as tables for a terminal. What came from clients is shown without control characters.
enum AdminTables {
    static func channels(_ answer: AdminValue) -> String {
        let list = answer["channels"]?.list ?? []
        var rows = [["subscriptions", "app", "channel"]]
        rows += list.map { [count($0["subscriptions"]), plain($0["app"]), plain($0["channel"])] }
        return table(rows) + more(answer, shown: list.count, "channels")
    }

    static func readers(_ answer: AdminValue) -> String {
        let list = answer["connections"]?.list ?? []
        var rows = [["socket", "worker", "app", "protocol", "channels", "behind", "blocked", "silent"]]
        rows += list.map { connection in
            let behind = (connection["lagBytes"]?.integer ?? 0) + (connection["outboxBytes"]?.integer ?? 0)
            return [
                plain(connection["socket"]), count(connection["worker"]), plain(connection["app"]),
                plain(connection["protocol"]), count(connection["subscriptions"]), bytes(behind),
                "\(count(connection["blockedSeconds"])) s", "\(count(connection["silentSeconds"])) s",
            ]
        }
        return table(rows) + more(answer, shown: list.count, "connections")
    }

    static func connection(_ answer: AdminValue) -> String {
        var text = ""
        if case .object(let members) = answer {
            text = table(members.filter { $0.name != "channels" }.map { [$0.name, plain($0.value)] })
        }
        let channels = (answer["channels"]?.list ?? []).map { [plain($0["app"]), plain($0["channel"])] }
        return channels.isEmpty ? text : text + "\nchannels\n" + table(channels)
    }

    static func message(_ value: AdminValue) -> String {
        if let dropped = value["dropped"]?.integer { return "… \(dropped) messages came too fast to be shown" }
        return "\(plain(value["app"])) \(plain(value["channel"])) #\(count(value["offset"])) \(plain(value["message"]))"
    }

    /// What a reload did, without what it did not.
    static func reload(_ answer: AdminValue) -> String {
        let words = [
            ("applied", "applied"), ("needsRestart", "needs a restart"), ("appsAdded", "applications added"),
            ("appsChanged", "applications changed"), ("appsRemoved", "applications removed"), ("warnings", "warning"),
        ]
        let lines: [String] = words.compactMap { name, word in
            guard let list = answer[name]?.list, !list.isEmpty else { return nil }
            return "\(word): \(list.map(plain).joined(separator: ", "))"
        }
        return lines.isEmpty ? "nothing has changed" : lines.joined(separator: "\n")
    }

    /// Columns as wide as their widest cell.
    static func table(_ rows: [[String]]) -> String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            return "  " + cells.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    private static func more(_ answer: AdminValue, shown: Int, _ what: String) -> String {
        let total = answer["total"]?.integer ?? shown
        return total > shown ? "\n  … of \(grouped(total)) \(what)" : shown == 0 ? "\n  no \(what)" : ""
    }

    static func count(_ value: AdminValue?) -> String { grouped(value?.integer ?? 0) }

    /// A number with spaces between groups of three digits.
    static func grouped(_ number: Int) -> String {
        var digits = String(number.magnitude)
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        groups.insert(digits, at: 0)
        return (number < 0 ? "-" : "") + groups.joined(separator: " ")
    }

    static func bytes(_ count: Int) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(count)
        var unit = 0
        while value >= 1024 && unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : "\(decimal(value)) \(units[unit])"
    }

    /// With one digit behind the point.
    static func decimal(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(grouped(tenths / 10)).\(abs(tenths % 10))"
    }

    /// A value for a cell: texts as they are but for control characters, which a terminal would obey.
    static func plain(_ value: AdminValue?) -> String {
        switch value {
        case .text(let text)?:
            return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? "\u{FFFD}" : $0 }))
        case .null?, nil: return "-"
        case .integer(let number)?: return grouped(number)
        case let other?: return plain(.text(other.json))
        }
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
