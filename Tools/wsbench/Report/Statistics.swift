import Glibc

/// A sequence of numbers decided by a seed (SplitMix64), so that the same files give the same interval.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// An estimate and the interval that holds the true value with the confidence that was asked for.
public struct Estimate: Equatable, Sendable, Codable {
    /// The best guess, and the ends of the interval.
    public var value, lower, upper: Double
}

/// What a comparison needs of statistics.
enum Statistics {
    static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

    /// With n - 1 below the line; 0 for fewer than two values.
    static func variance(_ values: [Double]) -> Double {
        guard values.count > 1 else { return 0 }
        let middle = mean(values)
        return values.reduce(0) { $0 + ($1 - middle) * ($1 - middle) } / Double(values.count - 1)
    }

    /// Welch: the difference of the means of two samples whose variances may differ, with its interval. Nil with fewer
    /// than two values on a side.
    static func welch(_ first: [Double], _ second: [Double], confidence: Double) -> Estimate? {
        guard first.count > 1, second.count > 1 else { return nil }
        let difference = mean(second) - mean(first)
        let (one, two) = (variance(first) / Double(first.count), variance(second) / Double(second.count))
        guard one + two > 0 else { return Estimate(value: difference, lower: difference, upper: difference) }
        let freedom =
            (one + two) * (one + two)
            / (one * one / Double(first.count - 1) + two * two / Double(second.count - 1))
        let reach = studentQuantile((1 + confidence) / 2, degreesOfFreedom: freedom) * (one + two).squareRoot()
        return Estimate(value: difference, lower: difference - reach, upper: difference + reach)
    }

    /// The value below which Student's t lies with a probability of 0.5 to 1.
    static func studentQuantile(_ probability: Double, degreesOfFreedom: Double) -> Double {
        var low = 0.0
        var high = 1.0
        while studentCumulative(high, degreesOfFreedom: degreesOfFreedom) < probability, high < 1e12 { high *= 2 }
        for _ in 0..<200 {
            let middle = (low + high) / 2
            if studentCumulative(middle, degreesOfFreedom: degreesOfFreedom) < probability {
                low = middle
            } else {
                high = middle
            }
        }
        return (low + high) / 2
    }

    /// The probability that Student's t lies below a value that is not negative.
    static func studentCumulative(_ value: Double, degreesOfFreedom: Double) -> Double {
        let part = degreesOfFreedom / (degreesOfFreedom + value * value)
        return 1 - incompleteBeta(part, degreesOfFreedom / 2, 0.5) / 2
    }

    /// The regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8).
    static func incompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
        if x <= 0 { return 0 }
        if x >= 1 { return 1 }
        let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
        // The fraction converges fast on one side of the middle; the other is its mirror.
        if x > (a + 1) / (a + b + 2) { return 1 - incompleteBeta(1 - x, b, a) }
        let tiny = 1e-300
        var c = 1.0
        var d = 1 - (a + b) * x / (a + 1)
        d = 1 / (d.magnitude < tiny ? tiny : d)
        var fraction = d
        for index in 1...500 {
            let m = Double(index)
            for term in [
                m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
            ] {
                d = 1 + term * d
                d = 1 / (d.magnitude < tiny ? tiny : d)
                c = 1 + term / c
                if c.magnitude < tiny { c = tiny }
                fraction *= c * d
            }
            if (c * d - 1).magnitude < 1e-15 { break }
        }
        return front * fraction / a
    }

    /// The value that a share of the values does not exceed, between neighbours in proportion.
    static func quantile(_ quantile: Double, ofSorted values: [Double]) -> Double {
        guard values.count > 1 else { return values.first ?? 0 }
        let place = quantile * Double(values.count - 1)
        let below = min(values.count - 2, Int(place))
        return values[below] + (values[below + 1] - values[below]) * (place - Double(below))
    }

    /// Chooses as many places as there are, in blocks of neighbours (going round at the end): neighbouring intervals of
    /// a run resemble each other, and single ones would promise too much.
    static func blockSample(count: Int, block: Int, using generator: inout SeededGenerator) -> [Int] {
        var chosen: [Int] = []
        chosen.reserveCapacity(count + block)
        while chosen.count < count {
            let first = Int.random(in: 0..<count, using: &generator)
            for offset in 0..<block { chosen.append((first + offset) % count) }
        }
        return Array(chosen.prefix(count))
    }
}
