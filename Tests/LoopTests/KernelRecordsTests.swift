import CPosix
import ClarionLoop
import Testing

/// A kernel with kernel TLS makes records of what is sent; any other refuses, and the connection goes on as it was.
@Suite(.serialized)
struct KernelRecordsTests {
    private func connected(_ choice: BackendChoice) throws -> (LoopDriver, Peer) {
        var options = BackendOptions(connectionsMax: 16)
        options.sealsByKernel = true
        let loop = try LoopDriver.make(choice, options: options)
        let listener = TestListener()
        loop.accept(listener)
        let peer = Peer(port: listener.port)
        try #require(loop.run { loop.connections.count == 1 })
        return (loop, peer)
    }

    private var keys: [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            count = unsafe cposix_records_trial_keys(buffer.baseAddress, 64)
        }
    }

    @Test(arguments: backends)
    func takesKeysOrGoesOn(_ choice: BackendChoice) throws {
        let (loop, peer) = try connected(choice)
        let bytes = [UInt8]("in the clear or not".utf8)
        let hasKernelTLS = whyNoKernelRecords(usesUring: choice == .uring) == nil
        let before = loop.counters
        let result = loop.sealByKernel(0, keys)
        #expect((result == 0) == hasKernelTLS, "told \(result)")
        #expect(loop.counters.refusedSends == before.refusedSends && loop.counters.shortSends == before.shortSends)
        #expect(loop.send(0, bytes[...]) == Int32(bytes.count))
        let added = hasKernelTLS ? 5 + 1 + 16 : 0
        #expect(
            loop.run {
                peer.drain()
                return peer.received.count >= bytes.count + added
            })
        #expect((peer.received == bytes) == !hasKernelTLS)
        #expect(!hasKernelTLS || Array(peer.received.prefix(5)) == [23, 3, 3, 0, UInt8(bytes.count + 17)])
        if hasKernelTLS { #expect(loop.sendRecord(0, type: 21, [1, 0]) == 2) }
    }

    /// No key, or one of no cipher, is no trap.
    @Test(arguments: backends)
    func wrongKeysAreRefused(_ choice: BackendChoice) throws {
        let (loop, peer) = try connected(choice)
        #expect(loop.sealByKernel(0, [UInt8](repeating: 0xff, count: 40)) < 0)
        #expect(loop.send(0, [1, 2, 3]) == 3)
        #expect(
            loop.run {
                peer.drain()
                return peer.received == [1, 2, 3]
            })
    }

    /// A batch that is full is no obstacle, and its sends keep their results.
    @Test(arguments: backends)
    func aFullBatchIsNoObstacle(_ choice: BackendChoice) throws {
        var options = BackendOptions(connectionsMax: 16)
        options.sealsByKernel = true
        options.sendBatchMax = 4
        let loop = try LoopDriver.make(choice, options: options)
        let listener = TestListener()
        loop.accept(listener)
        let peers = (0..<5).map { _ in Peer(port: listener.port) }
        try #require(loop.run { loop.connections.count == 5 })
        let hasKernelTLS = whyNoKernelRecords(usesUring: choice == .uring) == nil
        let (answer, results) = loop.sealByKernel(4, keys, behind: [0, 1, 2, 3], [1, 2, 3])
        #expect((answer == 0) == hasKernelTLS && results == [3, 3, 3, 3])
        #expect(
            loop.run {
                for peer in peers { peer.drain() }
                return peers[..<4].allSatisfy { $0.received == [1, 2, 3] }
            })
    }

    @Test func theReasonIsASentence() {
        guard let why = whyNoKernelRecords(usesUring: false) else { return }
        #expect(why.contains("tls") || why.contains("kernel"))
    }
}
