import ClarionBytes
import ClarionWire

/// Where a connection is in its life. It only moves down this list.
enum Phase: UInt8, BitwiseCopyable {
    /// Speaks HTTP: a request head, a body, or nothing yet.
    case http
    /// Speaks WebSocket.
    case open
    /// Close was begun (by either side): what is queued leaves, nothing new is accepted. Subscriptions are gone.
    case closing
    /// Everything was sent and our side of TCP is shut; what still comes is dropped until the peer ends too.
    case lingering
    /// Given to the backend to close; the slot is freed when the kernel has handed everything back.
    case joining
}

/// Facts about a connection, one bit each.
struct ConnectionFlags: OptionSet, BitwiseCopyable {
    let rawValue: UInt32

    /// The socket is full; `.writable` will come.
    static let blocked = ConnectionFlags(rawValue: 1 << 0)
    /// In the worker's list of connections to look at when it flushes.
    static let queued = ConnectionFlags(rawValue: 1 << 1)
    /// Close was begun; the same as phase ≥ closing, here so that a flush asks one word.
    static let closing = ConnectionFlags(rawValue: 1 << 2)
    /// A log that it follows holds a message that must not be sent to it.
    static let hasExclusion = ConnectionFlags(rawValue: 1 << 3)
    /// The outbox is not empty.
    static let hasOutbox = ConnectionFlags(rawValue: 1 << 4)
    /// Subscribed to more than one channel.
    static let several = ConnectionFlags(rawValue: 1 << 5)
    /// The outbox waits until all that was published has its place (HTTP answers).
    static let outboxHeld = ConnectionFlags(rawValue: 1 << 6)
    /// Input waits until an earlier publish has its place.
    static let inputHeld = ConnectionFlags(rawValue: 1 << 7)
    static let readingPaused = ConnectionFlags(rawValue: 1 << 8)
    static let closeFrameSent = ConnectionFlags(rawValue: 1 << 9)
    static let closeFrameReceived = ConnectionFlags(rawValue: 1 << 10)
    /// Input is dropped unread (after a protocol error, or when lingering).
    static let deaf = ConnectionFlags(rawValue: 1 << 11)
    static let pinged = ConnectionFlags(rawValue: 1 << 12)
    static let onlyPongsCount = ConnectionFlags(rawValue: 1 << 13)
    /// An HTTP request was handed to the router and has no answer yet.
    static let awaitingAnswer = ConnectionFlags(rawValue: 1 << 14)
    /// The answer at hand is the last one.
    static let closeAfterAnswer = ConnectionFlags(rawValue: 1 << 15)
    /// The answer at hand is to a HEAD request: no body.
    static let headOnly = ConnectionFlags(rawValue: 1 << 16)
    /// In the middle of a frame's payload.
    static let insideFrame = ConnectionFlags(rawValue: 1 << 17)
    static let frameIsFinal = ConnectionFlags(rawValue: 1 << 18)
    /// A handler was told `opened` and must be told `closed`.
    static let handlerOpened = ConnectionFlags(rawValue: 1 << 19)
    /// The peer shut its side; what is queued still leaves.
    static let peerEnded = ConnectionFlags(rawValue: 1 << 20)
    /// 100 Continue was sent for the request at hand.
    static let continued = ConnectionFlags(rawValue: 1 << 21)
    /// A subscription has `lost` messages that the peer is to be told of.
    static let hasGap = ConnectionFlags(rawValue: 1 << 22)
    /// The router does not know yet what becomes of the request at hand; it is asked again.
    static let awaitingRouter = ConnectionFlags(rawValue: 1 << 23)

    /// Its bytes are TLS on the socket.
    static let secured = ConnectionFlags(rawValue: 1 << 24)
    /// TLS is not established yet.
    static let handshaking = ConnectionFlags(rawValue: 1 << 25)
    /// Without `secured`: TLS is established, and the kernel makes the records of what is sent
    /// (`WorkerLoop+KernelRecords.swift`). In no phase before `open`.
    static let kernelSealed = handshaking
    /// Encrypted bytes wait (`SecureLink.sealed`).
    static let hasSealed = ConnectionFlags(rawValue: 1 << 26)

    /// A PROXY header is still to come. In phase `http` only.
    static let proxied = ConnectionFlags(rawValue: 1 << 27)
    /// What it sends is counted (`InputMeter`). In phase `open` only, where the bit of `proxied` has no other meaning.
    static let metered = proxied

    /// permessage-deflate was agreed on.
    static let deflates = ConnectionFlags(rawValue: 1 << 28)
    /// Messages to it are compressed in its own context.
    static let dedicated = ConnectionFlags(rawValue: 1 << 29)
    /// The message that is being put together is compressed.
    static let messageIsDeflated = ConnectionFlags(rawValue: 1 << 30)

    /// Chosen to be sent away, when it has everything.
    static let leaving = ConnectionFlags(rawValue: 1 << 31)

    /// With any of these (`metered` is one) what comes is not looked at as it is.
    static let guarded: ConnectionFlags = [.deaf, .secured, .kernelSealed, .proxied]
    /// Something still has to leave.
    static let owed: ConnectionFlags = [.hasOutbox, .hasSealed]
    /// With any of these a delivery is not the plain "send the rest of one log".
    static let notPlain: ConnectionFlags = [
        .blocked, .closing, .hasExclusion, .hasOutbox, .several, .queued, .secured, .dedicated,
    ]

    /// Whether its bytes are TLS on the socket, whoever makes the records.
    var speaksTLS: Bool { !isDisjoint(with: [.secured, .kernelSealed]) }
    /// Whether the kernel makes the records of what is sent.
    var isKernelSealed: Bool { intersection([.secured, .kernelSealed]) == .kernelSealed }
}

/// A connection of one worker, in its slab. Plain data; the first line of cache is what a delivery touches.
struct Connection: BitwiseCopyable {
    static let noSubscription = UInt32.max
    static let noContext = UInt32.max

    var handle: Int32 = -1
    var flags: ConnectionFlags = []
    var firstSubscription: UInt32 = noSubscription
    var subscriptionCount: UInt32 = 0
    var phase: Phase = .http
    var handler: UInt8 = 0
    var reason: UInt8 = 0
    /// Control frames that it may still send.
    var controlTokens: UInt8 = 0

    // Replies that wait: bytes outboxStart ..< outboxEnd of the block.
    var outboxStart: UInt32 = 0
    var outboxEnd: UInt32 = 0
    var outbox = Block()

    // The message (or HTTP request) that is being put together: the first messageCount bytes of the block.
    var message = Block()
    var messageCount: UInt32 = 0
    /// HTTP: bytes at the front of the block that belong to requests already handed on.
    var messageStart: UInt32 = 0
    var messageBytesMax: UInt32 = 0
    /// Frames of the message at hand.
    var fragmentCount: UInt32 = 0
    /// HTTP requests that were answered (stops at its largest value).
    var requestCount: UInt16 = 0
    /// The opcode of the message, and of the frame at hand.
    var messageOpcode: UInt8 = 0
    var frameOpcode: UInt8 = 0
    /// Bytes of a frame head that are there, and of a control frame's payload (kept in `scrap`).
    var headCount: UInt8 = 0
    var controlCount: UInt8 = 0
    var maskPhase: UInt8 = 0
    var maskKey: UInt32 = 0
    var frameRemaining: UInt64 = 0
    var utf8 = UTF8Stream()
    var head = InlineArray<14, UInt8>(repeating: 0)
    /// The payload of a control frame that came in parts.
    var scrap = Block()

    // Ticks of the worker's clock.
    var heardTick: UInt32 = 0
    var phaseTick: UInt32 = 0
    var messageTick: UInt32 = 0
    var blockedTick: UInt32 = 0
    var controlTick: UInt32 = 0
    var timerTick: UInt32 = 0
    var pingAfterTicks: UInt32 = 0
    var answerWithinTicks: UInt32 = 0

    /// The home that has the last publish of this connection, and that publish's number there.
    var orderSequence: UInt64 = 0
    var orderHome: UInt8 = 0
    /// The class of the window that it reads compressed messages with (`DeflateWindow`).
    var window: UInt8 = 0
    /// The most that its listener lets it agree on.
    var deflateMost = DeflateMode.dedicated
    /// Its own context, or `noContext`.
    var context: UInt32 = noContext
    var state = SessionState()
}

/// One connection in one channel.
struct Subscription: BitwiseCopyable {
    var channel: UInt32 = 0
    /// Its place in the channel's list of subscribers; while it waits for the home, the number of the request.
    var position: UInt32 = 0
    /// The connection's next subscription, or `Connection.noSubscription`.
    var next: UInt32 = Connection.noSubscription
    /// How often it was asked for again while the home had not answered yet: each asking gets an answer.
    var askedAgain: UInt32 = 0
    /// Messages that a slow reader lost and has not been told of. Stops at its largest value.
    var lost: UInt32 = 0

    private static let waitingBit: UInt32 = 1 << 31
    /// Numbers of requests are below this one, and so are places.
    static let serialMask: UInt32 = waitingBit - 1

    /// In no list yet: the home has not answered.
    var isWaiting: Bool { position & Subscription.waitingBit != 0 }

    mutating func waits(for serial: UInt32) { position = Subscription.waitingBit | serial }

    func awaits(_ serial: UInt64) -> Bool { isWaiting && UInt64(position & Subscription.serialMask) == serial }
}
