import Testing

@testable import WSBenchCore

@Suite struct FrontierTests {
    @Test func itStandsWhereTheSlowestStands() {
        var frontier = Frontier(span: 8)
        defer { frontier.free() }
        for _ in 0..<3 { frontier.join() }
        let moved1 = frontier.move(from: 1, to: 4)
        #expect(!moved1)
        let moved2 = frontier.move(from: 1, to: 2)
        #expect(!moved2)
        #expect(frontier.position == 1)
        let moved3 = frontier.move(from: 1, to: 3)
        #expect(moved3)
        #expect(frontier.position == 2)
        let moved4 = frontier.move(from: 2, to: 4)
        #expect(moved4)
        #expect(frontier.position == 3)
    }

    @Test func whoeverLeavesHoldsNobodyBack() {
        var frontier = Frontier(span: 8)
        defer { frontier.free() }
        for _ in 0..<2 { frontier.join() }
        let moved5 = frontier.move(from: 1, to: 5)
        #expect(!moved5)
        let moved6 = frontier.remove(at: 1)
        #expect(moved6)
        #expect(frontier.position == 5)
        let moved7 = frontier.remove(at: 5)
        #expect(moved7)
        #expect(frontier.members == 0)
    }

    @Test func itAgreesWithTheMinimumOverManyMoves() {
        var frontier = Frontier(span: 64)
        defer { frontier.free() }
        var positions = [UInt64](repeating: 1, count: 20)
        for _ in positions { frontier.join() }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let index = Int.random(in: 0..<positions.count, using: &generator)
            let room = positions.min()! + 60 - positions[index]
            let old = positions[index]
            positions[index] += UInt64.random(in: 0...room, using: &generator)
            let before = frontier.position
            let moved = frontier.move(from: old, to: positions[index])
            #expect(frontier.position == positions.min()!)
            #expect(moved == (frontier.position != before))
        }
    }
}
