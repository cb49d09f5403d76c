// A kernel that is decided by a seed: what a test does to it, and what it tells about the node. The node's side is in
// the next file.

import ClarionBytes
public import ClarionLoop
import Glibc
import Synchronization

/// Simulated peers and what lies between them and one worker. Used by one thread: that of the worker and the test.
///
/// It holds the worker to the contract: what breaks it is noted in `violations`. Bytes are read out of the worker's
/// memory in `submitSends`, not before, and a recycled buffer is overwritten at once, so that both kinds of hurry show.
public final class ScriptedKernel: @unchecked Sendable {
    public let seed: UInt64
    public var odds: ScriptedOdds
    /// How the worker broke the contract of `Backend`, in words. A test expects none.
    public internal(set) var violations: [String] = []
    /// How long the worker would have slept in its last turn, had nothing come: as in `Backend.turn`.
    public internal(set) var lastWaitNanoseconds: Int64 = 0
    /// Turns the worker has made.
    public internal(set) var turnCount = 0
    public internal(set) var counters = BackendCounters()
    public private(set) var peers: [ScriptedPeer] = []

    var random: SeededRandom
    /// Connections that wait to be accepted, oldest first.
    var backlog: [ScriptedPeer] = []
    /// By handle; nil where a handle is free.
    var open: [ScriptedPeer?] = []
    var freeHandles: [Handle] = []
    var listener: Token?
    /// Turns for which accepting rests.
    var acceptPauseTurns = 0
    /// Connections that may still be accepted.
    public internal(set) var acceptAllowance = Int.max
    var options = BackendOptions(connectionsMax: 1)
    var buffers = ScriptedBuffers(count: 1, byteCount: 1)
    var sends: [QueuedSend] = []
    /// Whose connections come.
    public var peerAddress = PeerAddress(version4: 0x7F00_0001, port: 1)
    var results: [Int32] = []
    var batchNumber = 0
    private let socketBytes: ClosedRange<Int>

    @safe struct QueuedSend {
        var handle: Handle
        var bytes: UnsafePointer<UInt8>
        var count: Int
    }

    /// `socketBytes` bounds the random sizes of the node's send buffers.
    public init(seed: UInt64, odds: ScriptedOdds = ScriptedOdds(), socketBytes: ClosedRange<Int> = 256...16_384) {
        self.seed = seed
        self.odds = odds
        self.socketBytes = socketBytes
        random = SeededRandom(seed: seed)
    }

    /// Makes the next `Scripted` that this thread creates run on this kernel.
    public func install() {
        let thread = UInt(pthread_self())
        ScriptedKernel.installed.withLock { $0[thread] = self }
    }

    private static let installed = Mutex<[UInt: ScriptedKernel]>([:])

    static func takeInstalled() -> ScriptedKernel? {
        let thread = UInt(pthread_self())
        return installed.withLock { $0.removeValue(forKey: thread) }
    }

    // MARK: The test's side

    /// A new connection to the node's listener. Its socket takes `socketBytesMax` bytes, or a random number.
    public func connect(socketBytesMax: Int? = nil) -> ScriptedPeer {
        let size = random.between(socketBytes.lowerBound, socketBytes.upperBound)
        let peer = ScriptedPeer(socketBytesMax: socketBytesMax ?? size)
        peers.append(peer)
        backlog.append(peer)
        return peer
    }

    /// Whether the worker holds nothing: no connection, no buffer.
    public var isEmpty: Bool { openCount == 0 && heldBufferCount == 0 }

    /// Connections accepted and not yet told `.closed`.
    public var openCount: Int { open.reduce(0) { $0 + ($1 == nil ? 0 : 1) } }

    /// Receive buffers in the worker's hands.
    public var heldBufferCount: Int { buffers.heldCount }

    /// Whether a turn could tell nothing new. Peers that do not read, paused readers and resting listeners do not
    /// count.
    public var isQuiet: Bool {
        if listener != nil && !backlog.isEmpty && openCount < options.connectionsMax { return false }
        for case let peer? in open {
            if peer.node.isClosing || hasNews(peer) { return false }
        }
        return peers.allSatisfy { !$0.readsAlways || $0.socket.isEmpty }
    }

    private func hasNews(_ peer: ScriptedPeer) -> Bool {
        if peer.node.awaitsWritable && (peer.isBroken || isRoomy(peer)) { return true }
        let readable = !peer.inbound.isEmpty || peer.hasEnded || peer.isBroken
        return peer.node.isReading && !peer.node.isPaused && readable && (!peer.node.isStarved || buffers.isHalfFree)
    }

    /// Whether the kernel would call the socket writable: a third of it is free.
    func isRoomy(_ peer: ScriptedPeer) -> Bool { peer.roomBytes * 3 >= peer.socketBytesMax }

    func violate(_ what: String) {
        if violations.count < 100 { violations.append("turn \(turnCount), seed \(seed): \(what)") }
    }
}

/// The receive buffers of the scripted kernel.
@safe struct ScriptedBuffers: ~Copyable {
    private let base: UnsafeMutablePointer<UInt8>
    private let stride: Int
    private var free: [UInt16]
    private var isHeld: [Bool]
    let count: Int
    let byteCount: Int

    init(count: Int, byteCount: Int) {
        self.count = count
        self.byteCount = byteCount
        stride = byteCount + BackendLimits.receiveSpareBytes
        unsafe base = UnsafeMutablePointer<UInt8>.allocate(capacity: count * stride)
        unsafe base.initialize(repeating: ScriptedBuffers.poison, count: count * stride)
        free = (0..<count).map { UInt16($0) }
        isHeld = Array(repeating: false, count: count)
    }

    deinit { unsafe base.deallocate() }

    static let poison: UInt8 = 0xDD

    var freeCount: Int { free.count }
    var heldCount: Int { count - free.count }
    var isHalfFree: Bool { free.count * 2 >= count }

    /// A random free buffer with the bytes in it.
    mutating func take(_ bytes: ArraySlice<UInt8>, _ random: inout SeededRandom) -> (
        UInt16, UnsafeMutablePointer<UInt8>
    ) {
        precondition(bytes.count <= byteCount)
        let buffer = free.remove(at: random.below(free.count))
        isHeld[Int(buffer)] = true
        let start = unsafe base + Int(buffer) * stride
        for (offset, byte) in bytes.enumerated() { unsafe start[offset] = byte }
        return unsafe (buffer, start)
    }

    /// Whether the worker had it.
    mutating func giveBack(_ buffer: UInt16) -> Bool {
        guard Int(buffer) < count, isHeld[Int(buffer)] else { return false }
        isHeld[Int(buffer)] = false
        free.append(buffer)
        unsafe (base + Int(buffer) * stride).update(repeating: ScriptedBuffers.poison, count: stride)
        return true
    }
}
