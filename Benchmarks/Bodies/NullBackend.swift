import ClarionBytes
import ClarionLoop

/// A kernel that costs nothing: connections come and bytes arrive when the benchmark says so, every send is taken whole
/// at once, and a turn never sleeps.
@safe struct NullBackend: ~Copyable, Backend {
    static let name = "null"

    let options: BackendOptions
    var counters = BackendCounters()
    let wakeDescriptor: Int32 = -1

    /// What the next turns tell.
    private var waiting = PlainVector<Completion>(capacity: 1024)
    private var listenerToken = Token(raw: 0)
    /// By handle: what the worker calls the connection.
    private var tokens = PlainVector<UInt64>(capacity: 1024)
    private var freeHandles = PlainVector<Handle>(capacity: 64)
    /// Points to `bufferCount` receive buffers, used in turn; stays for ever.
    private let buffers: UnsafeMutablePointer<UInt8>
    private let bufferStride: Int
    private var nextBuffer = 0
    /// Points to the result of each queued send: all it asked for; stays for ever.
    private let results: UnsafeMutablePointer<Int32>
    private var queuedCount = 0

    /// Bytes and sends that were handed over.
    private(set) var sentBytes = 0
    private(set) var sentCount = 0
    /// Whether what is sent is kept, and what was.
    var keepsSent = false
    private(set) var kept: [UInt8] = []

    init(options: BackendOptions) throws(LoopError) {
        self.options = options
        bufferStride = options.receiveBufferBytes + BackendLimits.receiveSpareBytes
        unsafe buffers = UnsafeMutablePointer.allocate(capacity: options.receiveBufferCount * bufferStride)
        unsafe buffers.initialize(repeating: 0, count: options.receiveBufferCount * bufferStride)
        unsafe results = UnsafeMutablePointer.allocate(capacity: options.sendBatchMax)
    }

    // MARK: The benchmark's side

    /// A connection that the next turn accepts. Its handle.
    mutating func connect() -> Handle {
        let handle: Handle
        if freeHandles.isEmpty {
            handle = Handle(tokens.count)
            tokens.append(0)
        } else {
            handle = freeHandles.removeLast()
        }
        unsafe waiting.append(Completion(token: listenerToken, kind: .accepted, result: handle))
        return handle
    }

    /// Bytes that the next turn receives from a connection, cut as the receive buffers are.
    mutating func feed(_ handle: Handle, _ bytes: ByteView) {
        let token = Token(raw: tokens[Int(handle)])
        var position = 0
        while position < bytes.count {
            let count = min(options.receiveBufferBytes, bytes.count - position)
            let target = unsafe buffers + nextBuffer * bufferStride
            unsafe target.update(from: bytes.base + position, count: count)
            unsafe waiting.append(
                Completion(
                    token: token, kind: .received, result: Int32(count), buffer: UInt16(nextBuffer), bytes: target))
            nextBuffer = nextBuffer + 1 == options.receiveBufferCount ? 0 : nextBuffer + 1
            position += count
        }
    }

    /// The peer ends its side.
    mutating func end(_ handle: Handle) {
        unsafe waiting.append(Completion(token: Token(raw: tokens[Int(handle)]), kind: .received, result: 0))
    }

    /// Whether a turn would tell something.
    var hasNews: Bool { !waiting.isEmpty }

    mutating func forgetKept() { kept = [] }

    // MARK: The worker's side

    mutating func accept(listener: Int32, token: Token, namesPeers: Bool) { listenerToken = token }
    mutating func peerAddress(_ handle: Handle) -> PeerAddress { .unknown }
    mutating func nameAllPeers() {}
    mutating func setAcceptAllowance(_ count: Int) {}
    mutating func stopAccepting() {}
    mutating func receive(_ handle: Handle, token: Token) { tokens[Int(handle)] = token.raw }
    mutating func pauseReceiving(_ handle: Handle) {}
    mutating func resumeReceiving(_ handle: Handle) {}
    mutating func recycle(buffer: UInt16) {}

    mutating func send(_ handle: Handle, bytes: UnsafePointer<UInt8>, count: Int) -> Int {
        let index = queuedCount
        unsafe results[index] = Int32(truncatingIfNeeded: count)
        queuedCount = index + 1
        unsafe sentBytes &+= count &+ Int(bytes[count - 1] & 1)
        if keepsSent { unsafe kept += ByteView(base: bytes, count: count).array }
        return index
    }

    mutating func submitSends() {
        sentCount += queuedCount
        queuedCount = 0
    }

    func sendResult(_ index: Int) -> Int32 { unsafe results[index] }

    mutating func awaitWritable(_ handle: Handle) {}
    mutating func shutdownSending(_ handle: Handle) {}

    mutating func close(_ handle: Handle, token: Token, reset: Bool) {
        unsafe waiting.append(Completion(token: token, kind: .closed, result: 0))
        freeHandles.append(handle)
    }

    mutating func turn(waitNanoseconds: Int64, into batch: UnsafeMutablePointer<Completion>, capacity: Int) -> Int {
        let count = min(capacity, waiting.count)
        for index in 0..<count { unsafe batch[index] = waiting[index] }
        waiting.removeFirst(count)
        return count
    }
}
