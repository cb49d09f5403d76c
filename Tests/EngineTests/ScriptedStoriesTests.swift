import Glibc
import Testing

@testable import ClarionEngine

/// Stories from many seeds. `CLARION_SEEDS` says how many for each kind (default 300), `CLARION_SEED` tells one alone;
/// a story that goes wrong names its seed.
struct ScriptedStoriesTests {
    private static let seedsDefault = 300
    private static let partCount = 12

    static func number(_ name: String) -> Int? { unsafe getenv(name).flatMap { unsafe Int(String(cString: $0)) } }

    /// The seeds of one part of a kind of story.
    static func seeds(_ part: Int) -> [UInt64] {
        if let seed = number("CLARION_SEED") { return part == 0 ? [UInt64(seed)] : [] }
        let count = number("CLARION_SEEDS") ?? seedsDefault
        return stride(from: part, to: count, by: partCount).map { UInt64($0) }
    }

    func tell(_ part: Int, _ kind: (UInt64) -> Story.Kind) throws {
        for seed in ScriptedStoriesTests.seeds(part) {
            let replay = "Replay with CLARION_SEED=\(seed)."
            let faults = try Invariants.$story.withValue(replay) { try Story(seed: seed, kind(seed)).run() }
            #expect(faults == [], "\(replay)")
            if !faults.isEmpty { return }
        }
    }

    @Test(arguments: 0..<partCount)
    func oneWorker(_ part: Int) throws { try tell(part) { _ in Story.Kind() } }

    @Test(arguments: 0..<partCount)
    func severalWorkers(_ part: Int) throws {
        try tell(part) { seed in
            var kind = Story.Kind()
            kind.workerCount = seed % 2 == 0 ? 2 : 4
            kind.steps = 150
            return kind
        }
    }

    @Test(arguments: 0..<partCount)
    func slowReadersAreClosed(_ part: Int) throws { try tell(part) { slow($0, .close) } }

    @Test(arguments: 0..<partCount)
    func slowReadersSkip(_ part: Int) throws { try tell(part) { slow($0, $0 % 2 == 0 ? .skip : .conflate) } }

    @Test(arguments: 0..<partCount)
    func compressed(_ part: Int) throws {
        try tell(part) { seed in
            var kind = Story.Kind()
            kind.workerCount = [1, 2, 4][Int(seed % 3)]
            kind.steps = 150
            kind.isDeflated = true
            return kind
        }
    }

    @Test(arguments: 0..<partCount)
    func compressedForSlowReaders(_ part: Int) throws {
        try tell(part) { seed in
            var kind = slow(seed, [.close, .skip, .conflate][Int(seed / 3 % 3)])
            kind.isDeflated = true
            return kind
        }
    }

    func slow(_ seed: UInt64, _ policy: SlowConsumerPolicy) -> Story.Kind {
        var kind = Story.Kind()
        kind.workerCount = [1, 2, 4][Int(seed % 3)]
        kind.policy = policy
        kind.isSlow = true
        kind.channelCount = 3
        kind.steps = 200
        return kind
    }
}
