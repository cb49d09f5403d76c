import Testing

@testable import WSBenchReport

/// The expected values are those of SciPy 1.x.
@Suite struct StatisticsTests {
    private func isNear(_ value: Double, _ expected: Double, by tolerance: Double = 1e-6) -> Bool {
        (value - expected).magnitude <= tolerance * max(1, expected.magnitude)
    }

    @Test func studentsQuantiles() {
        let known = [(1.0, 12.70620474), (2.5, 3.57465484), (10, 2.22813885), (1_000, 1.96233908)]
        for (freedom, value) in known {
            #expect(isNear(Statistics.studentQuantile(0.975, degreesOfFreedom: freedom), value))
        }
        #expect(isNear(Statistics.incompleteBeta(0.3, 2, 5), 0.579825))
        #expect(isNear(Statistics.incompleteBeta(0.7, 5, 2), 1 - 0.579825))
        #expect(Statistics.incompleteBeta(0, 2, 5) == 0 && Statistics.incompleteBeta(1, 2, 5) == 1)
    }

    @Test func welchsInterval() throws {
        let found = try #require(
            Statistics.welch([10.1, 10.4, 9.8, 10.0, 10.3], [11.0, 11.6, 10.2, 11.9], confidence: 0.95))
        #expect(isNear(found.value, 1.055))
        #expect(isNear(found.lower, -0.09304872694))
        #expect(isNear(found.upper, 2.20304872694))
        #expect(Statistics.welch([1], [1, 2], confidence: 0.95) == nil)
        #expect(Statistics.welch([2, 2], [3, 3], confidence: 0.95) == Estimate(value: 1, lower: 1, upper: 1))
    }

    @Test func quantilesOfSortedValues() {
        #expect(Statistics.quantile(0.5, ofSorted: [1, 2, 3, 4]) == 2.5)
        #expect(Statistics.quantile(0, ofSorted: [1, 2]) == 1)
        #expect(Statistics.quantile(1, ofSorted: [1, 2]) == 2)
        #expect(Statistics.quantile(0.9, ofSorted: [7]) == 7)
    }

    @Test func blocksAreNeighboursAndTheSeedDecides() {
        var generator = SeededGenerator(seed: 1)
        let chosen = Statistics.blockSample(count: 10, block: 3, using: &generator)
        #expect(chosen.count == 10)
        #expect(chosen.allSatisfy { (0..<10).contains($0) })
        for start in stride(from: 0, to: 9, by: 3) {
            #expect(chosen[start + 1] == (chosen[start] + 1) % 10)
        }
        var again = SeededGenerator(seed: 1)
        #expect(Statistics.blockSample(count: 10, block: 3, using: &again) == chosen)
    }
}
