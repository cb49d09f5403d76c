import ClarionBytes
import ScriptedBackend
import Testing

@testable import ClarionEngine

/// What a worker gives up while memory is short, and that those who read lose nothing by it.
struct ScriptedSheddingTests {
    private static let padding = String(repeating: "x", count: 100)

    private func publish(_ client: ScriptedClient, _ numbers: Range<Int>) {
        for number in numbers { client.send("P a \(number) \(ScriptedSheddingTests.padding)") }
    }

    private func numbers(_ client: ScriptedClient) -> [Int] {
        client.takeTexts().compactMap { $0.split(separator: " ").first.flatMap { Int($0) } }
    }

    /// Logs have used up what they may have. A reader that can take bytes gets everything, however much comes at once;
    /// one that is blocked loses its place.
    @Test(arguments: [MemoryLevel.ample, .logs])
    func shortLogsCutBlockedReadersOnly(_ level: MemoryLevel) throws {
        var plan = ScriptedNode.Plan(workerCount: 1)
        plan.receiveBufferBytes = 4096
        plan.socketBytes = 1024...1024
        plan.limits.logBytesMax = 64 << 10
        plan.limits.blockBytesMax = level == .logs ? 32 << 10 : 4 << 10
        let node = try ScriptedNode(plan)
        let publisher = node.connect(0)
        let blocked = node.connect(0)
        let good = (0..<20).map { _ in node.connect(0, socketBytesMax: 1 << 20) }
        for client in good + [blocked] { client.send("S a") }
        #expect(node.settle())
        for client in good + [blocked] { _ = client.takeTexts() }
        let core = node.cores[0]
        core.shed(level)
        blocked.peer.readsAlways = false
        for round in 0..<10 {
            publish(publisher, round * 100..<(round + 1) * 100)
            _ = node.settle()
            core.checkInvariants()
        }
        #expect(node.workers[0].handler.farewells == [.slowConsumer])
        #expect((core.counters.shedLogs > 0) == (level == .logs))
        blocked.peer.readsAlways = true
        #expect(node.settle())
        for client in good { #expect(numbers(client) == Array(0..<1000)) }
        node.endAll([publisher, blocked] + good)
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    /// Contexts go back and none is taken until memory is there again; meanwhile every message is compressed by itself.
    @Test func contextsGoAndTheirConnectionsStay() throws {
        var plan = ScriptedNode.Plan(workerCount: 1)
        plan.limits.deflate.mode = .dedicated
        plan.limits.deflate.messageBytesMin = 64
        plan.receiveBufferBytes = 4096
        plan.socketBytes = 1 << 20...1 << 20
        let node = try ScriptedNode(plan)
        let core = node.cores[0]
        let readers = (0..<5).map { _ in ScriptedClient(node.workers[0].kernel.connect()) }
        for reader in readers {
            reader.upgrade(offering: "permessage-deflate; client_max_window_bits")
            reader.send("S a")
        }
        #expect(node.settle())
        for reader in readers { _ = reader.takeTexts() }
        var expectedEncoders = 5
        for (index, level) in [MemoryLevel.ample, .contexts, .logs, .ample].enumerated() {
            core.shed(level)
            if level != .ample { expectedEncoders = 0 }
            publish(readers[0], index * 10..<(index + 1) * 10)
            #expect(node.settle())
            if level == .ample { expectedEncoders = 5 }
            #expect(encoders(core) == expectedEncoders, "\(level)")
            for reader in readers {
                #expect(numbers(reader) == Array(index * 10..<(index + 1) * 10), "\(level)")
                #expect(reader.deflatedCount == (index + 1) * 10 && reader.faults == [], "\(level)")
            }
        }
        #expect(core.counters.shedContexts == 5)
        node.endAll(readers)
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    private func encoders(_ core: Core) -> Int {
        (0..<UInt32(core.deflate.contexts.touched)).count { index in
            let context = unsafe core.deflate.contexts[index]
            return unsafe core.deflate.contexts.isInUse(index) && context.pointee.encoder != nil
        }
    }
}
