import ClarionBytes
import ClarionEcho
import ClarionEngine
import ClarionLoop
import ClarionPusher
import ClarionRealtimeJSON
import ClarionWire

/// One worker with all protocols on a null backend, and what its clients send.
final class Rig {
    private var worker: DrivenWorker<NullBackend>

    static let applicationSecret = "app-secret"
    private static let handshakeSecondsMax = 100_000
    private static let messageBytesMax = 64 << 10

    init(connectionsMax: Int) {
        var options = BackendOptions(connectionsMax: connectionsMax)
        options.receiveBufferCount = 64
        var limits = EngineLimits()
        limits.connectionsMax = connectionsMax
        limits.channelsMax = 4096
        // Under callgrind the clock runs fast: no deadline may come.
        limits.headSeconds = Rig.handshakeSecondsMax
        limits.idleSeconds = Rig.handshakeSecondsMax
        limits.closeSeconds = Rig.handshakeSecondsMax
        limits.slowConsumerSeconds = Rig.handshakeSecondsMax
        do {
            let protocols = try Rig.protocols()
            worker = try DrivenWorker(
                backend: NullBackend(options: options), options: options, limits: limits, protocols: protocols,
                hashSeed: 0x9E37_79B9_7F4A_7C15)
        } catch {
            preconditionFailure("no worker for a benchmark: \(error)")
        }
    }

    private static func protocols() throws -> WorkerProtocols {
        var realtime = RealtimeConfiguration(space: 0)
        realtime.messageBytesMax = messageBytesMax
        realtime.allowsPublish = true
        realtime.allowedOrigins = ["*"]
        realtime.pingIntervalSeconds = handshakeSecondsMax
        realtime.pongTimeoutSeconds = 2 * handshakeSecondsMax
        var application = ApplicationConfiguration(id: "app-id", key: "app-key", secret: applicationSecret)
        application.acceptClientEventsFrom = .all
        application.maxMessageBytes = messageBytesMax
        application.pingIntervalSeconds = handshakeSecondsMax
        application.pongTimeoutSeconds = handshakeSecondsMax
        var pusher = PusherConfiguration(applications: [application])
        pusher.timestampToleranceSeconds = nil
        let node = try PusherNode(pusher)
        let handler = RealtimeHandler(realtime)
        let router = RigRouter(
            pusher: PusherFront(node, handlerIndex: 2),
            realtime: RealtimeFront(realtime, handler: handler, handlerIndex: 1))
        return WorkerProtocols(handlers: [EchoHandler(), handler, PusherHandler(node)], router: router)
    }

    /// Bytes and sends so far: what a body returns, so that nothing of the work can be left out.
    var checksum: Int { worker.withBackend { $0.sentBytes &+ $0.sentCount } }

    /// Turns until nothing is left to do.
    private func settle() {
        repeat { worker.turn() } while worker.withBackend { $0.hasNews }
    }

    /// A connection that has its turn and no request yet.
    func connect() -> Handle {
        let handle = worker.withBackend { $0.connect() }
        settle()
        return handle
    }

    /// Bytes from a connection, and the turns that they need.
    func send(_ handle: Handle, _ bytes: StaticBytes) {
        worker.withBackend { $0.feed(handle, bytes.view) }
        settle()
    }

    /// The peer ends the connection.
    func end(_ handle: Handle) {
        worker.withBackend { $0.end(handle) }
        settle()
    }

    /// A WebSocket connection to `path`, compressed if `deflates`.
    func open(_ path: String, deflates: Bool = false) -> Handle {
        let handle = connect()
        send(handle, StaticBytes(Inputs.upgradeRequest(path: path, deflates: deflates)))
        precondition(worker.counters.upgrades > 0, "the upgrade was refused")
        return handle
    }

    /// Whether messages were delivered as they should have been.
    func require(_ holds: (CoreCounters) -> Bool, _ what: String) {
        precondition(holds(worker.counters), "the benchmark does not do what it says: \(what)")
    }

    /// What the node sends while `body` runs.
    func sent(during body: () -> Void) -> [UInt8] {
        worker.withBackend { $0.keepsSent = true }
        body()
        return worker.withBackend { backend in
            backend.keepsSent = false
            let bytes = backend.kept
            backend.forgetKept()
            return bytes
        }
    }
}

/// Which path leads where, as in the server.
private final class RigRouter: Router {
    private let pusher: PusherFront
    private let realtime: RealtimeFront

    init(pusher: PusherFront, realtime: RealtimeFront) {
        self.pusher = pusher
        self.realtime = realtime
    }

    func upgrade(_ head: HTTPHead, _ session: Session) -> UpgradeDecision {
        if let decision = pusher.upgrade(head) { return decision }
        if realtime.owns(head) { return realtime.upgrade(head) }
        if head.path == "/echo" { return EchoHandler.upgrade(handler: 0) }
        return .refuse(status: 404, text: "Not found.")
    }

    func admit(_ head: HTTPHead, _ session: Session) -> BodyAdmission { pusher.admit(head, session) ?? .atMost(0) }

    func request(_ head: HTTPHead, body: ByteView, _ session: Session) {
        if pusher.request(head, body: body, session) { return }
        session.respond(status: 404, contentType: "text/plain", body: ByteView("Not found."))
    }
}
