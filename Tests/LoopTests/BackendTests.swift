import ClarionLoop
import Glibc
import Synchronization
import Testing

/// What the contract promises, over real connections, on each kernel interface.
@Suite(.serialized)
struct BackendTests {
    @Test(arguments: backends)
    func acceptsAndReceives(_ choice: BackendChoice) throws {
        let loop = try LoopDriver.make(choice)
        let listener = TestListener()
        loop.accept(listener)
        let peers = (0..<20).map { _ in Peer(port: listener.port) }
        #expect(loop.run { loop.connections.count == 20 })
        for (number, peer) in peers.enumerated() { peer.write([UInt8]("hello \(number)".utf8)) }
        #expect(loop.run { loop.connections.allSatisfy { $0.received.count >= 7 } })
        let texts = Set(loop.connections.map { String(decoding: $0.received, as: UTF8.self) })
        #expect(texts == Set((0..<20).map { "hello \($0)" }))
    }

    @Test(arguments: backends)
    func sendsABatchInOneCall(_ choice: BackendChoice) throws {
        let (loop, peers) = try connected(choice, count: 50)
        let bytes = [UInt8]("to everyone".utf8)
        let before = loop.counters.systemCalls
        let results = loop.sendBatch(Array(0..<50), bytes)
        let calls = loop.counters.systemCalls - before
        #expect(results == Array(repeating: Int32(bytes.count), count: 50))
        #expect(calls == (choice == .uring ? 1 : 50))
        #expect(
            loop.run {
                for peer in peers { peer.drain() }
                return peers.allSatisfy { $0.received == bytes }
            })
    }

    /// A mebibyte each way through a peer that reads little at a time.
    @Test(arguments: backends)
    func echoesThroughShortSends(_ choice: BackendChoice) throws {
        let (loop, peers) = try connected(choice, count: 1, receiveBufferBytes: 16 * 1024)
        let peer = peers[0]
        let total = 1 << 20
        let message = (0..<total).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        var offered = 0
        var echoed = 0
        var waits = false
        var seen = 0
        let done = loop.run(seconds: 30) {
            offered += peer.write(message[offered...].prefix(50_000))
            if waits && loop.connections[0].writableCount > seen {
                seen = loop.connections[0].writableCount
                waits = false
            }
            while !waits && echoed < loop.connections[0].received.count {
                let result = loop.send(0, loop.connections[0].received[echoed...])
                if result > 0 { echoed += Int(result) } else if result != -EAGAIN { return true }
                if echoed < loop.connections[0].received.count {
                    waits = true
                    loop.awaitWritable(0)
                }
            }
            peer.drain(limit: 20_000)
            return peer.received.count == total
        }
        #expect(done)
        #expect(peer.received == message)
    }

    /// A peer that reads nothing: short, then refused, then writable once it reads.
    @Test(arguments: backends)
    func tellsOfAFullSocket(_ choice: BackendChoice) throws {
        let (loop, peers) = try connected(choice, count: 1)
        let sent = loop.fill(0)
        #expect(loop.counters.refusedSends > 0 && loop.counters.shortSends > 0)
        loop.awaitWritable(0)
        #expect(!loop.run(seconds: 0.05) { loop.connections[0].writableCount > 0 })
        #expect(
            loop.run {
                peers[0].drain()
                return loop.connections[0].writableCount == 1 && peers[0].received.count == sent
            })
        #expect(loop.send(0, [1, 2, 3]) == 3)
        #expect(!loop.run(seconds: 0.05) { loop.connections[0].writableCount > 1 })
    }

    @Test(arguments: backends)
    func pausesAndResumes(_ choice: BackendChoice) throws {
        let (loop, peers) = try connected(choice, count: 2)
        loop.pause(0)
        _ = loop.run(seconds: 0.02) { false }
        peers[0].write([1, 2, 3])
        peers[1].write([9])
        #expect(loop.run { loop.connections[1].received == [9] })
        _ = loop.run(seconds: 0.05) { false }
        #expect(loop.connections[0].received == [])
        loop.resume(0)
        #expect(loop.run { loop.connections[0].received == [1, 2, 3] })
        // Over and over, without a turn between, and with bytes that race in.
        var expected: [UInt8] = [1, 2, 3]
        for round in 0..<200 {
            loop.pause(0)
            if round % 3 == 0 { _ = loop.turnOnce(waitNanoseconds: 0) }
            expected.append(UInt8(truncatingIfNeeded: round))
            peers[0].write([UInt8(truncatingIfNeeded: round)])
            if round % 2 == 0 { _ = loop.turnOnce(waitNanoseconds: 0) }
            loop.resume(0)
        }
        #expect(loop.run { loop.connections[0].received.count == expected.count })
        #expect(loop.connections[0].received == expected)
    }

    @Test(arguments: backends)
    func pausesWithoutSpinningOnAReset(_ choice: BackendChoice) throws {
        let (loop, peers) = try connected(choice, count: 1)
        loop.pause(0)
        _ = loop.run(seconds: 0.02) { false }
        peers[0].close(reset: true)
        let before = loop.counters.systemCalls
        _ = loop.turnOnce(waitNanoseconds: 50_000_000)
        _ = loop.turnOnce(waitNanoseconds: 50_000_000)
        #expect(loop.counters.systemCalls - before <= 4)
        loop.resume(0)
        #expect(loop.run { loop.connections[0].end != nil })
        #expect(loop.connections[0].end == -ECONNRESET)
    }

    /// Many buffers full of one connection's bytes come in one turn, without calls that find nothing.
    @Test(arguments: backends)
    func readsWhatHasComeInOneTurn(_ choice: BackendChoice) throws {
        let (loop, peers) = try connected(choice, count: 2)
        let bufferBytes = BackendOptions(connectionsMax: 1).receiveBufferBytes
        let message = (0..<16 * bufferBytes + 100).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ $0 >> 8) }
        _ = loop.turnOnce(waitNanoseconds: 0)
        #expect(peers[0].write(message) == message.count && peers[1].write([5]) == 1)
        for peer in peers { #expect(peer.hasArrived()) }
        let before = loop.counters.systemCalls
        _ = loop.turnOnce(waitNanoseconds: 0)
        #expect(loop.connections[0].received == message && loop.connections[1].received == [5])
        // Epoll: the wait, 17 reads of the one and one of the other.
        #expect(loop.counters.systemCalls - before <= 1 + 17 + 1)
    }

    /// One that sends without end has its share of a turn, and others a buffer each, however few there are.
    @Test
    func epollSharesTurnsAndBuffers() throws {
        var options = BackendOptions(connectionsMax: 8)
        options.receiveBufferBytes = 128
        options.receiveBufferCount = 64
        let many = try connected(.epoll, count: 2, options: options)
        let message = [UInt8](repeating: 7, count: 10_000)
        for peer in many.1 { #expect(peer.write(message) == message.count && peer.hasArrived()) }
        _ = many.0.turnOnce(waitNanoseconds: 0)
        #expect(many.0.connections.map(\.received.count) == [32 * 128, 32 * 128])
        #expect(many.0.run { many.0.connections.allSatisfy { $0.received == message } })

        options.receiveBufferCount = 8
        let few = try connected(.epoll, count: 4, options: options)
        few.0.recyclesAtOnce = false
        for peer in few.1 { #expect(peer.write(message) == message.count && peer.hasArrived()) }
        _ = few.0.turnOnce(waitNanoseconds: 0)
        #expect(few.0.connections.map(\.received.count).sorted() == [128, 128, 128, 5 * 128])
        #expect(few.0.heldBuffers.count == 8 && few.0.counters.receiveBuffersExhausted == 0)
    }

    /// Four buffers, many talkers, and a worker that keeps the buffers for a while.
    @Test(arguments: backends)
    func livesWithFewReceiveBuffers(_ choice: BackendChoice) throws {
        var options = BackendOptions(connectionsMax: 256)
        options.receiveBufferCount = 4
        options.receiveBufferBytes = 128
        let (loop, peers) = try connected(choice, count: 60, options: options)
        loop.recyclesAtOnce = false
        let message = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        for peer in peers { #expect(peer.write(message) == message.count) }
        // All are held: no more comes, and nobody spins.
        #expect(loop.run { loop.heldBuffers.count == 4 })
        _ = loop.turnOnce(waitNanoseconds: 20_000_000)
        let before = loop.counters.systemCalls
        _ = loop.turnOnce(waitNanoseconds: 20_000_000)
        _ = loop.turnOnce(waitNanoseconds: 20_000_000)
        #expect(loop.heldBuffers.count == 4)
        #expect(loop.counters.systemCalls - before <= 4)
        #expect(loop.counters.receiveBuffersExhausted > 0)
        let done = loop.run(seconds: 30) {
            for buffer in loop.heldBuffers { loop.recycle(buffer) }
            loop.heldBuffers = []
            return loop.connections.allSatisfy { $0.received.count == message.count }
        }
        #expect(done)
        #expect(loop.connections.allSatisfy { $0.received == message })
    }

    @Test(arguments: backends)
    func tellsHalfClose(_ choice: BackendChoice) throws {
        let (loop, peers) = try connected(choice, count: 1)
        peers[0].write([1, 2])
        peers[0].shutdownSending()
        #expect(loop.run { loop.connections[0].end == 0 })
        #expect(loop.connections[0].received == [1, 2])
        // The other direction still works, and its end reaches the peer.
        #expect(loop.send(0, [3, 4]) == 2)
        loop.shutdownSending(0)
        #expect(
            loop.run {
                peers[0].drain()
                return peers[0].ended
            })
        #expect(peers[0].received == [3, 4] && peers[0].failure == 0)
        loop.close(0)
        #expect(loop.run { loop.connections[0].isClosed })
    }

    @Test(arguments: backends)
    func shutdownKeepsReading(_ choice: BackendChoice) throws {
        let (loop, peers) = try connected(choice, count: 1)
        #expect(loop.send(0, [5]) == 1)
        loop.shutdownSending(0)
        #expect(
            loop.run {
                peers[0].drain()
                return peers[0].ended
            })
        peers[0].write([6])
        #expect(loop.run { loop.connections[0].received == [6] })
    }

    @Test(arguments: backends)
    func tellsAReset(_ choice: BackendChoice) throws {
        let (loop, peers) = try connected(choice, count: 1)
        peers[0].close(reset: true)
        #expect(loop.run { loop.connections[0].end != nil })
        #expect(loop.connections[0].end == -ECONNRESET)
        #expect(loop.send(0, [1]) == -EPIPE)
        loop.awaitWritable(0)
        #expect(loop.run { loop.connections[0].writableCount == 1 })
        loop.close(0)
        #expect(loop.run { loop.connections[0].isClosed })
    }

    @Test(arguments: backends)
    func keepsWhatDoesNotFit(_ choice: BackendChoice) throws {
        let (loop, peers) = try connected(choice, count: 40)
        loop.batchCapacity = 1
        for _ in 0..<3 { for (number, peer) in peers.enumerated() { peer.write([UInt8(number)]) } }
        #expect(loop.run { loop.connections.allSatisfy { $0.received.count == 3 } })
    }

    /// More requests between two turns than a ring has entries.
    @Test(arguments: backends)
    func takesManyRequestsAtOnce(_ choice: BackendChoice) throws {
        var options = BackendOptions(connectionsMax: 64)
        options.sendBatchMax = 4
        let (loop, peers) = try connected(choice, count: 50, options: options)
        for _ in 0..<40 {
            for number in 0..<50 {
                loop.pause(number)
                loop.resume(number)
            }
        }
        for number in 0..<50 { loop.awaitWritable(number) }
        #expect(loop.sendBatch([0, 1, 2, 3], [8]) == [1, 1, 1, 1])
        for (number, peer) in peers.enumerated() { peer.write([UInt8(number)]) }
        #expect(
            loop.run {
                loop.connections.indices.allSatisfy {
                    loop.connections[$0].received == [UInt8($0)] && loop.connections[$0].writableCount == 1
                }
            })
        for number in 0..<50 { loop.close(number, reset: true) }
        #expect(loop.run { loop.connections.allSatisfy { $0.isClosed } })
    }

    /// Failures in the middle of a batch stay with their own sends.
    @Test(arguments: backends)
    func keepsResultsApart(_ choice: BackendChoice) throws {
        let (loop, peers) = try connected(choice, count: 9)
        for number in stride(from: 0, to: 9, by: 3) { peers[number].close(reset: true) }
        #expect(loop.run { [0, 3, 6].allSatisfy { loop.connections[$0].end != nil } })
        for number in stride(from: 1, to: 9, by: 3) { loop.fill(number) }
        let results = loop.sendBatch(Array(0..<9), [1, 2, 3])
        let expected: [Int32] = [-EPIPE, -EAGAIN, 3, -EPIPE, -EAGAIN, 3, -EPIPE, -EAGAIN, 3]
        #expect(results == expected)
    }

    @Test(arguments: backends)
    func wakesFromAnotherThread(_ choice: BackendChoice) throws {
        let loop = try LoopDriver.make(choice)
        for _ in 0..<5 {
            let waker = Waker(descriptor: loop.wakeDescriptor, microseconds: 20_000)
            let start = loop.now()
            while loop.now() - start < 5, !waker.isDone { #expect(loop.turnOnce(waitNanoseconds: 5_000_000_000) == 0) }
            #expect(loop.now() - start < 2)
            waker.join()
        }
        // A wake-up before the sleep is not lost; and a sleep without one lasts.
        var one: UInt64 = 1
        unsafe #expect(write(loop.wakeDescriptor, &one, 8) == 8)
        let start = loop.now()
        _ = loop.turnOnce(waitNanoseconds: 5_000_000_000)
        #expect(loop.now() - start < 2)
        let rest = loop.now()
        _ = loop.turnOnce(waitNanoseconds: 30_000_000)
        #expect(loop.now() - rest >= 0.029)
    }
}

let backends: [BackendChoice] = [.epoll, .uring]

/// A backend with so many accepted connections, in the order of their peers.
func connected(
    _ choice: BackendChoice, count: Int, receiveBufferBytes: Int32? = nil,
    options: BackendOptions = BackendOptions(connectionsMax: 256)
) throws -> (LoopDriver, [Peer]) {
    let loop = try LoopDriver.make(choice, options: options)
    let listener = TestListener()
    loop.accept(listener)
    var peers: [Peer] = []
    for number in 0..<count {
        peers.append(Peer(port: listener.port, receiveBufferBytes: receiveBufferBytes))
        try #require(loop.run { loop.connections.count == number + 1 })
    }
    loop.stopAccepting()
    _ = loop.turnOnce(waitNanoseconds: 0)
    return (loop, peers)
}

/// A thread that writes to an eventfd after a while. It must be joined.
final class Waker: Sendable {
    private let descriptor: Int32
    private let microseconds: UInt32
    private let done = Atomic(false)
    private let thread = Mutex(pthread_t())

    init(descriptor: Int32, microseconds: UInt32) {
        self.descriptor = descriptor
        self.microseconds = microseconds
        let argument = unsafe Unmanaged.passRetained(self).toOpaque()
        thread.withLock { thread in
            _ = unsafe pthread_create(
                &thread, nil,
                { argument in
                    let waker = unsafe Unmanaged<Waker>.fromOpaque(argument!).takeRetainedValue()
                    usleep(waker.microseconds)
                    waker.done.store(true, ordering: .releasing)
                    var one: UInt64 = 1
                    _ = unsafe write(waker.descriptor, &one, 8)
                    return nil
                }, unsafe argument)
        }
    }

    /// Whether the wake-up is on its way.
    var isDone: Bool { done.load(ordering: .acquiring) }

    func join() { thread.withLock { _ = pthread_join($0, nil) } }
}
