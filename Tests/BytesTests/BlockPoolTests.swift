import Testing

@testable import ClarionBytes

struct BlockPoolTests {
    @Test
    func givesPowersOfTwo() {
        var pool = BlockPool()
        let cases = [(0, 256), (1, 256), (256, 256), (257, 512), (512, 512), (513, 1024), (100_000, 131_072)]
        for (bytes, capacity) in cases {
            var block = pool.take(bytes)
            check(Int(block.capacity) == capacity && pool.outstandingBytes == capacity, "\(bytes)")
            pool.give(&block)
            check(unsafe block.base == nil && block.capacity == 0 && pool.outstandingBytes == 0)
            // Giving nothing back is nothing.
            pool.give(&block)
            check(pool.outstandingBytes == 0)
        }
    }

    @Test
    func usesBlocksAgain() {
        var pool = BlockPool()
        var first = pool.take(300)
        let address = unsafe first.base
        pool.give(&first)
        var second = pool.take(500)
        check(unsafe second.base == address)
        pool.give(&second)
    }

    @Test
    func growingKeepsWhatIsUsed() {
        var pool = BlockPool()
        var block = Block()
        var model: [UInt8] = []
        for number in 0..<3000 {
            pool.grow(&block, used: model.count, to: model.count + 1)
            let byte = UInt8(truncatingIfNeeded: number &* 31)
            unsafe block.base![model.count] = byte
            model.append(byte)
        }
        check(model.enumerated().allSatisfy { unsafe block.base![$0.offset] == $0.element })
        check(pool.outstandingBytes == 4096 && block.capacity == 4096)
        pool.give(&block)
        check(pool.outstandingBytes == 0)
    }

    /// Blocks in use are all apart, keep their bytes, and are counted.
    @Test
    func agreesWithAModel() {
        var numbers = Numbers(2)
        var pool = BlockPool()
        var blocks: [(block: Block, mark: UInt8)] = []
        for step in 0..<5000 {
            if numbers.below(3) > 0 || blocks.isEmpty {
                let block = pool.take(numbers.below(5000))
                let mark = UInt8(truncatingIfNeeded: step)
                unsafe block.base!.initialize(repeating: mark, count: Int(block.capacity))
                blocks.append((block, mark))
            } else {
                var (block, mark) = blocks.remove(at: numbers.below(blocks.count))
                let last = Int(block.capacity) - 1
                check(unsafe block.base![0] == mark && block.base![last / 2] == mark && block.base![last] == mark)
                pool.give(&block)
            }
            if blocks.count > 200 {
                for index in blocks.indices { pool.give(&blocks[index].block) }
                blocks = []
            }
            check(pool.outstandingBytes == blocks.reduce(0) { $0 + Int($1.block.capacity) })
        }
        for index in blocks.indices { pool.give(&blocks[index].block) }
        check(pool.outstandingBytes == 0)
    }
}
