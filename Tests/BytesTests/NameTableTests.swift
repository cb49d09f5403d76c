import Testing

@testable import ClarionBytes

struct NameTableTests {
    /// Random insertions, removals and questions; `spread` says how many different hashes there are, `step` how far
    /// apart: few and near ones make long runs, also over the end of the table.
    @Test(arguments: [(1, 1), (7, 1), (60, 1), (64, 64), (1000, 1), (1 << 30, 1)])
    func agreesWithAModel(_ spread: Int, _ step: Int) {
        var numbers = Numbers(UInt64(spread))
        var table = NameTable()
        var model: [UInt32: UInt64] = [:]
        var nextSlot: UInt32 = 0
        let most = spread < 100 ? 80 : 3000
        var grows = true
        for _ in 0..<20_000 {
            // Up and down, so that the table grows and shrinks.
            if model.count >= most { grows = false } else if model.isEmpty { grows = true }
            if numbers.below(10) < (grows ? 7 : 3) {
                let hash = UInt64(numbers.below(spread) * step) &- 6
                table.insert(hash, slot: nextSlot)
                model[nextSlot] = hash
                nextSlot += 1
            } else if let (slot, hash) = model.randomElement(using: &numbers) {
                check(table.find(hash) { $0 == slot } == slot)
                table.remove(hash, slot: slot)
                model[slot] = nil
                check(table.find(hash) { $0 == slot } == nil)
            }
            check(table.count == model.count)
        }
        for (slot, hash) in model { check(table.find(hash) { $0 == slot } == slot) }
        for (slot, hash) in model { table.remove(hash, slot: slot) }
        check(table.count == 0)
    }

    @Test
    func asksOnlyAboutTheSameHash() {
        var table = NameTable()
        for slot in 0..<UInt32(40) { table.insert(UInt64(slot % 4), slot: slot) }
        var asked: [UInt32] = []
        let found = table.find(2) { slot in
            asked.append(slot)
            return false
        }
        check(found == nil && asked.sorted() == (0..<10).map { UInt32($0 * 4 + 2) })
    }

    @Test
    func removingWhatIsNotThereIsABug() async {
        await #expect(processExitsWith: .failure) {
            var table = NameTable()
            table.insert(1, slot: 1)
            table.remove(1, slot: 2)
        }
    }
}

extension Numbers: RandomNumberGenerator {}
