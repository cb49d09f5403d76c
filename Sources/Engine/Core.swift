import CPosix
public import ClarionBytes
public import ClarionLoop
public import ClarionTransport
import ClarionWire

/// Something that the loop has to ask the backend for, noted by code that does not see the backend.
struct BackendCommand: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        case pauseReceiving, resumeReceiving, awaitWritable, shutdownSending, close, reset
    }
    var kind: Kind
    var slot: UInt32
}

/// A publish that waits until an earlier one of the same connection has its place.
struct HeldPublish: BitwiseCopyable {
    var frame: SharedFrame
    var excluded: UInt64
    var keeps: Bool
}

/// The publishes of one connection that wait for a home, in order. Outlives the connection: what was taken is
/// published.
final class HeldPublishes {
    let slot: UInt32
    let generation: UInt32
    /// What they wait for: mail number `sequence` to `home`.
    var home: UInt8
    var sequence: UInt64
    var items: [HeldPublish] = []
    /// Input of the connection that came meanwhile.
    var input: [UInt8] = []

    init(slot: UInt32, generation: UInt32, home: UInt8, sequence: UInt64) {
        self.slot = slot
        self.generation = generation
        self.home = home
        self.sequence = sequence
    }
}

/// What a worker knows and decides, apart from the kernel: connections, channels, mail, time. It does no I/O; the loop
/// around it (`WorkerLoop`) carries bytes in and out. Used on its worker's thread only.
///
/// Kept in one class with unsafe storage and no properties that count references on the way of a message.
@safe public final class Core {
    public let workerIndex: Int
    public var workerCount: Int { exchange.workerCount }
    let exchange: Exchange
    public private(set) var limits: EngineLimits
    let httpLimits: HTTPLimits

    var connections: Slab<Connection>
    var subscriptions: Slab<Subscription>
    var channels: Slab<Channel>
    var channelNames = NameTable()
    var homes: Slab<HomeChannel>
    var homeNames = NameTable()
    var pool = BlockPool()
    var deflate: DeflateState
    var timers: TimerWheel
    public var counters = CoreCounters()
    /// The backend's counters, as of the last turn.
    public internal(set) var backendCounters = BackendCounters()

    /// Connections to look at in the next flush (flag `queued`).
    var dirty = PlainVector<UInt32>(capacity: 1024)
    /// Channels with visits to make (flag `isSweeping`): those whose circle has not begun yet come first in a slice,
    /// the others in turn.
    var starting = PlainVector<UInt32>(capacity: 256)
    var sweeping = PlainVector<UInt32>(capacity: 256)
    /// Channels whose log waits for blocked readers.
    var lagging = PlainVector<UInt32>()
    var commands = PlainVector<BackendCommand>(capacity: 256)
    /// Counts messages that come to this worker.
    var stamp: UInt64 = 0
    /// A log is so far ahead of readers that could take more, that nothing new is let in until they have it.
    var pressingChannels = 0
    /// The last flush could not serve all who wait in `dirty`: nothing new is let in until it has, or logs would pass
    /// readers that only wait for their turn.
    var isFlushBehind = false
    /// Whether new messages would only pile up in logs.
    var isPressed: Bool { pressingChannels > 0 || isFlushBehind || isDeflatePressing }

    /// Mail being collected for each worker: deliveries and the like first, then publishes.
    var outgoing: PlainVector<UnsafeMutablePointer<MailBatch>?>
    var outgoingPublishes: PlainVector<UnsafeMutablePointer<MailBatch>?>
    var spareBatches: UnsafeMutablePointer<MailBatch>?
    var spareBatchCount = 0
    /// Publishes posted to each home, those that have their place, and those taken from each worker and not yet told.
    var posted: PlainVector<UInt64>
    var ordered: PlainVector<UInt64>
    var taken: PlainVector<UInt64>
    var held: [HeldPublishes] = []
    /// Requests whose body comes in chunks, by slot.
    var chunkedRequests: [UInt32: ChunkedRequest] = [:]

    /// Who watches what this worker orders; empty but for an operator's looking.
    var taps: [MessageTap] = []
    /// What only some channels have at their home, by slot.
    var homeExtras: [UInt32: HomeExtras] = [:]
    /// Mail of this worker for its own homes, and their answers; taken in order by `settleHomes`.
    var homeWork = PlainVector<Mail>()
    /// Homes with newcomers to tell, and homes whose subscribers are to be told how many they are.
    var welcoming = PlainVector<UInt32>()
    var countsDue = PlainVector<UInt32>()
    var isSettling = false
    /// What homes say is written here.
    var homeText = ByteBuffer(capacity: 1024)
    /// Places with kept messages, the oldest first, from number `keptNext` on.
    var keptPlaces = PlainVector<KeptPlace>()
    var keptNext = 0
    /// Who this worker's subscriptions are, where they are members; by subscription.
    var memberNotes: [UInt32: MemberNote] = [:]
    var users = UserDirectory()
    /// The number of the last request to a home.
    var entrySerial: UInt32 = 0
    /// Whose connections they are, by slot; touched only where `knowsPeers`.
    let peers: SideTable<PeerAddress>
    var knowsPeers = false
    /// What they are counted by, by slot; `.none` for those that are not. Touched only where `knowsPeers`.
    let countedAddresses: SideTable<AddressKey>
    /// Connections that have not said what they want, the oldest first.
    let unidentifiedLinks: SideTable<UnidentifiedLink>
    var unidentified = UnidentifiedList()
    /// What connections have sent, by slot; touched only where that is bounded.
    let meters: SideTable<InputMeter>
    /// Is told whom the bounds on connections of an address have turned away, and why.
    var onAddressRefused: (@Sendable (_ address: PeerAddress, _ reason: CloseReason) -> Void)?

    /// TLS: where sessions work, what connections have of it, what new ones begin with, and who waits for that.
    var securePort = SecurePort()
    let secureLinks: SideTable<SecureLink>
    public var secureContext: SecureContext?
    /// Connections that speak WebSocket over TLS 1.3 are given to kernel TLS.
    var sealsByKernel = false
    var handshakes = PlainVector<WaitingHello>()
    /// Sixteenths of handshakes that may begin now, and when they were last counted.
    var handshakeTokens: Int
    var handshakeTick: UInt32 = 1

    /// Encoders write here; empty between uses.
    var scratch = ByteBuffer(capacity: 4096)
    public internal(set) var nowTick: UInt32 = 1
    public static var ticksPerSecond: UInt32 { Clock.ticksPerSecond }
    var lastNanoseconds: UInt64
    var tickRemainder: UInt64 = 0
    /// When all lagging logs were last looked at.
    var lastReleaseTick: UInt32 = 0
    /// What the last turn took.
    var turnNanoseconds: UInt64 = 0
    /// The longest turn of this window and of the last (see `noteTurn`).
    var turnNanosecondsMax: UInt64 = 0
    var lastTurnNanosecondsMax: UInt64 = 0
    var turnWindowTick: UInt32 = 0
    var isStopping = false
    var stopTick: UInt32 = 0
    /// Everything it took in before the order to stop has its place; the others know.
    var isQuiet = false
    var saidFarewell = false
    /// Until then those who speak HTTP are heard and refused.
    var graceTick: UInt32 = 0
    /// False from some time after the order to stop: what peers send from then on has come too late.
    var takesInput = true
    /// Input waits until everybody was told that the node stops; then it is dropped, and requests are refused.
    var holdsInput: Bool { !takesInput && !saidFarewell }
    var drain = DrainState()
    /// How near the process is to its bound of memory.
    var memoryLevel = MemoryLevel.ample
    /// Has nothing more to do of its own, and has told the others.
    var hasLeft = false

    var handlers: [any MessageHandler] = []
    var router: (any Router)?
    var observer: (any ChannelObserver)?
    public internal(set) var keeper: (any ChannelKeeper)?
    /// Is shown replies and answers; nil on every node that is not debugged.
    var watcher: (any TrafficWatcher)?
    /// Since when input waits that was put off, as long as there is any; and how long the input at hand has waited.
    var deferredTick: UInt32 = 0
    public internal(set) var inputDelayTicks: UInt32 = 0

    init(workerIndex: Int, exchange: Exchange, limits: EngineLimits, httpLimits: HTTPLimits) throws(LoopError) {
        self.workerIndex = workerIndex
        self.exchange = exchange
        self.limits = limits
        self.httpLimits = httpLimits
        connections = Slab(capacity: limits.connectionsMax, pristine: Connection())
        secureLinks = SideTable(capacity: limits.connectionsMax)
        peers = SideTable(capacity: limits.connectionsMax)
        countedAddresses = SideTable(capacity: limits.connectionsMax)
        meters = SideTable(capacity: limits.connectionsMax)
        unidentifiedLinks = SideTable(capacity: limits.connectionsMax)
        handshakeTokens = limits.handshakesPerSecond * Int(Clock.ticksPerSecond)
        subscriptions = Slab(
            capacity: min(limits.connectionsMax * limits.subscriptionsPerConnectionMax, 1 << 26),
            pristine: Subscription())
        let name = SharedFrame.make(byteCount: 0, key: ByteView(""), space: 0, hash: 0)
        deflate = DeflateState(connectionsMax: limits.connectionsMax)
        // Half of them for readers of compressed messages; `makeChannel` bounds the channels themselves.
        channels = unsafe Slab(
            capacity: 2 * limits.channelsMax, pristine: Channel(name: name, home: 0, phase: .joining))
        // Every channel of every worker could have its home here, so that one is never refused; unused room costs
        // address space only.
        let homesMax = min(limits.channelsMax * exchange.workerCount, Core.homesMax)
        homes = unsafe Slab(capacity: homesMax, pristine: HomeChannel(name: name))
        pristineName = name
        timers = try TimerWheel(slotsMax: limits.connectionsMax)
        unsafe outgoing = unsafe PlainVector(capacity: exchange.workerCount)
        unsafe outgoingPublishes = unsafe PlainVector(capacity: exchange.workerCount)
        posted = PlainVector(capacity: exchange.workerCount)
        ordered = PlainVector(capacity: exchange.workerCount)
        taken = PlainVector(capacity: exchange.workerCount)
        for _ in 0..<exchange.workerCount {
            unsafe outgoing.append(nil)
            unsafe outgoingPublishes.append(nil)
            posted.append(0)
            ordered.append(0)
            taken.append(0)
        }
        lastNanoseconds = cposix_monotonic_nanoseconds()
    }

    private static let homesMax = 1 << 26

    /// The name in the slabs' pristine elements; never read.
    private let pristineName: SharedFrame

    deinit {
        for index in 0..<UInt32(channels.touched) where channels.isInUse(index) { freeChannelMemory(index) }
        for index in 0..<UInt32(homes.touched) where homes.isInUse(index) { freeHomeMemory(index) }
        for index in 0..<UInt32(connections.touched) where connections.isInUse(index) {
            giveBlocks(of: index)
            endSecure(index)
        }
        for note in memberNotes.values { note.frame.release() }
        for index in 0..<homeWork.count { Exchange.discard(homeWork[index]) }
        for waiting in held { for item in waiting.items { item.frame.release() } }
        for index in 0..<exchange.workerCount {
            if let batch = unsafe outgoing[index] { unsafe Exchange.discard(batch) }
            if let batch = unsafe outgoingPublishes[index] { unsafe Exchange.discard(batch) }
        }
        while let batch = unsafe spareBatches {
            unsafe spareBatches = unsafe batch.pointee.next
            unsafe batch.deinitialize(count: 1)
            unsafe batch.deallocate()
        }
        pristineName.release()
    }

    /// The connection that a ticket of this worker names; nil when it is gone, or closing.
    public func session(for ticket: SessionTicket) -> Session? {
        precondition(ticket.worker == workerIndex)
        guard connections.isInUse(ticket.slot), connections.generation(of: ticket.slot) == ticket.generation,
            !isClosing(ticket.slot)
        else { return nil }
        return Session(core: self, slot: ticket.slot)
    }

    /// Handler number `index` itself, whatever is wrapped around it. For rare things.
    public func handler(_ index: UInt8) -> any MessageHandler {
        let handler = handlers[Int(index)]
        return (handler as? any HandlerWrapper)?.wrapped ?? handler
    }

    // MARK: Names of things

    func hash(space: UInt16, name: ByteView) -> UInt64 { exchange.hash.hash(name, seed: UInt64(space)) }

    /// The home of a channel is taken from the upper half of its hash; tables use the lower.
    func home(ofHash hash: UInt64) -> Int { Int((hash >> 32) % UInt64(exchange.workerCount)) }

    public func homeWorker(space: UInt16, name: ByteView) -> Int { home(ofHash: hash(space: space, name: name)) }

    func ticket(of slot: UInt32) -> SessionTicket {
        SessionTicket(worker: workerIndex, slot: slot, generation: connections.generation(of: slot))
    }

    func statePointer(_ slot: UInt32) -> UnsafeMutablePointer<SessionState> {
        let raw = unsafe UnsafeMutableRawPointer(connections[slot])
        guard let offset = MemoryLayout<Connection>.offset(of: \Connection.state) else {
            preconditionFailure("a stored property without an offset")
        }
        return unsafe (raw + offset).assumingMemoryBound(to: SessionState.self)
    }

    func isClosing(_ slot: UInt32) -> Bool { unsafe connections[slot].pointee.flags.contains(.closing) }

    /// Worker (8 bits), generation (24), slot (28), behind a keyed permutation: unique, and not to be guessed.
    func socketNumber(of slot: UInt32) -> UInt64 {
        let plain = UInt64(workerIndex) << 52 | UInt64(connections.generation(of: slot)) << 28 | UInt64(slot)
        return SocketNumber.encrypt(plain, key: exchange.socketKey)
    }

    // MARK: Work for the loop

    func command(_ kind: BackendCommand.Kind, _ slot: UInt32) {
        commands.append(BackendCommand(kind: kind, slot: slot))
    }

    func markDirty(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.flags.contains(.queued) { return }
        unsafe connection.pointee.flags.insert(.queued)
        dirty.append(slot)
    }

    var isSweeping: Bool { !sweeping.isEmpty || !starting.isEmpty }
    var hasWork: Bool {
        !dirty.isEmpty || isSweeping || !commands.isEmpty || !homeWork.isEmpty || !deflate.jobs.isEmpty
            || canAnswerHello
    }

    /// Takes the bounds of `new` that are no reservations of memory made at the start. They hold for new work.
    public func adopt(_ new: EngineLimits) {
        limits.subscriptionsPerConnectionMax = min(
            new.subscriptionsPerConnectionMax, subscriptions.capacity)
        limits.outboxBytesMax = new.outboxBytesMax
        limits.slowConsumerPolicy = new.slowConsumerPolicy
        limits.slowConsumerSeconds = new.slowConsumerSeconds
        limits.connectionsPerAddress = new.connectionsPerAddress
        limits.newPerAddress = new.newPerAddress
        limits.unidentifiedMax = new.unidentifiedMax
        limits.accepts = new.accepts
        limits.messages = new.messages
        limits.bytes = new.bytes
        limits.headSeconds = new.headSeconds
        limits.handshakeSeconds = new.handshakeSeconds
        limits.handshakesPerSecond = new.handshakesPerSecond
        limits.trustedProxies = new.trustedProxies
        limits.idleSeconds = new.idleSeconds
        limits.messageSeconds = new.messageSeconds
        limits.fragmentsMax = new.fragmentsMax
        limits.controlFramesBurst = new.controlFramesBurst
        limits.controlFramesPerSecond = new.controlFramesPerSecond
        limits.closeSeconds = new.closeSeconds
        limits.drainSeconds = new.drainSeconds
        limits.drainSpreadSeconds = new.drainSpreadSeconds
        limits.drainPerSecondMin = new.drainPerSecondMin
    }

    /// Runs `body` on this worker, in a later turn.
    public func callLater(_ body: @escaping @Sendable (Core) -> Void) {
        var mail = Mail(.call)
        unsafe mail.call = unsafe Unmanaged.passRetained(MailCall(body)).toOpaque()
        post(mail, to: workerIndex)
    }

    /// Runs `body` on worker `worker`: at once when it is this one. For rare things; allocates.
    public func call(worker: Int, _ body: @escaping @Sendable (Core) -> Void) {
        if worker == workerIndex { return body(self) }
        var mail = Mail(.call)
        unsafe mail.call = unsafe Unmanaged.passRetained(MailCall(body)).toOpaque()
        post(mail, to: worker)
    }
}
