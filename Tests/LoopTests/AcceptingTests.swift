import ClarionLoop
import Glibc
import Testing

/// Accepting and closing: bounds, reuse of handles, and nothing left behind.
@Suite(.serialized)
struct AcceptingTests {
    /// A thousand connections one after the other over few handles: nothing of one reaches the next.
    @Test(arguments: backends)
    func reusesHandles(_ choice: BackendChoice) throws {
        let loop = try LoopDriver.make(choice, options: BackendOptions(connectionsMax: 8))
        let listener = TestListener()
        loop.accept(listener)
        for round in 0..<1000 {
            let peer = Peer(port: listener.port)
            try #require(loop.run { loop.connections.count == round + 1 })
            peer.write([UInt8(truncatingIfNeeded: round), 1])
            switch round % 4 {
            case 0: try #require(loop.run { loop.connections[round].received.count == 2 })
            case 1: loop.awaitWritable(round)
            case 2:
                peer.close()
                try #require(loop.run { loop.connections[round].end == 0 })
            default: break
            }
            loop.close(round, reset: round % 8 < 4)
            // Only now and then alone: usually the next connection comes before this one is gone.
            if round % 16 == 0 { try #require(loop.run { loop.connections[round].isClosed }) }
            let received = loop.connections[round].received
            #expect(received == [] || received == [UInt8(truncatingIfNeeded: round), 1])
        }
        #expect(loop.run { loop.connections.allSatisfy { $0.isClosed } })
        // Descriptors are the process's: other tests take some meanwhile.
        #expect(Set(loop.connections.map { $0.handle }).count <= (choice == .uring ? 8 : 300))
    }

    @Test(arguments: backends)
    func closesWithFinOrReset(_ choice: BackendChoice) throws {
        let (loop, peers) = try connected(choice, count: 2)
        #expect(loop.send(0, [1, 2, 3]) == 3)
        loop.close(0)
        loop.close(1, reset: true)
        #expect(
            loop.run {
                for peer in peers { peer.drain() }
                return loop.connections.allSatisfy { $0.isClosed } && peers.allSatisfy { $0.ended }
            })
        #expect(peers[0].received == [1, 2, 3] && peers[0].failure == 0)
        #expect(peers[1].failure == ECONNRESET)
    }

    @Test(arguments: backends)
    func refusedConnectionsAreOnlyClosed(_ choice: BackendChoice) throws {
        let loop = try LoopDriver.make(choice)
        loop.receivesAtOnce = false
        let listener = TestListener()
        loop.accept(listener)
        let peer = Peer(port: listener.port)
        #expect(loop.run { loop.connections.count == 1 })
        loop.close(0)
        #expect(
            loop.run {
                peer.drain()
                return peer.ended && loop.connections[0].isClosed
            })
    }

    /// Over its bound a backend refuses, rests and goes on when there is room.
    @Test(arguments: backends)
    func restsWhenFull(_ choice: BackendChoice) throws {
        let loop = try LoopDriver.make(choice, options: BackendOptions(connectionsMax: 4))
        let listener = TestListener()
        loop.accept(listener)
        let peers = (0..<4).map { _ in Peer(port: listener.port) }
        #expect(loop.run { loop.connections.count == 4 })
        let refused = Peer(port: listener.port)
        #expect(loop.run { loop.acceptFailures.count == 1 })
        #expect(loop.acceptFailures == [-ENFILE])
        #expect(loop.counters.acceptPaused == 1)
        #expect(
            loop.run {
                refused.drain()
                return refused.ended
            })
        let late = Peer(port: listener.port)
        loop.close(0)
        let start = loop.now()
        #expect(loop.run { loop.connections.count == 5 })
        #expect(loop.now() - start < 2)
        late.write([4])
        #expect(loop.run { loop.connections[4].received == [4] })
        _ = peers
    }

    @Test(arguments: backends)
    func stopsAccepting(_ choice: BackendChoice) throws {
        let loop = try LoopDriver.make(choice)
        let listener = TestListener()
        loop.accept(listener)
        let first = Peer(port: listener.port)
        #expect(loop.run { loop.connections.count == 1 })
        loop.stopAccepting()
        _ = loop.turnOnce(waitNanoseconds: 0)
        let second = Peer(port: listener.port)
        _ = loop.run(seconds: 0.05) { false }
        #expect(loop.connections.count == 1)
        first.write([1])
        #expect(loop.run { loop.connections[0].received == [1] })
        // And it can begin again.
        loop.accept(listener)
        #expect(loop.run { loop.connections.count == 2 })
        second.write([2])
        #expect(loop.run { loop.connections[1].received == [2] })
    }

    /// Several listeners, each with its own connections, and one call that stops all.
    @Test(arguments: backends)
    func acceptsFromSeveralListeners(_ choice: BackendChoice) throws {
        let loop = try LoopDriver.make(choice)
        let listeners = [TestListener(), TestListener(), TestListener()]
        for listener in listeners { loop.accept(listener) }
        let peers = (0..<30).map { Peer(port: listeners[$0 % 3].port) }
        #expect(loop.run { loop.connections.count == 30 })
        loop.stopAccepting()
        _ = loop.turnOnce(waitNanoseconds: 0)
        let late = listeners.map { Peer(port: $0.port) }
        _ = loop.run(seconds: 0.05) { false }
        #expect(loop.connections.count == 30)
        _ = (peers, late)
    }

    /// A listener brings as many connections as it may, keeps the others waiting, and brings them later.
    @Test(arguments: backends)
    func keepsToItsAllowance(_ choice: BackendChoice) throws {
        let loop = try LoopDriver.make(choice)
        let listener = TestListener()
        loop.accept(listener)
        let first = Peer(port: listener.port)
        #expect(loop.run { loop.connections.count == 1 })
        loop.setAcceptAllowance(0)
        _ = loop.turnOnce(waitNanoseconds: 0)
        let peers = (0..<40).map { _ in Peer(port: listener.port) }
        _ = loop.run(seconds: 0.05) { false }
        // What was being accepted at that moment may still have come.
        #expect(loop.connections.count <= 2)
        var had = loop.connections.count
        for count in [1, 3, 17] {
            loop.setAcceptAllowance(count)
            #expect(loop.run { loop.connections.count == had + count })
            _ = loop.run(seconds: 0.05) { false }
            #expect(loop.connections.count == had + count)
            had += count
        }
        loop.setAcceptAllowance(Int.max)
        #expect(loop.run { loop.connections.count == 41 })
        let late = Peer(port: listener.port)
        #expect(loop.run { loop.connections.count == 42 })
        _ = (first, peers, late)
    }

    /// Addresses that are wanted only later are told then.
    @Test(arguments: backends)
    func namesPeersFromNowOn(_ choice: BackendChoice) throws {
        let loop = try LoopDriver.make(choice)
        let listener = TestListener()
        loop.accept(listener)
        let before = (0..<3).map { _ in Peer(port: listener.port) }
        #expect(loop.run { loop.connections.count == 3 })
        loop.nameAllPeers()
        _ = loop.run(seconds: 0.05) { false }
        let peers = (0..<40).map { _ in Peer(port: listener.port) }
        #expect(loop.run { loop.connections.count == 43 })
        for number in 3..<43 { #expect(loop.peerAddress(number).description == "127.0.0.1") }
        loop.stopAccepting()
        _ = (before, peers)
    }

    /// A node on io_uring holds more connections than the process may have descriptors.
    @Test
    func ringTakesNoDescriptors() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 128, rlim_max: 128)
            precondition(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            // The table of each ring is bounded by the limit, so it takes three.
            let loops = try (0..<3).map { _ in try LoopDriver.make(.uring) }
            for loop in loops {
                let listener = TestListener()
                loop.accept(listener)
                for number in 0..<128 {
                    // The node keeps the connection when the peer has gone.
                    let peer = Peer(port: listener.port)
                    peer.write([UInt8(number)])
                    peer.close()
                    precondition(loop.run { loop.connections.count == number + 1 })
                }
                precondition(loop.run { loop.connections.allSatisfy { $0.received.count == 1 && $0.end == 0 } })
            }
            precondition(loops.map { $0.connections.count }.reduce(0, +) == 384)
        }
    }

    /// Without descriptors epoll tells one client so, rests, and goes on when there are some.
    @Test
    func epollRestsWithoutDescriptors() async {
        await #expect(processExitsWith: .success) {
            // Room for descriptors that a child inherits from tests that run beside this one.
            var limit = rlimit(rlim_cur: 512, rlim_max: 512)
            precondition(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            let loop = try LoopDriver.make(.epoll)
            let listener = TestListener()
            loop.accept(listener)
            let peers = (0..<4).map { _ in Peer(port: listener.port) }
            var taken: [Int32] = []
            while case let descriptor = open("/dev/null", O_RDONLY), descriptor >= 0 { taken.append(descriptor) }
            precondition(loop.run { loop.acceptFailures == [-EMFILE] })
            precondition(loop.counters.acceptPaused == 1 && loop.connections.isEmpty)
            peers[0].drain()
            precondition(peers[0].ended && !peers[1].ended)
            for descriptor in taken { close(descriptor) }
            precondition(loop.run { loop.connections.count == 3 })
        }
    }

    @Test(arguments: backends)
    func givesEverythingBack(_ choice: BackendChoice) throws {
        var peers: [Peer] = []
        do {
            let (loop, ends) = try connected(choice, count: 10)
            peers = ends
            ends[0].write([1])
            loop.close(3)
            withExtendedLifetime(loop) {}
        }
        // The kernel may take a moment to undo a ring.
        for _ in 0..<200 where !peers.allSatisfy({ $0.ended }) {
            usleep(10_000)
            for peer in peers { peer.drain() }
        }
        #expect(peers.allSatisfy { $0.ended })
    }
}
