import ClarionBytes
import ScriptedBackend
import Testing

@testable import ClarionEngine

struct ChannelLogTests {
    /// A log beside a list of its messages.
    private struct Model {
        var messages: [(bytes: [UInt8], end: UInt64, offset: UInt64)] = []
        var start: UInt64 = 0
        var head: UInt64 = 0
    }

    private func append(
        _ log: inout ChannelLog, _ model: inout Model, _ pool: inout BlockPool, _ bytes: [UInt8], _ stamp: UInt64
    ) {
        if !log.fits(bytes.count) { log.grow(bytes.count, pool: &pool) }
        #expect(log.fits(bytes.count))
        unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            let view = unsafe ByteView(base: base, count: buffer.count)
            log.append(view, stamp: stamp, offset: stamp * 3, excludedSlot: 0, excludedGeneration: 0)
        }
        model.head += UInt64(bytes.count)
        model.messages.append((bytes, model.head, stamp * 3))
    }

    @Test(arguments: 1...8)
    func agreesWithAModel(_ seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var pool = BlockPool()
        var log = ChannelLog()
        var model = Model()
        for step in 1...3000 {
            switch random.below(10) {
            case 0...5:
                let bytes = (0..<random.between(1, random.below(20) == 0 ? 3000 : 60)).map { _ in
                    UInt8(random.below(256))
                }
                append(&log, &model, &pool, bytes, UInt64(step))
            case 6...8:
                let dropped = random.below(model.messages.count + 1) / random.between(1, 3)
                log.dropFirst(dropped)
                if dropped > 0 {
                    model.start = model.messages[dropped - 1].end
                    model.messages.removeFirst(dropped)
                }
            default:
                guard random.below(10) == 0 else { continue }
                log.reset(pool: &pool)
                model.messages = []
                model.start = model.head
                #expect(pool.outstandingBytes == 0)
            }
            log.checkInvariants()
            #expect(log.head == model.head && log.start == model.start && Int(log.entryCount) == model.messages.count)
            #expect(log.byteCount == Int(model.head - model.start))
            guard !model.messages.isEmpty else { continue }
            // Any message: where it begins and ends, and its bytes.
            let index = random.below(model.messages.count)
            let beginning = index == 0 ? model.start : model.messages[index - 1].end
            #expect(log.beginning(ofEntry: index) == beginning)
            for position in [beginning, beginning + 1, model.messages[index].end - 1]
            where position < model.messages[index].end {
                #expect(log.entryIndex(behind: position) == index)
            }
            let count = model.messages[index].bytes.count
            let held = unsafe Array(UnsafeBufferPointer(start: log.pointer(at: beginning), count: count))
            #expect(held == model.messages[index].bytes)
        }
        #expect(log.entryIndex(behind: log.head) == Int(log.entryCount))
        log.reset(pool: &pool)
        #expect(pool.outstandingBytes == 0)
    }
}
