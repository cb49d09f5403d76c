import ClarionBytes
import ClarionLoop

/// The other end of a simulated connection, in the hands of a test.
public final class ScriptedPeer {
    /// What the peer has read of what the node sent, in order.
    public private(set) var received: [UInt8] = []
    /// Whether the peer reads by itself, a random part of what is there each turn. Otherwise only `drain` reads, and
    /// the socket fills.
    public var readsAlways = true
    /// Bytes that the node's socket takes before it is full.
    public let socketBytesMax: Int

    /// The node has accepted the connection.
    public internal(set) var isAccepted = false
    /// The node has been told `.closed`.
    public internal(set) var isClosed = false
    /// The node closed with a reset, or the connection broke while it sent.
    public internal(set) var isReset = false
    /// Everything the node sent has been read, and after it the end (FIN).
    public var hasSeenEnd: Bool { nodeHasEnded && socket.isEmpty }

    /// Bytes on their way to the node.
    var inbound: [UInt8] = []
    var hasEnded = false
    var hasReset = false
    /// Bytes in the node's socket, not yet read by the peer.
    var socket: [UInt8] = []
    var nodeHasEnded = false
    var node = NodeSide()

    /// What the node has asked of the connection.
    struct NodeSide {
        var handle: Handle = -1
        var token = Token(raw: 0)
        var isReading = false
        var isPaused = false
        var isStarved = false
        var awaitsWritable = false
        var isClosing = false
        var closeToken = Token(raw: 0)
        /// Completions with bytes that may still come though reading rests or the connection closes.
        var lateCount = 0
        /// Turns until `.closed` may come.
        var closingTurns = 0
        /// The batch in which it was last sent to.
        var sentInBatch = -1
    }

    init(socketBytesMax: Int) { self.socketBytesMax = socketBytesMax }

    /// Sends bytes to the node.
    public func write(_ bytes: [UInt8]) {
        precondition(!hasEnded && !hasReset)
        inbound.append(contentsOf: bytes)
    }

    public func write(_ text: String) { write([UInt8](text.utf8)) }

    /// Ends the peer's sending side.
    public func end() { hasEnded = true }

    /// Breaks the connection. Bytes on their way to the node may arrive or not, those in its socket do not.
    public func reset() {
        hasReset = true
        socket = []
    }

    /// Reads at most `limit` bytes of what the node sent.
    public func drain(limit: Int = .max) {
        let count = min(limit, socket.count)
        received.append(contentsOf: socket.prefix(count))
        socket.removeFirst(count)
    }

    /// What was read since the last call.
    public func takeReceived() -> [UInt8] {
        defer { received = [] }
        return received
    }

    /// Whether the peer sends nothing any more: it has ended, or the connection is broken.
    public var hasGone: Bool { hasEnded || isBroken }

    var isBroken: Bool { hasReset || isReset }
    var roomBytes: Int { socketBytesMax - socket.count }
}
