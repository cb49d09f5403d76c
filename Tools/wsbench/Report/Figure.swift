/// Numbers as people read them. Groups of three digits are set apart by a narrow no-break space.
public enum Figure {
    private static let groupSeparator = "\u{202F}"

    /// A number with a fixed count of decimals, without groups and independent of the locale.
    public static func fixed(_ value: Double, decimals: Int) -> String {
        guard value.isFinite else { return "-" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (value * scale).rounded()
        guard scaled.magnitude < 1e18 else { return "\(value)" }
        let digits = UInt64(scaled.magnitude)
        let sign = scaled < 0 ? "-" : ""
        guard decimals > 0 else { return "\(sign)\(digits)" }
        let divisor = UInt64(scale)
        let fraction = String(digits % divisor)
        return "\(sign)\(digits / divisor)." + String(repeating: "0", count: decimals - fraction.count) + fraction
    }

    /// A number with up to three decimals, without zeros at the end.
    public static func trimmed(_ value: Double) -> String {
        var text = fixed(value, decimals: 3)
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return text
    }

    /// A whole number in groups of three digits.
    public static func count(_ value: Double) -> String {
        let digits = Array(fixed(value, decimals: 0))
        guard digits.count > 4 else { return String(digits) }
        var text = ""
        for (index, digit) in digits.enumerated() {
            let left = digits.count - index
            if index > 0, left % 3 == 0, digits[index - 1] != "-" { text += groupSeparator }
            text.append(digit)
        }
        return text
    }

    /// A number with about three digits that matter.
    public static func brief(_ value: Double) -> String {
        switch value.magnitude {
        case 100...: count(value)
        case 10...: fixed(value, decimals: 1)
        case 0: "0"
        default: fixed(value, decimals: 2)
        }
    }

    /// A time given in microseconds, in the unit that suits it.
    public static func time(microseconds value: Double) -> String {
        switch value.magnitude {
        case 1e6...: "\(brief(value / 1e6)) s"
        case 1e3...: "\(brief(value / 1e3)) ms"
        default: "\(brief(value)) µs"
        }
    }

    /// A size in bytes, in the binary unit that suits it.
    public static func bytes(_ value: Double) -> String {
        switch value.magnitude {
        case 1_073_741_824...: "\(brief(value / 1_073_741_824)) GiB"
        case 1_048_576...: "\(brief(value / 1_048_576)) MiB"
        case 10_240...: "\(brief(value / 1_024)) KiB"
        default: "\(count(value)) bytes"
        }
    }

    /// A change such as `+3.2 %`, given as a ratio minus one.
    public static func change(_ value: Double) -> String {
        let percent = value * 100
        let decimals = percent.magnitude < 10 ? 2 : 1
        return (percent > 0 ? "+" : "") + fixed(percent, decimals: decimals) + " %"
    }

    /// A share of processors as percent of one.
    public static func share(_ value: Double) -> String { "\(fixed(value * 100, decimals: 0)) %" }
}
