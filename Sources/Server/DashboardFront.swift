import CCrypto
import ClarionAdmin
import ClarionBytes
import ClarionEngine
import ClarionWire
import Synchronization

/// `/dashboard`: a page for operators, and the questions it asks, which go to the admin service. Only when a password
/// is set.
///
/// The browser shows the password as HTTP Basic (RFC 7617). It would do so for other sites' requests too, so everything
/// but the page itself needs a header that only a page of this origin can send.
final class DashboardFront: Sendable {
    /// What workers share: the service comes to be when the node does.
    struct Configuration: Sendable {
        let user: String
        let password: String
    }

    /// The header that marks requests of the page.
    private static let marker: StaticString = "x-clarion-dashboard"
    /// Bytes of one request.
    static let requestBytesMax = 64 << 10
    /// Wrong passwords that a worker looks at in a second before it refuses all for the rest of it.
    private static let failuresPerSecondMax = 5
    /// Commands that the page may use.
    private static let allowed: Set<String> = [
        "status", "channels", "connections", "connection", "kick", "publish", "watch", "take",
    ]

    /// `user:password`, as Basic encodes it.
    private let credentials: [UInt8]
    private let page = Array(dashboardPage().utf8)
    private let service = Mutex<AdminService?>(nil)
    private let watches = DashboardWatches()
    private let failures = Mutex((tick: UInt32(0), count: 0))

    init(_ configuration: Configuration) {
        var plain = ByteBuffer()
        plain.append("\(configuration.user):\(configuration.password)")
        var encoded = ByteBuffer()
        Base64.append(plain.view, to: &encoded)
        credentials = encoded.view.array
    }

    func open(_ service: AdminService) { self.service.withLock { $0 = service } }

    /// The node has ended: lets go of it, which holds this front in turn.
    func close() {
        service.withLock { $0 = nil }
        watches.forgetAll()
    }

    func owns(_ head: HTTPHead) -> Bool { head.path == "/dashboard" || head.path == "/dashboard/api" }

    func admit(_ head: HTTPHead) -> BodyAdmission {
        head.path == "/dashboard/api" ? .atMost(DashboardFront.requestBytesMax) : .atMost(0)
    }

    func request(_ head: HTTPHead, body: ByteView, _ session: Session) {
        switch admission(head, nowTick: session.core.nowTick) {
        case .admitted: break
        case .refused:
            return session.respond(
                status: 401, contentType: "text/plain; charset=utf-8", body: ByteView("Password, please."),
                fields: "WWW-Authenticate: Basic realm=\"Clarion\", charset=\"UTF-8\"\r\nCache-Control: no-store\r\n")
        case .tooMany:
            return session.respond(
                status: 429, contentType: "text/plain; charset=utf-8", body: ByteView("Too many wrong passwords."),
                fields: "Retry-After: 1\r\nCache-Control: no-store\r\n")
        }
        if head.path == "/dashboard" { return showPage(head, session) }
        guard head.method == "POST" else {
            return session.respond(
                status: 405, contentType: "text/plain; charset=utf-8", body: ByteView("Method not allowed."),
                fields: "Allow: POST\r\n")
        }
        guard head.field(DashboardFront.marker) != nil else {
            return refuse(session, 403, "This is for the page of the dashboard.")
        }
        guard let request = JSON.parse(body).map({ AdminValue($0) }), let command = request["command"]?.text,
            DashboardFront.allowed.contains(command)
        else { return refuse(session, 400, "There is no such command.") }
        guard let service = service.withLock({ $0 }) else { return refuse(session, 503, "The node is starting.") }
        let ticket = session.ticket
        let answer: @Sendable (AdminValue) -> Void = { value in
            let body = Array(value.json.utf8)
            service.answer(ticket, body)
        }
        switch command {
        case "watch": answer(watches.open(request, service, nowTick: session.core.nowTick))
        case "take": answer(watches.take(request, nowTick: session.core.nowTick))
        default: service.perform(request, answer: answer)
        }
    }

    private func showPage(_ head: HTTPHead, _ session: Session) {
        guard head.method == "GET" || head.method == "HEAD" else {
            return session.respond(
                status: 405, contentType: "text/plain; charset=utf-8", body: ByteView("Method not allowed."),
                fields: "Allow: GET, HEAD\r\n")
        }
        unsafe page.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            session.respond(
                status: 200, contentType: "text/html; charset=utf-8",
                body: unsafe ByteView(base: base, count: buffer.count),
                fields:
                    """
                    Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
                    Referrer-Policy: no-referrer\r\n
                    """
            )
        }
    }

    private func refuse(_ session: Session, _ status: Int, _ text: StaticString) {
        session.respond(status: status, contentType: "text/plain; charset=utf-8", body: ByteView(text))
    }

    // MARK: The password

    private enum Admission {
        case admitted
        case refused
        case tooMany
    }

    private func admission(_ head: HTTPHead, nowTick: UInt32) -> Admission {
        let second = nowTick / Core.ticksPerSecond
        let isOver = failures.withLock {
            $0.tick == second && $0.count >= DashboardFront.failuresPerSecondMax
        }
        if isOver { return .tooMany }
        guard let field = head.field("authorization") else { return .refused }
        if isRight(field) { return .admitted }
        failures.withLock { $0 = $0.tick == second ? (second, $0.count + 1) : (second, 1) }
        return .refused
    }

    /// Whether a field holds the credentials; the time it takes tells nothing of them but their length.
    private func isRight(_ field: ByteView) -> Bool {
        let scheme = ByteView("basic ")
        guard field.count == scheme.count + credentials.count else { return false }
        for index in 0..<scheme.count where field[index] | 0x20 != scheme[index] { return false }
        return unsafe credentials.withUnsafeBytes { wanted in
            guard let wanted = wanted.baseAddress else { return false }
            return unsafe ccrypto_equal(field.base + scheme.count, wanted, credentials.count) != 0
        }
    }
}

/// The channels that pages of the dashboard watch. A page that no longer asks is forgotten.
private final class DashboardWatches: Sendable {
    /// Watches at a time on the whole node, and how long one stays that nobody asks for.
    private static let watchesMax = 8
    private static let idleSeconds: UInt32 = 15

    private struct Watch {
        let id: String
        let tail: AdminTail
        var askedTick: UInt32
    }

    private let list = Mutex<[Watch]>([])

    func open(_ request: AdminValue, _ service: AdminService, nowTick: UInt32) -> AdminValue {
        forgetIdle(nowTick)
        if list.withLock({ $0.count }) >= DashboardWatches.watchesMax {
            return ["error": "too many watches; close another page"]
        }
        var random = SystemRandomNumberGenerator()
        let id = String(random.next(), radix: 16) + String(random.next(), radix: 16)
        switch AdminTail.open(request, service, wake: {}) {
        case .failure(let error): return error.answer
        case .success(let tail):
            list.withLock { $0.append(Watch(id: id, tail: tail, askedTick: nowTick)) }
            return ["watch": .text(id)]
        }
    }

    func take(_ request: AdminValue, nowTick: UInt32) -> AdminValue {
        forgetIdle(nowTick)
        let id = request["watch"]?.text
        let isEnd = request["end"]?.bool ?? false
        let tail = list.withLock { list -> AdminTail? in
            guard let index = list.firstIndex(where: { $0.id == id }) else { return nil }
            list[index].askedTick = nowTick
            let tail = list[index].tail
            if isEnd { list.remove(at: index) }
            return tail
        }
        guard let tail else { return ["error": "this watch has ended"] }
        if isEnd { tail.close() }
        return ["messages": .list(tail.take())]
    }

    func forgetAll() { list.withLock { $0 = [] } }

    private func forgetIdle(_ nowTick: UInt32) {
        let idle = list.withLock { list -> [AdminTail] in
            // Workers' clocks may differ by a turn: a watch of the future is a new one.
            let isOld: (Watch) -> Bool = {
                let age = nowTick &- $0.askedTick
                return age < 1 << 31 && age > DashboardWatches.idleSeconds * Core.ticksPerSecond
            }
            let old = list.filter(isOld).map(\.tail)
            list.removeAll(where: isOld)
            return old
        }
        for tail in idle { tail.close() }
    }
}
