import ClarionBytes
import ClarionEngine
import ClarionPusher
import ClarionRealtimeJSON
import ClarionWire

/// The numbers of the handlers of each worker, in the order in which `makeHandlers` lists them.
enum HandlerIndex {
    static let echo: UInt8 = 0
    static let realtime: UInt8 = 1
    static let pusher: UInt8 = 2
}

/// Which path leads where. One for each worker.
final class NodeRouter: Router {
    private let pusher: PusherFront
    private let realtime: RealtimeFront?
    private let echoes: Bool
    private let page: [UInt8]
    private let metrics: MetricsPage
    private let dashboard: DashboardFront?

    /// Silence on `/echo` before a ping, and the time to answer it.
    private static let echoLiveness = Liveness(pingAfterSeconds: 60, answerWithinSeconds: 30)
    /// Bytes of one message on `/echo`.
    private let echoMessageBytesMax: Int

    init(
        pusher: PusherFront, realtime: RealtimeFront?, echoes: Bool, echoMessageBytesMax: Int, page: [UInt8],
        metrics: MetricsPage, dashboard: DashboardFront?
    ) {
        self.pusher = pusher
        self.realtime = realtime
        self.echoes = echoes
        self.echoMessageBytesMax = echoMessageBytesMax
        self.page = page
        self.metrics = metrics
        self.dashboard = dashboard
    }

    func upgrade(_ head: HTTPHead, _ session: Session) -> UpgradeDecision {
        if let decision = pusher.upgrade(head, session) { return decision }
        if let realtime, realtime.owns(head) { return realtime.upgrade(head) }
        if echoes && head.path == "/echo" {
            return .accept(
                handler: HandlerIndex.echo, state: SessionState(), messageBytesMax: echoMessageBytesMax,
                liveness: NodeRouter.echoLiveness)
        }
        return .refuse(status: 404, text: "Not found.")
    }

    func admit(_ head: HTTPHead, _ session: Session) -> BodyAdmission {
        if let admission = pusher.admit(head, session) { return admission }
        if let realtime, realtime.owns(head) { return realtime.admit(head) }
        if let dashboard, dashboard.owns(head) { return dashboard.admit(head) }
        if echoes && head.path == "/echo" { return .refuse(status: 426, text: "A WebSocket upgrade is needed here.") }
        return .atMost(0)
    }

    /// Whom the node takes the client for, for those who set up balancers in front of it.
    private func answerAddress(_ head: HTTPHead, _ session: Session) {
        let text = Array("\(session.clientAddress(head))\n".utf8)
        unsafe text.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            session.respond(
                status: 200, contentType: "text/plain; charset=utf-8",
                body: unsafe ByteView(base: base, count: buffer.count))
        }
    }

    func request(_ head: HTTPHead, body: ByteView, _ session: Session) {
        if pusher.request(head, body: body, session) { return }
        if let realtime, realtime.owns(head) { return realtime.request(head, body: body, session) }
        if echoes && head.path == "/echo/address" { return answerAddress(head, session) }
        if let dashboard, dashboard.owns(head) { return dashboard.request(head, body: body, session) }
        let isPage = head.path == "/"
        guard isPage || head.path == "/metrics" else {
            return session.respond(
                status: 404, contentType: "text/plain; charset=utf-8", body: ByteView("Not found."))
        }
        guard head.method == "GET" || head.method == "HEAD" else {
            return session.respond(
                status: 405, contentType: "text/plain; charset=utf-8", body: ByteView("Method not allowed."),
                fields: "Allow: GET, HEAD\r\n")
        }
        if !isPage { return metrics.answer(session) }
        unsafe page.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            session.respond(
                status: 200, contentType: "text/html; charset=utf-8",
                body: unsafe ByteView(base: base, count: buffer.count),
                fields: "Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n")
        }
    }
}
