import ClarionLog

extension Configuration {
    /// The effective settings as a table for people: key, value, source.
    public func table() -> String {
        let rows = [("setting", "value", "source")] + entries.map { ($0.key, quoted($0.value), "\($0.source)") }
        let keyWidth = rows.map(\.0.count).max() ?? 0
        let valueWidth = min(rows.map(\.1.count).max() ?? 0, Self.valueWidthMax)
        return rows.map { "\(padded($0.0, keyWidth))  \(padded($0.1, valueWidth))  \($0.2)" }.joined(separator: "\n")
    }

    /// The same as one JSON object: `{"settings":[{"key":…,"value":…,"source":…},…],"warnings":[…]}`. Secrets are the
    /// string of their mask, `none` is null.
    public func json() -> String {
        var text = "{\"settings\":["
        for (index, entry) in entries.enumerated() {
            text.append(index == 0 ? "\n  {\"key\":" : ",\n  {\"key\":")
            appendJSONString(entry.key, to: &text)
            text.append(",\"value\":")
            appendJSON(entry.value, to: &text)
            text.append(",\"source\":")
            appendJSONString("\(entry.source)", to: &text)
            text.append("}")
        }
        text.append("\n],\"warnings\":[")
        for (index, warning) in warnings.enumerated() {
            if index > 0 { text.append(",") }
            appendJSONString(warning, to: &text)
        }
        text.append("]}")
        return text
    }

    /// Values longer than this push their source to the right.
    private static let valueWidthMax = 32

    private func quoted(_ value: SettingValue) -> String {
        value == .text("") || value == .list([]) ? "(empty)" : value.shown
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private func appendJSON(_ value: SettingValue, to text: inout String) {
        switch value {
        case .text(let string): appendJSONString(string, to: &text)
        case .integer(let number): text.append(String(number))
        case .boolean(let flag): text.append(flag ? "true" : "false")
        case .nothing: text.append("null")
        case .masked: appendJSONString(value.shown, to: &text)
        case .list(let items):
            text.append("[")
            for (index, item) in items.enumerated() {
                if index > 0 { text.append(",") }
                appendJSONString(item, to: &text)
            }
            text.append("]")
        }
    }
}
