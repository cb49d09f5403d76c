// What the engine asks of a protocol, and of the router in front of them. Each worker has its own instances, so their
// state needs no lock. They see messages and sessions, never sockets or buffers.

public import ClarionBytes
public import ClarionWire

/// A protocol spoken over WebSocket: sees whole messages, answers through the session.
public protocol MessageHandler: AnyObject {
    /// The connection is open: the 101 answer is queued. What is sent now comes right behind it.
    func opened(_ session: Session)

    /// A message came. `payload` is valid until this returns, and valid UTF-8 if `opcode` is `Opcode.text`.
    func received(_ payload: ByteView, opcode: UInt8, _ session: Session)

    /// A subscription is in force: every message published from now on reaches the connection. Called once for each
    /// `subscribe` that was answered with `.joining` or `.already`, possibly before that call returns.
    func joined(space: UInt16, name: ByteView, _ session: Session)

    /// A slow reader has lost `count` messages of a channel (policies `skip` and `conflate`). What is sent now comes
    /// behind the last message before the gap, and before the first behind it. At most once for each gap, and only
    /// when the peer takes bytes again.
    func missed(_ count: UInt32, space: UInt16, name: ByteView, _ session: Session)

    /// The home of a channel has refused a subscription that was asked for with `enter`; it is gone.
    func turnedAway(_ refusal: EntryRefusal, space: UInt16, name: ByteView, _ session: Session)

    /// Users whom the connection watches (`signIn`) are there now, or gone. First, once, those who are there already.
    func watched(_ users: [[UInt8]], areOnline: Bool, _ session: Session)

    /// Nothing came for `Liveness.pingAfterSeconds`: ask the peer for a sign of life.
    func ping(_ session: Session)

    /// The node is about to close the connection for `reason` and nothing was said yet: an optional last message
    /// (`session.reply`), and what the close frame says. nil: a close frame without a code.
    func farewell(_ reason: CloseReason, _ session: Session) -> Farewell?

    /// The connection is gone; its subscriptions are too. The last call for it.
    func closed(_ session: Session)

    /// The most that may be done to compress what is published to a channel: `.off` where its length must not tell
    /// anything. Asked when the first connection of a worker subscribes.
    func deflateMode(space: UInt16, name: ByteView) -> DeflateMode
}

extension MessageHandler {
    public func deflateMode(space: UInt16, name: ByteView) -> DeflateMode { .dedicated }
}

extension MessageHandler {
    /// For protocols that have no word for it.
    public func missed(_ count: UInt32, space: UInt16, name: ByteView, _ session: Session) {}
    /// For protocols that never `enter`.
    public func turnedAway(_ refusal: EntryRefusal, space: UInt16, name: ByteView, _ session: Session) {}
    /// For protocols that never `signIn`.
    public func watched(_ users: [[UInt8]], areOnline: Bool, _ session: Session) {}
}

/// Told, at the homes of channels, how many connections are subscribed to them. One for each worker.
public protocol ChannelObserver: AnyObject {
    /// The number of a channel's subscriptions, of all workers together, has changed. `name` is valid during the call.
    func subscriptionsChanged(space: UInt16, name: ByteView, from before: Int, to now: Int)
}

/// What a close frame says.
public struct Farewell {
    public var code: UInt16
    public var text: StaticString

    public init(_ code: UInt16, _ text: StaticString) {
        self.code = code
        self.text = text
    }
}

/// How a connection proves that it is alive.
public struct Liveness: Sendable {
    /// Silence after which `MessageHandler.ping` is called.
    public var pingAfterSeconds: Int
    /// Time the peer then has, before the connection is closed with `.pongTimeout`.
    public var answerWithinSeconds: Int
    /// Only WebSocket pongs count as signs of life, not other messages.
    public var onlyPongsCount: Bool

    public init(pingAfterSeconds: Int, answerWithinSeconds: Int, onlyPongsCount: Bool = false) {
        self.pingAfterSeconds = pingAfterSeconds
        self.answerWithinSeconds = answerWithinSeconds
        self.onlyPongsCount = onlyPongsCount
    }
}

/// What the router says to an upgrade request that is a correct one (RFC 6455 section 4.2.1).
public enum UpgradeDecision {
    /// The connection speaks to handler number `handler` (its place in `WorkerProtocols.handlers`) from now on.
    /// `state` is the first value of the session's state words.
    case accept(handler: UInt8, state: SessionState, messageBytesMax: Int, liveness: Liveness)
    /// An HTTP answer with this status and a plain text, then the connection is closed.
    case refuse(status: Int, text: StaticString)
    /// The connection is closed without an answer.
    case abort
    /// Not known yet: the request waits, and the router is asked again when somebody calls `Core.lookAgain`, or when
    /// so many seconds have passed.
    case later(seconds: Int)
}

/// Four words that belong to the protocol of a connection.
@frozen
public struct SessionState: BitwiseCopyable, Sendable {
    public var word0: UInt64 = 0
    public var word1: UInt64 = 0
    public var word2: UInt64 = 0
    public var word3: UInt64 = 0

    @inlinable public init() {}
}

/// Whether a request may send a body, decided when its head is there.
public enum BodyAdmission {
    /// At most this many bytes.
    case atMost(Int)
    /// An answer now, then the connection is closed.
    case refuse(status: Int, text: StaticString)
    /// As `UpgradeDecision.later`.
    case later(seconds: Int)
}

/// What stands between HTTP and the handlers: which path leads where. One instance for each worker.
public protocol Router: AnyObject {
    func upgrade(_ head: HTTPHead, _ session: Session) -> UpgradeDecision
    func admit(_ head: HTTPHead, _ session: Session) -> BodyAdmission
    /// A whole request. Answer with `session.respond` now, or later through `session.ticket`; exactly once.
    func request(_ head: HTTPHead, body: ByteView, _ session: Session)
}
