/// What a loop keeps of a connection between two reads: 32 bytes, so that many fit into the processor's cache.
struct Subscriber {
    /// The sequence that comes next; `unproved` until a probe has shown that the subscription is in force.
    var expected: UInt64
    /// Bytes of a long payload that are still to be skipped; its marker is read and waits in the leftover slot.
    var skipBytes: Int
    /// The socket, or -1 once it is gone.
    var descriptor: Int32
    /// Bytes of an unfinished frame that wait in the connection's leftover slot.
    var leftoverBytes: Int16
    /// Index of its channel, or -1 for a connection that only publishes.
    var channel: Int16

    static let unproved = UInt64.max
}

/// Odd events of one loop, other than those of the sequence.
struct LoopFaults {
    /// Connections that the server ended.
    var disconnected: UInt64 = 0
    /// Frames that no server may send.
    var invalidFrames: UInt64 = 0
    /// Messages with a sequence that was never sent.
    var foreign: UInt64 = 0
    /// Text without a marker: confirmations and errors of the protocol.
    var unmarked: UInt64 = 0
    /// The beginning of the latest text without a marker, to say what a server complained about.
    var latestText = ""

    static let latestTextBytesMax = 200
}

/// Deliveries of one read that were sent at the same moment, which is nearly all of them: recorded in one go.
struct LatencyRun {
    var first: UInt64 = 0
    var second: UInt64 = 0
    var count: UInt64 = 0
}
