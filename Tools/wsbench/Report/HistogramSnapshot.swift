/// What a histogram of nanoseconds held at a moment: its layout and the counters that are not zero.
///
/// In JSON it is one text: the histogram in HdrHistogram's encoding V2, compressed, in base64 (`HISTFAAA…`), the same
/// that stands in a log of histograms.
public struct HistogramSnapshot: Equatable, Sendable {
    /// A counter that is not zero.
    public struct Counter: Equatable, Sendable {
        /// Its place in the layout.
        public var index: Int
        /// How many values it counted, at least one.
        public var count: UInt64

        /// A counter at its place.
        public init(index: Int, count: UInt64) {
            self.index = index
            self.count = count
        }
    }

    /// How values are dealt out to counters.
    public let layout: HistogramLayout
    /// The counters that are not zero, by rising index.
    public private(set) var counters: [Counter]
    /// All values counted.
    public private(set) var count: UInt64

    /// - Parameter counters: by rising index, none of them zero.
    init(layout: HistogramLayout, counters: [Counter]) {
        self.layout = layout
        self.counters = counters
        count = counters.reduce(0) { $0 &+ $1.count }
    }

    /// Times and how often each was measured: what recorders with other layouts hold. Times are nanoseconds in any
    /// order.
    public init(_ measured: some Sequence<(nanoseconds: UInt64, count: UInt64)>) {
        var counts: [Int: UInt64] = [:]
        for (time, count) in measured where count > 0 { counts[Self.usualLayout.index(of: time), default: 0] += count }
        self.init(
            layout: Self.usualLayout,
            counters: counts.sorted { $0.key < $1.key }.map { Counter(index: $0.key, count: $0.value) })
    }

    /// One measurement of each of these times in nanoseconds.
    public init(nanoseconds values: [UInt64]) {
        self.init(values.lazy.map { (nanoseconds: $0, count: 1) })
    }

    /// For latencies in nanoseconds.
    public static let usualLayout: HistogramLayout = {
        guard
            let layout = HistogramLayout(
                lowestDiscernibleValue: 64, highestTrackableValue: 300_000_000_000, significantDigits: 3)
        else { preconditionFailure("the usual layout is no layout") }
        return layout
    }()

    /// The value in nanoseconds that `quantile` (0 to 1) of all values do not exceed, 0 when there is none. It is the
    /// highest value of its counter, as HdrHistogram has it.
    public func value(at quantile: Double) -> UInt64 {
        let wanted = min(count, max(1, UInt64((min(1, max(0, quantile)) * Double(count)).rounded(.up))))
        var seen: UInt64 = 0
        for counter in counters {
            seen += counter.count
            if seen >= wanted { return layout.highestValue(at: counter.index) }
        }
        return 0
    }

    /// The highest value in nanoseconds.
    public var maximum: UInt64 { counters.last.map { layout.highestValue(at: $0.index) } ?? 0 }
    /// The lowest value in nanoseconds.
    public var minimum: UInt64 { counters.first.map { layout.lowestValue(at: $0.index) } ?? 0 }

    /// The mean in nanoseconds, each value taken for the middle of its counter.
    public var mean: Double {
        guard count > 0 else { return 0 }
        var sum = 0.0
        for counter in counters {
            let lowest = Double(layout.lowestValue(at: counter.index))
            let highest = Double(layout.highestValue(at: counter.index))
            sum += (lowest + highest) / 2 * Double(counter.count)
        }
        return sum / Double(count)
    }

    /// Adds what another one counted. Layouts that differ are carried over value by value.
    public mutating func add(_ other: HistogramSnapshot) {
        if counters.isEmpty {
            self = other
            return
        }
        let moved =
            other.layout == layout
            ? other.counters
            : other.counters.map {
                Counter(index: layout.index(of: other.layout.highestValue(at: $0.index)), count: $0.count)
            }
        var merged: [Counter] = []
        merged.reserveCapacity(counters.count + moved.count)
        var mine = counters[...]
        var theirs = moved[...]
        while let next = [mine.first, theirs.first].compactMap({ $0?.index }).min() {
            var sum: UInt64 = 0
            while let counter = mine.first, counter.index == next {
                sum += counter.count
                mine.removeFirst()
            }
            while let counter = theirs.first, counter.index == next {
                sum += counter.count
                theirs.removeFirst()
            }
            merged.append(Counter(index: next, count: sum))
        }
        self = HistogramSnapshot(layout: layout, counters: merged)
    }
}

extension HistogramSnapshot: Codable {
    /// Reads the one text that it is in JSON.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do {
            self = try HistogramCodec.decode(text)
        } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    /// Writes it as one text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(HistogramCodec.encode(self))
    }
}
