import ClarionBytes
import ClarionLoop
import ScriptedBackend
import Testing

/// The scripted kernel keeps the contract and catches a worker that does not.
struct ScriptedTests {
    @Test(arguments: 0..<200)
    func echoesFromAnySeed(_ seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let kernel = ScriptedKernel(seed: UInt64(seed), odds: .drawn(from: &random))
        let hasErrors = kernel.odds.sendError > 0
        var options = BackendOptions(connectionsMax: 16)
        options.receiveBufferCount = 4
        options.receiveBufferBytes = 64
        kernel.install()
        let node = EchoNode(try Scripted(options: options))
        var scripts: [(peer: ScriptedPeer, bytes: [UInt8])] = []
        for number in 0..<20 {
            let bytes = (0..<random.between(1, 3000)).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ number) }
            scripts.append((kernel.connect(), bytes))
        }
        for (peer, bytes) in scripts {
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(random.between(1, 700))
                peer.write(Array(piece))
                rest = rest.dropFirst(piece.count)
                for _ in 0..<random.below(3) { node.turn() }
            }
            peer.end()
        }
        var turns = 0
        while turns < 200_000 && !(kernel.isQuiet && kernel.isEmpty) {
            node.turn()
            turns += 1
        }
        #expect(kernel.violations == [])
        #expect(kernel.isEmpty)
        for (peer, bytes) in scripts {
            #expect(peer.isClosed)
            if peer.isReset {
                #expect(hasErrors && bytes.starts(with: peer.received))
            } else {
                #expect(peer.received == bytes && peer.hasSeenEnd)
            }
        }
    }

    @Test
    func sameSeedSameStory() throws {
        func story(_ seed: UInt64) throws -> [Int] {
            let kernel = ScriptedKernel(seed: seed)
            kernel.install()
            let node = EchoNode(try Scripted(options: BackendOptions(connectionsMax: 4)))
            let peer = kernel.connect()
            peer.write(Array(repeating: 1, count: 20_000))
            var sizes: [Int] = []
            for _ in 0..<100 {
                node.turn()
                sizes.append(peer.received.count)
            }
            return sizes
        }
        #expect(try story(5) == story(5))
        #expect(try story(5) != story(6))
    }

    @Test
    func notesWhatBreaksTheContract() throws {
        let kernel = ScriptedKernel(seed: 1, odds: .calm)
        kernel.install()
        var backend = try Scripted(options: BackendOptions(connectionsMax: 4))
        backend.recycle(buffer: 3)
        backend.awaitWritable(2)
        backend.pauseReceiving(0)
        #expect(kernel.violations.count == 3)
    }

    @Test
    func needsAKernel() {
        #expect(throws: LoopError.self) { _ = try Scripted(options: BackendOptions(connectionsMax: 4)) }
    }

    /// Peers that do not read fill the socket, and a reset ends it.
    @Test
    func fillsAndBreaks() throws {
        let kernel = ScriptedKernel(seed: 3, odds: .calm)
        kernel.install()
        let node = EchoNode(try Scripted(options: BackendOptions(connectionsMax: 4)))
        let peer = kernel.connect()
        peer.readsAlways = false
        peer.write(Array(repeating: 9, count: 50_000))
        for _ in 0..<100 { node.turn() }
        #expect(kernel.counters.shortSends == 1 && peer.received.isEmpty)
        peer.drain()
        #expect(peer.received.count == peer.socketBytesMax)
        peer.reset()
        for _ in 0..<20 { node.turn() }
        #expect(peer.isClosed && kernel.isEmpty && kernel.violations == [])
    }
}

/// The smallest worker that keeps the contract: it sends back what it receives and closes at the end.
private final class EchoNode {
    private struct Connection {
        var handle: Handle
        var unsent: [UInt8] = []
        var hasEnded = false
        var waits = false
        var isClosing = false
    }

    private var backend: Scripted
    private var connections: [UInt32: Connection] = [:]
    private var lastSlot: UInt32 = 0

    init(_ backend: consuming Scripted) {
        self.backend = backend
        self.backend.accept(listener: 0, token: Token(operation: 1, generation: 0, slot: 0), namesPeers: false)
    }

    func turn() {
        unsafe withUnsafeTemporaryAllocation(of: Completion.self, capacity: 32) { batch in
            let count = unsafe backend.turn(waitNanoseconds: 0, into: batch.baseAddress!, capacity: 32)
            for index in 0..<count { unsafe answer(batch[index]) }
        }
        for slot in connections.keys.sorted() { flush(slot) }
    }

    private func answer(_ completion: Completion) {
        let slot = completion.token.slot
        switch completion.kind {
        case .accepted:
            guard completion.result >= 0 else { return }
            lastSlot += 1
            connections[lastSlot] = Connection(handle: completion.result)
            backend.receive(completion.result, token: Token(operation: 2, generation: 0, slot: lastSlot))
        case .received:
            if completion.result > 0 {
                let bytes = unsafe UnsafeBufferPointer(start: completion.bytes, count: Int(completion.result))
                unsafe connections[slot]!.unsent.append(contentsOf: bytes)
                backend.recycle(buffer: completion.buffer)
            } else {
                connections[slot]!.hasEnded = true
                if completion.result < 0 { close(slot) }
            }
        case .writable: connections[slot]!.waits = false
        case .closed: connections[slot] = nil
        }
    }

    private func flush(_ slot: UInt32) {
        guard let connection = connections[slot], !connection.isClosing, !connection.waits else { return }
        if !connection.unsent.isEmpty {
            let result = unsafe connection.unsent.withUnsafeBufferPointer { bytes in
                let index = unsafe backend.send(connection.handle, bytes: bytes.baseAddress!, count: bytes.count)
                backend.submitSends()
                return backend.sendResult(index)
            }
            if result > 0 { connections[slot]!.unsent.removeFirst(Int(result)) }
            if result < 0 && result != -11 { return close(slot) }
        }
        if !connections[slot]!.unsent.isEmpty {
            connections[slot]!.waits = true
            backend.awaitWritable(connection.handle)
        } else if connection.hasEnded {
            close(slot)
        }
    }

    private func close(_ slot: UInt32) {
        guard let connection = connections[slot], !connection.isClosing else { return }
        connections[slot]!.isClosing = true
        backend.close(connection.handle, token: Token(operation: 2, generation: 0, slot: slot), reset: false)
    }
}
