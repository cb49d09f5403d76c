/// How far a connection is.
enum ConnectionStage: UInt8 {
    /// Not open; it may be waiting for its turn.
    case absent
    /// TCP is being opened.
    case connecting
    /// TLS shakes hands.
    case securing
    /// The request for the upgrade is sent.
    case upgrading
    /// The server's greeting is waited for, without which there is no subscription.
    case greeting
    /// Open, without a subscription.
    case idle
    /// Open, and a subscription was asked for.
    case subscribed
}

/// What a loop keeps of a connection between two reads: 32 bytes, so that many fit into the processor's cache.
struct Subscriber {
    /// The sequence that comes next; `unproved` until the subscription has been seen to be in force.
    var expected = Subscriber.unproved
    /// Bytes of a long payload that are still to be skipped; its marker is read and waits in the leftover slot.
    var skipBytes: Int32 = 0
    /// The socket, or -1 when there is none.
    var descriptor: Int32 = -1
    /// Index of its channel, or -1 for a connection that only publishes.
    var channel: Int32
    /// Bytes of an unfinished frame that wait in the connection's leftover slot.
    var leftoverBytes: Int16 = 0
    var stage = ConnectionStage.absent
    /// Slow on purpose.
    var isSlow = false
    /// Counted among those that are waited for.
    var isInFrontier = false
    /// Counted as ready: the server confirmed, or a message was seen.
    var isReady = false
    /// Subscribed while messages flow: those that were under way at the confirmation may come or not, so the first one
    /// sets where the sequence begins. It must not lie behind `expected`.
    var isLate = false
    /// The server agreed to permessage-deflate.
    var isDeflated = false

    static let unproved = UInt64.max
}

/// Deliveries of one read that were sent at the same moment, which is nearly all of them: recorded in one go.
struct LatencyRun {
    var first: UInt64 = 0
    var second: UInt64 = 0
    var lag: UInt64 = 0
    var count: UInt64 = 0
}

/// A random sequence that a seed decides (SplitMix64, by Vigna).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
