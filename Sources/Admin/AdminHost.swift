public import ClarionEngine

/// An application as an operator names it.
public struct AdminApplication: Sendable {
    public let id: String
    public let key: String
    /// The name space of its channels.
    public let space: UInt16
    public let connectionCount: Int

    public init(id: String, key: String, space: UInt16, connectionCount: Int) {
        self.id = id
        self.key = key
        self.space = space
        self.connectionCount = connectionCount
    }
}

/// What the admin service asks of the process around it. Called from the threads of the admin socket and from workers:
/// nothing here may wait for long.
public protocol AdminHost: Sendable {
    /// Members of the answer to `status` that do not come from workers: version, backend, address and the like.
    func facts() -> [(name: String, value: AdminValue)]

    func applications() -> [AdminApplication]

    /// The protocol of a connection, and the name space of its channels if it has one.
    func describe(_ facts: ConnectionFacts) -> (protocolName: String, space: UInt16?)

    /// The message that subscribers of a channel get for an event.
    func message(space: UInt16, channel: String, event: String, data: String) -> [UInt8]

    /// Whether a channel keeps its last message for newcomers.
    func keepsLast(space: UInt16, channel: String) -> Bool

    /// Why a channel's name cannot be published to; nil when it can.
    func fault(ofChannel channel: String) -> String?

    /// Reads the configuration anew, and answers later, once, on any thread: what was applied and what cannot be, or
    /// why nothing was.
    func reload(_ answer: @escaping @Sendable (AdminValue) -> Void)

    /// Starts the program anew, which takes the listeners over, and answers later, once: `pid`, or why it could not
    /// start. Then this process sends its clients away and ends.
    func restart(_ answer: @escaping @Sendable (AdminValue) -> Void)

    /// The listening sockets, for a process that is to take over; or why it gets none. `endLending` follows.
    func lendListeners() -> Result<[Int32], AdminRefusal>

    /// Who got the sockets serves now: its process id, and this process sends its clients away and ends. nil: it does
    /// not, and this one goes on.
    func endLending(to process: Int?)

    /// Begins an orderly end of the process.
    func drain()
}

/// The name under which requests and answers speak of the JSON protocol on `/ws`, which belongs to no application.
public enum AdminNames {
    public static let realtime = "realtime"
    /// Its name space.
    public static let realtimeSpace: UInt16 = 0
}
