public import ClarionBytes
public import ClarionEngine
public import ClarionWire

/// The HTTP side of the Pusher protocol: upgrades, the HTTP API, and the health check. One for each worker; the router
/// asks it whether a request is its own.
public final class PusherFront {
    private let node: PusherNode
    private let handlerIndex: UInt8
    private let api: PusherAPI
    /// The decoded path of the request at hand.
    private var path = ByteBuffer()
    private var prefix = ByteBuffer()

    /// - Parameter handlerIndex: the number of the `PusherHandler` among the worker's handlers.
    public init(_ node: PusherNode, handlerIndex: UInt8) {
        self.node = node
        self.handlerIndex = handlerIndex
        api = PusherAPI(node)
        for byte in node.pathPrefix { prefix.append(byte) }
    }

    /// What to do with a correct upgrade request; nil when the path is not one of this protocol.
    ///
    /// - Parameter session: the connection, when the request may wait until an application is looked up.
    public func upgrade(_ head: HTTPHead, _ session: Session? = nil) -> UpgradeDecision? {
        switch PusherRoutes.match(head.path, prefix: prefix.view, into: &path) {
        case .unknown: return nil
        case .socket(let key): return PusherUpgrade.decide(node, key: key, head, session, handler: handlerIndex)
        case .malformed, .events, .batch, .channels, .channel, .channelUsers, .terminate, .connections, .up:
            return .refuse(status: 400, text: "Bad request.")
        }
    }

    /// How long the body of a request may be; nil when the path is not one of this protocol.
    public func admit(_ head: HTTPHead, _ session: Session? = nil) -> BodyAdmission? {
        let route = PusherRoutes.match(head.path, prefix: prefix.view, into: &path)
        if case .unknown = route { return nil }
        if let app = route.app, node.lookups != nil, node.table.index(id: app) == nil {
            switch node.lookUp(.id(app.array), session) {
            case .absent: break  // the API says so
            case .undecided: return .refuse(status: 503, text: "The application cannot be looked up now.")
            case .asked(let seconds): return .later(seconds: seconds)
            }
        }
        // The bound holds for head and body together; what is over it is refused before the body is there.
        return .atMost(max(node.configuration.requestBytesMax - head.headByteCount, 0))
    }

    /// Answers a request that is no upgrade. False, and nothing done, when the path is not one of this protocol.
    public func request(_ head: HTTPHead, body: ByteView, _ session: Session) -> Bool {
        let route = PusherRoutes.match(head.path, prefix: prefix.view, into: &path)
        if case .unknown = route { return false }
        if case .up = route, session.core.isLeaving {
            // Balancers are to send clients elsewhere.
            session.respond(
                status: 503, contentType: "application/json", body: ByteView(#"{"health":"draining"}"#),
                fields: "Retry-After: 1\r\n")
            return true
        }
        let request = PusherRequest(
            method: head.method, path: head.path.slice(from: prefix.count), query: head.query, body: body,
            byteCount: head.headByteCount + body.count,
            idempotencyKey: head.field("x-idempotency-key") ?? head.field("idempotency-key"))
        api.answer(route, request, session)
        return true
    }
}
