import ClarionLoop
import Glibc
import Testing

/// io_uring with more connections than its file table has places: the rest are descriptors of the process.
@Suite(.serialized)
struct FullTableTests {
    /// Both kinds are served alike, descriptors are left to the process, and places are used again.
    @Test
    func connectionsBeyondTheTableAreDescriptors() async {
        await #expect(processExitsWith: .success) {
            // Room for descriptors that a child inherits from tests that run beside this one.
            let places = 1024
            var limit = rlimit(rlim_cur: rlim_t(places), rlim_max: rlim_t(places))
            precondition(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            let loop = try LoopDriver.make(.uring, options: BackendOptions(connectionsMax: 4 * places))
            let listener = TestListener()
            loop.accept(listener)
            // The node keeps the connection when the peer has gone, so that peers need no descriptors.
            for number in 0..<places {
                let peer = Peer(port: listener.port)
                peer.write([UInt8(truncatingIfNeeded: number)])
                peer.close()
                precondition(loop.run { loop.connections.count == number + 1 })
            }
            var peers: [Peer] = []
            while loop.acceptFailures.isEmpty {
                peers.append(Peer(port: listener.port))
                precondition(
                    loop.run { loop.connections.count == places + peers.count || !loop.acceptFailures.isEmpty })
            }
            // Each of them takes two descriptors here, and so does a part of what is kept.
            let many = loop.connections.count
            precondition(loop.acceptFailures == [-EMFILE] && many > places + 30 && many <= 2 * places - 128)
            let last = open("/dev/null", O_RDONLY)
            precondition(last >= 0)
            close(last)
            let first = places
            // Accepts that were in flight as the table became full bring the last of its places a little later.
            precondition((places - 16...places).contains(loop.connections.count { $0.handle < places }))
            for number in first..<many { peers[number - first].write([1, UInt8(truncatingIfNeeded: number)]) }
            precondition(
                loop.run {
                    loop.connections[first...].enumerated().allSatisfy {
                        $0.element.received == [1, UInt8(truncatingIfNeeded: first + $0.offset)]
                    }
                })
            precondition(loop.send(first, [4, 5, 6]) == 3 && loop.send(first + 1, [7]) == 1)
            loop.awaitWritable(first)
            precondition(loop.run { loop.connections[first].writableCount == 1 })
            loop.pause(first + 2)
            peers[2].write([9])
            _ = loop.run(seconds: 0.05) { false }
            loop.resume(first + 2)
            precondition(loop.run { loop.connections[first + 2].received.last == 9 })
            loop.shutdownSending(first)
            loop.close(first + 1, reset: true)
            precondition(
                loop.run {
                    peers[0].drain()
                    peers[1].drain()
                    return peers[0].ended && peers[1].ended
                })
            precondition(peers[0].received == [4, 5, 6] && peers[1].failure == ECONNRESET)
            // Descriptors are free again, and perhaps places of the table, which are taken first.
            for number in (first + 2)..<many { loop.close(number) }
            let left = loop.connections.count { $0.handle < places && !$0.isClosing }
            precondition(loop.run { loop.connections[(first + 1)...].allSatisfy { $0.isClosed } })
            for peer in peers { peer.close() }
            for round in 0..<40 {
                let peer = Peer(port: listener.port)
                precondition(loop.run { loop.connections.count == many + round + 1 })
                peer.write([UInt8(round)])
                precondition(loop.run { loop.connections[many + round].received == [UInt8(round)] })
                peer.close()
            }
            precondition(
                loop.connections.count { $0.handle < places && !$0.isClosing } == places && left >= places - 16)
            // Accepting ends, also for ordinary ones that are in flight.
            loop.stopAccepting()
            _ = loop.run(seconds: 0.05) { false }
            let late = Peer(port: listener.port)
            _ = loop.run(seconds: 0.05) { false }
            precondition(loop.connections.count == many + 40)
            late.close()
        }
    }
}
