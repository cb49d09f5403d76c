public import ClarionBytes
public import ClarionEngine
public import ClarionWire

/// The HTTP side of the endpoint: upgrades of its path, and publishing by HTTP. One for each worker; the router asks
/// it whether a request is its own.
public final class RealtimeFront {
    private let configuration: RealtimeConfiguration
    private let handler: RealtimeHandler
    private let handlerIndex: UInt8
    private let path: [UInt8]
    private let broadcastPath: [UInt8]
    /// The decoded form of a publish.
    private var form = ByteBuffer()

    /// - Parameters:
    ///   - handler: this worker's handler.
    ///   - handlerIndex: its number among the worker's handlers.
    public init(_ configuration: RealtimeConfiguration, handler: RealtimeHandler, handlerIndex: UInt8) {
        self.configuration = configuration
        self.handler = handler
        self.handlerIndex = handlerIndex
        path = Array(configuration.path.utf8)
        broadcastPath = Array(configuration.broadcastPath.utf8)
    }

    /// Whether the request is for this endpoint: its path is one of the two, character for character.
    public func owns(_ head: HTTPHead) -> Bool { isSocket(head) || isBroadcast(head) }

    /// What to do with a correct upgrade request for one of the two paths.
    public func upgrade(_ head: HTTPHead) -> UpgradeDecision {
        if isBroadcast(head) { return .refuse(status: 400, text: "Bad Request") }
        let verdict = RealtimeOrigin.judge(
            origin(of: head), host: head.host, mode: configuration.mode, allowed: configuration.allowedOrigins)
        switch verdict {
        case .aborted: return .abort
        case .refused: return .refuse(status: 403, text: "Forbidden")
        case .allowed:
            let interval = max(configuration.pingIntervalSeconds, 1)
            let liveness = Liveness(
                pingAfterSeconds: interval, answerWithinSeconds: max(configuration.pongTimeoutSeconds - interval, 1),
                onlyPongsCount: true)
            return .accept(
                handler: handlerIndex, state: SessionState(), messageBytesMax: configuration.messageBytesMax,
                liveness: liveness)
        }
    }

    /// How long a body may be. Who has not got the secret need not send one.
    public func admit(_ head: HTTPHead) -> BodyAdmission {
        if !isBroadcast(head) { return .refuse(status: 400, text: "Bad Request") }
        if !RealtimeBroadcast.isAuthorized(head.field("x-broadcast-secret"), configuration) {
            return .refuse(status: 403, text: "Forbidden")
        }
        return .atMost(configuration.broadcastBytesMax)
    }

    /// Answers a request that is no upgrade.
    public func request(_ head: HTTPHead, body: ByteView, _ session: Session) {
        let isGet = head.method == "GET"
        if isSocket(head) {
            // Statuses and field as the reference's handshake has them; 426 would be RFC 9110's word.
            session.respond(
                status: isGet ? 400 : 405, contentType: RealtimeFront.plainText,
                body: ByteView(isGet ? "Bad Request" : "Method Not Allowed"), fields: RealtimeFront.versionField)
        } else {
            broadcast(
                method: head.method, secret: head.field("x-broadcast-secret"), contentType: head.field("content-type"),
                query: head.query, body: body, session)
        }
    }

    private static let plainText: StaticString = "text/plain; charset=utf-8"
    private static let versionField: StaticString = "Sec-WebSocket-Version: 13\r\n"

    /// The checks of the reference in its order: secret, method, form, fields. 202 says nothing about receivers.
    func broadcast(
        method: ByteView, secret: ByteView?, contentType: ByteView?, query: ByteView, body: ByteView,
        _ peer: some RealtimePeer
    ) {
        if !RealtimeBroadcast.isAuthorized(secret, configuration) { return answer(403, "Forbidden", peer) }
        if method != "POST" {
            return peer.respond(
                status: 405, contentType: RealtimeFront.plainText, body: ByteView("Method Not Allowed"),
                fields: "Allow: POST\r\n")
        }
        form.removeAll()
        var fields = RealtimeBroadcast.Fields()
        var fault: RealtimeBroadcast.FormFault?
        if RealtimeBroadcast.isForm(contentType) { fault = RealtimeBroadcast.read(body, into: &fields, &form) }
        fault = fault ?? RealtimeBroadcast.read(query, into: &fields, &form)
        switch fault {
        case .malformed: return answer(400, "The form cannot be read", peer)
        case .notUTF8: return answer(400, "channel and message must be valid UTF-8", peer)
        case nil: break
        }
        guard let channel = fields.channel, let message = fields.message, !channel.isEmpty, !message.isEmpty else {
            return answer(400, "Missing channel or message", peer)
        }
        if channel.count > RealtimeConfiguration.channelNameBytesMax {
            return answer(400, "The channel name is too long", peer)
        }
        if !configuration.gate.lets() {
            return peer.respond(
                status: 429, contentType: RealtimeFront.plainText, body: ByteView("Too many messages a second"),
                fields: "Retry-After: 1\r\n")
        }
        let text = form.view
        handler.publish(
            text.slice(from: message.lowerBound, count: message.count),
            channel: text.slice(from: channel.lowerBound, count: channel.count), peer)
        peer.respond(status: 202, contentType: RealtimeFront.plainText, body: ByteView(""), fields: "")
    }

    private func answer(_ status: Int, _ text: StaticString, _ peer: some RealtimePeer) {
        peer.respond(status: status, contentType: RealtimeFront.plainText, body: ByteView(text), fields: "")
    }

    private func isSocket(_ head: HTTPHead) -> Bool { unsafe head.path.unsafeBuffer.elementsEqual(path) }

    private func isBroadcast(_ head: HTTPHead) -> Bool { unsafe head.path.unsafeBuffer.elementsEqual(broadcastPath) }

    /// The Origin field; two of them count as one that nothing matches.
    private func origin(of head: HTTPHead) -> ByteView? {
        head.fieldCount("origin") > 1 ? ByteView("null") : head.field("origin")
    }
}
