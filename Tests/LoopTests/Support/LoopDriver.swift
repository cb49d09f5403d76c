import ClarionBytes
import ClarionLoop
import Glibc

/// A backend as a test drives it: turns until something holds, and what came, by connection number.
/// The methods that touch the backend are in `BackendBox`, so that one test body serves both backends.
class LoopDriver {
    /// A connection as the test sees it.
    struct Connection {
        var handle: Handle
        var received: [UInt8] = []
        /// The results of the `.received` completions.
        var results: [Int32] = []
        /// The last `.received` result ≤ 0.
        var end: Int32?
        var writableCount = 0
        var isClosed = false
        var isClosing = false
    }

    static let listenerToken = Token(operation: 7, generation: 1, slot: 77)

    var connections: [Connection] = []
    var acceptFailures: [Int32] = []
    /// Whether buffers are given back at once; otherwise they are kept in `heldBuffers`.
    var recyclesAtOnce = true
    var heldBuffers: [UInt16] = []
    /// Whether accepted connections are read at once.
    var receivesAtOnce = true
    var batchCapacity = 64

    /// Rings are restricted to what a worker does, which shows that the list of that is whole.
    static func make(_ choice: BackendChoice, options: BackendOptions = BackendOptions(connectionsMax: 256)) throws
        -> LoopDriver
    {
        var options = options
        options.restrictsOperations = true
        return switch choice {
        case .epoll: try BackendBox<Epoll>(Epoll(options: options))
        default: try BackendBox<Uring>(Uring(options: options))
        }
    }

    func accept(_ listener: TestListener) { fatalError() }
    func setAcceptAllowance(_ count: Int) { fatalError() }
    func nameAllPeers() { fatalError() }
    func peerAddress(_ number: Int) -> PeerAddress { fatalError() }
    func stopAccepting() { fatalError() }
    func receive(_ number: Int) { fatalError() }
    func pause(_ number: Int) { fatalError() }
    func resume(_ number: Int) { fatalError() }
    func recycle(_ buffer: UInt16) { fatalError() }
    /// The result of one send of all the bytes.
    func send(_ number: Int, _ bytes: ArraySlice<UInt8>) -> Int32 { fatalError() }
    /// The results of one batch of sends.
    func sendBatch(_ numbers: [Int], _ bytes: [UInt8]) -> [Int32] { fatalError() }
    /// Asks the kernel to make records by these keys; its answer.
    func sealByKernel(_ number: Int, _ keys: [UInt8]) -> Int32 { fatalError() }
    /// The same for `number` between filling a batch of sends to `numbers` and carrying that out; and its results.
    func sealByKernel(_ number: Int, _ keys: [UInt8], behind numbers: [Int], _ bytes: [UInt8]) -> (Int32, [Int32]) {
        fatalError()
    }
    func sendRecord(_ number: Int, type: UInt8, _ bytes: [UInt8]) -> Int32 { fatalError() }
    func awaitWritable(_ number: Int) { fatalError() }
    func shutdownSending(_ number: Int) { fatalError() }
    func close(_ number: Int, reset: Bool = false) { fatalError() }
    func turnOnce(waitNanoseconds: Int64) -> Int { fatalError() }
    var wakeDescriptor: Int32 { fatalError() }
    var counters: BackendCounters { fatalError() }

    static func token(_ number: Int) -> Token { Token(operation: 3, generation: 5, slot: UInt32(number)) }

    /// Turns until `done` or for `seconds`; whether it was done.
    func run(seconds: Double = 10, until done: () -> Bool) -> Bool {
        let deadline = now() + seconds
        while !done() {
            if now() > deadline { return false }
            _ = turnOnce(waitNanoseconds: 5_000_000)
        }
        return true
    }

    /// Sends until the socket takes no more; how many bytes it took. A full socket grows for a while as the peer's
    /// kernel acknowledges, so this waits and tries again.
    @discardableResult
    func fill(_ number: Int) -> Int {
        let bytes = [UInt8](repeating: 7, count: 200_000)
        var total = 0
        var before = -1
        while total > before {
            before = total
            while case let result = send(number, bytes[...]), result > 0 { total += Int(result) }
            usleep(150_000)
        }
        return total
    }

    func now() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    func note(_ completion: Completion) {
        if completion.kind == .accepted {
            precondition(completion.token == LoopDriver.listenerToken)
            guard completion.result >= 0 else { return acceptFailures.append(completion.result) }
            connections.append(Connection(handle: completion.result))
            if receivesAtOnce { receive(connections.count - 1) }
            return
        }
        precondition(completion.token.operation == 3 && completion.token.generation == 5)
        let number = Int(completion.token.slot)
        precondition(!connections[number].isClosed)
        switch completion.kind {
        case .received:
            connections[number].results.append(completion.result)
            precondition(connections[number].end == nil)
            if completion.result > 0 {
                let bytes = unsafe UnsafeBufferPointer(start: completion.bytes, count: Int(completion.result))
                unsafe connections[number].received.append(contentsOf: bytes)
                if recyclesAtOnce { recycle(completion.buffer) } else { heldBuffers.append(completion.buffer) }
            } else {
                connections[number].end = completion.result
            }
        case .writable: connections[number].writableCount += 1
        case .closed:
            precondition(connections[number].isClosing)
            connections[number].isClosed = true
        case .accepted: break
        }
    }
}

/// A driver with a backend in it.
final class BackendBox<Kernel: Backend & ~Copyable>: LoopDriver {
    var backend: Kernel

    init(_ backend: consuming Kernel) {
        self.backend = backend
    }

    override func accept(_ listener: TestListener) {
        backend.accept(listener: listener.descriptor, token: LoopDriver.listenerToken, namesPeers: listener.namesPeers)
    }
    override func setAcceptAllowance(_ count: Int) { backend.setAcceptAllowance(count) }
    override func peerAddress(_ number: Int) -> PeerAddress { backend.peerAddress(connections[number].handle) }
    override func nameAllPeers() { backend.nameAllPeers() }
    override func stopAccepting() { backend.stopAccepting() }
    override func receive(_ number: Int) {
        backend.receive(connections[number].handle, token: LoopDriver.token(number))
    }
    override func pause(_ number: Int) { backend.pauseReceiving(connections[number].handle) }
    override func resume(_ number: Int) { backend.resumeReceiving(connections[number].handle) }
    override func recycle(_ buffer: UInt16) { backend.recycle(buffer: buffer) }
    override func awaitWritable(_ number: Int) { backend.awaitWritable(connections[number].handle) }
    override func shutdownSending(_ number: Int) { backend.shutdownSending(connections[number].handle) }
    override func close(_ number: Int, reset: Bool) {
        connections[number].isClosing = true
        backend.close(connections[number].handle, token: LoopDriver.token(number), reset: reset)
    }
    override var wakeDescriptor: Int32 { backend.wakeDescriptor }
    override var counters: BackendCounters { backend.counters }

    override func send(_ number: Int, _ bytes: ArraySlice<UInt8>) -> Int32 {
        unsafe bytes.withUnsafeBufferPointer { buffer in
            let index = unsafe backend.send(connections[number].handle, bytes: buffer.baseAddress!, count: buffer.count)
            backend.submitSends()
            return backend.sendResult(index)
        }
    }

    override func sealByKernel(_ number: Int, _ keys: [UInt8]) -> Int32 {
        unsafe keys.withUnsafeBytes {
            unsafe backend.sealByKernel(connections[number].handle, keys: $0.baseAddress!, count: keys.count)
        }
    }

    override func sealByKernel(
        _ number: Int, _ keys: [UInt8], behind numbers: [Int], _ bytes: [UInt8]
    ) -> (Int32, [Int32]) {
        unsafe bytes.withUnsafeBufferPointer { buffer in
            let indices = numbers.map {
                unsafe backend.send(connections[$0].handle, bytes: buffer.baseAddress!, count: buffer.count)
            }
            let answer = sealByKernel(number, keys)
            backend.submitSends()
            return (answer, indices.map { backend.sendResult($0) })
        }
    }

    override func sendRecord(_ number: Int, type: UInt8, _ bytes: [UInt8]) -> Int32 {
        unsafe backend.sendRecord(connections[number].handle, type: type, bytes: bytes, count: bytes.count)
    }

    override func sendBatch(_ numbers: [Int], _ bytes: [UInt8]) -> [Int32] {
        unsafe bytes.withUnsafeBufferPointer { buffer in
            let indices = numbers.map {
                unsafe backend.send(connections[$0].handle, bytes: buffer.baseAddress!, count: buffer.count)
            }
            backend.submitSends()
            return indices.map { backend.sendResult($0) }
        }
    }

    override func turnOnce(waitNanoseconds: Int64) -> Int {
        let none = unsafe Completion(token: Token(raw: 0), kind: .closed, result: 0)
        let batch = UnsafeMutablePointer<Completion>.allocate(capacity: batchCapacity)
        unsafe batch.initialize(repeating: none, count: batchCapacity)
        let count = unsafe backend.turn(waitNanoseconds: waitNanoseconds, into: batch, capacity: batchCapacity)
        for index in 0..<count { unsafe note(batch[index]) }
        unsafe batch.deallocate()
        return count
    }
}
