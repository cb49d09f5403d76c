/// What a worker has counted since it started. Plain numbers of one thread; read there, and carried out as a copy.
public struct CoreCounters: Sendable {
    public var connectionsAccepted: UInt64 = 0
    public var connectionsOpen: UInt64 = 0
    /// Open connections that speak WebSocket.
    public var socketsOpen: UInt64 = 0
    public var upgrades: UInt64 = 0
    public var requests: UInt64 = 0
    /// Bytes of these requests, heads and bodies, and of answers.
    public var requestBytes: UInt64 = 0
    public var responseBytes: UInt64 = 0
    /// Whole WebSocket messages that came, and messages that were sent (replies and deliveries).
    public var messagesIn: UInt64 = 0
    public var messagesOut: UInt64 = 0
    public var bytesIn: UInt64 = 0
    public var bytesOut: UInt64 = 0
    /// Messages given to this worker to publish, and messages given their place here as home.
    public var publishes: UInt64 = 0
    public var ordered: UInt64 = 0
    /// Members that came or went without a message, because their channel is quiet.
    public var untoldChanges: UInt64 = 0
    /// Messages of channels handed to the kernel for a subscriber.
    public var deliveries: UInt64 = 0
    /// Messages that a slow reader did not get, by policy `skip` or `conflate`.
    public var skipped: UInt64 = 0
    /// Published to a channel that nobody is on.
    public var unheard: UInt64 = 0
    public var subscriptions: UInt64 = 0
    public var channels: UInt64 = 0
    /// Channels with subscribers whose home is here.
    public var homeChannels: UInt64 = 0
    /// Members of channels whose home is here, each counted once for each channel.
    public var members: UInt64 = 0
    /// Connections that are signed in as a user.
    public var usersSignedIn: UInt64 = 0
    /// Last messages kept here for newcomers, their bytes, and how many had to go before their time.
    public var keptMessages: UInt64 = 0
    public var keptBytes: UInt64 = 0
    public var keptEvicted: UInt64 = 0
    /// 1 from the order to send clients away on.
    public var draining: UInt64 = 0
    /// The level of memory, and what was given up for it: contexts, older halves of logs that blocked readers lacked,
    /// readers, and new clients and requests.
    public var memoryLevel: UInt64 = 0
    public var shedContexts: UInt64 = 0
    public var shedLogs: UInt64 = 0
    public var shedReaders: UInt64 = 0
    public var shedConnections: UInt64 = 0
    public var turns: UInt64 = 0
    /// The longest turn of the last ten to twenty seconds.
    public var turnMicrosecondsMax: UInt64 = 0
    public var sends: UInt64 = 0
    public var mailSent: UInt64 = 0
    public var mailReceived: UInt64 = 0
    public var wakeUps: UInt64 = 0
    /// Odd events: see `docs/LIMITS.md` for what each means.
    public var acceptFailures: UInt64 = 0
    public var acceptsRefused: UInt64 = 0
    /// Times that accepting rested because the node's rate was reached, and because the worker lagged.
    public var acceptsPaced: UInt64 = 0
    public var acceptsLagged: UInt64 = 0
    /// Connections refused because their address has as many as it may have, and because it opens them too fast.
    public var addressRefusals: UInt64 = 0
    public var addressRateRefusals: UInt64 = 0
    /// Connections that have not said what they want now, and those that were ended because they were too many.
    public var unidentified: UInt64 = 0
    public var unidentifiedCut: UInt64 = 0
    /// Times that a WebSocket was not read for a while because it had sent as much as it may.
    public var inputRested: UInt64 = 0
    public var readersBlocked: UInt64 = 0
    public var inputDeferred: UInt64 = 0
    public var publishersHeld: UInt64 = 0
    public var readingPaused: UInt64 = 0
    public var subscriptionsRefused: UInt64 = 0
    public var staleDeliveries: UInt64 = 0
    public var clockPauses: UInt64 = 0
    /// PROXY headers that were believed, and what should have been one.
    public var proxyHeaders: UInt64 = 0
    public var proxyHeadersRefused: UInt64 = 0
    /// TLS: hellos that were answered, handshakes that came to their end, those of them that took up an earlier
    /// session, and those that failed.
    public var handshakesBegun: UInt64 = 0
    public var handshakesDone: UInt64 = 0
    public var handshakesResumed: UInt64 = 0
    public var handshakesFailed: UInt64 = 0
    /// TLS: open connections that sent what is no TLS, and key updates and the like.
    public var secureFaults: UInt64 = 0
    public var keyUpdates: UInt64 = 0
    /// TLS: open connections whose records the kernel makes, and those that it was asked for in vain.
    public var kernelConnections: UInt64 = 0
    public var kernelRefusals: UInt64 = 0
    /// Open connections that agreed on permessage-deflate, those of them with a context of their own, and the memory
    /// that is set aside for contexts.
    public var deflateConnections: UInt64 = 0
    public var deflateContexts: UInt64 = 0
    public var deflateContextBytes: UInt64 = 0
    /// Agreements, and connections that got no context because the budget was used up.
    public var deflateAgreements: UInt64 = 0
    public var deflateContextsRefused: UInt64 = 0
    /// Logs of compressed messages that exist.
    public var deflateLogs: UInt64 = 0
    /// Messages that were compressed, their bytes before and behind that, and those that went plain because they did
    /// not shrink.
    public var deflated: UInt64 = 0
    public var deflatedBytesIn: UInt64 = 0
    public var deflatedBytesOut: UInt64 = 0
    public var deflatedInVain: UInt64 = 0
    /// Messages that were put off to be compressed in slices.
    public var deflateJobs: UInt64 = 0
    /// Compressed messages that came, and their bytes before and behind inflating.
    public var inflated: UInt64 = 0
    public var inflatedBytesIn: UInt64 = 0
    public var inflatedBytesOut: UInt64 = 0
    /// HTTP answers by class of status: 1xx…5xx at 0…4.
    public var responses = InlineArray<5, UInt64>(repeating: 0)
    /// Connections closed, by `CloseReason.rawValue`.
    public var closed = InlineArray<64, UInt64>(repeating: 0)
    /// Memory in blocks (logs, waiting replies, messages being put together), in bytes.
    public var blockBytes: UInt64 = 0

    public init() {}
}
