/// How HdrHistogram deals values out to counters: buckets that double in width, each cut into equally many counters.
///
/// With three digits the first 2 048 counters are one unit wide, the next 1 024 two units, the next four, and so on.
public struct HistogramLayout: Equatable, Sendable {
    /// The lowest value told apart from zero, rounded down to a power of two: the unit of the narrowest counters.
    public let lowestDiscernibleValue: UInt64
    /// The highest value that has a counter.
    public let highestTrackableValue: UInt64
    /// Decimal digits that are kept.
    public let significantDigits: Int

    /// log2 of the unit, and of half the counters of a bucket.
    private let unitMagnitude: Int
    private let halfCountMagnitude: Int

    /// The most digits that the format knows.
    public static let significantDigitsMax = 5
    /// The widest layout: values beyond this are never latencies.
    public static let highestTrackableValueMax: UInt64 = 1 << 60

    /// Nil when the three do not make a layout.
    public init?(lowestDiscernibleValue: UInt64, highestTrackableValue: UInt64, significantDigits: Int) {
        guard lowestDiscernibleValue >= 1, highestTrackableValue <= Self.highestTrackableValueMax,
            lowestDiscernibleValue <= highestTrackableValue / 2,
            (0...Self.significantDigitsMax).contains(significantDigits)
        else { return nil }
        self.lowestDiscernibleValue = lowestDiscernibleValue
        self.highestTrackableValue = highestTrackableValue
        self.significantDigits = significantDigits
        unitMagnitude = 63 - lowestDiscernibleValue.leadingZeroBitCount
        var exact = 2
        for _ in 0..<significantDigits { exact *= 10 }
        var countMagnitude = 1
        while 1 << countMagnitude < exact { countMagnitude += 1 }
        halfCountMagnitude = countMagnitude - 1
        guard unitMagnitude + countMagnitude <= 61 else { return nil }
    }

    /// The counter of a value; values above the highest share the last one.
    public func index(of value: UInt64) -> Int {
        let value = min(value, highestTrackableValue)
        let mask = (UInt64(2) << UInt64(halfCountMagnitude)) - 1
        let highestBit = 63 - (value | mask << UInt64(unitMagnitude)).leadingZeroBitCount
        let bucket = highestBit - unitMagnitude - halfCountMagnitude
        let position = Int(value >> UInt64(bucket + unitMagnitude))
        return bucket << halfCountMagnitude + position
    }

    /// How many counters there are.
    public var count: Int { index(of: highestTrackableValue) + 1 }

    /// The lowest value that a counter counts.
    public func lowestValue(at index: Int) -> UInt64 {
        let (bucket, position) = place(of: index)
        return UInt64(position) << UInt64(bucket + unitMagnitude)
    }

    /// The highest value that a counter counts, which is what percentiles report.
    public func highestValue(at index: Int) -> UInt64 {
        let (bucket, position) = place(of: index)
        return (UInt64(position) + 1) << UInt64(bucket + unitMagnitude) - 1
    }

    private func place(of index: Int) -> (bucket: Int, position: Int) {
        let half = 1 << halfCountMagnitude
        let bucket = max(0, index >> halfCountMagnitude - 1)
        return (bucket, bucket == 0 ? index : index & (half - 1) + half)
    }
}
