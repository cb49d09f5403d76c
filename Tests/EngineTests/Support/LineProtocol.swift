import ClarionBytes
import ClarionWire

@testable import ClarionEngine

/// A protocol of one line a message, small enough to be judged by a model:
///
///     S name           subscribe; "J name" comes when it is in force
///     U name           unsubscribe; "L name" comes
///     P name text      publish
///     X name text      publish, except to the sender
///     R text           "R text" comes back
///     B count          a reply of `count` bytes comes back
///     C                close with code 4000
///     E name id        enter as member `id` (none: as nobody); names that begin with k keep their last message
///     V name text      publish a message to keep
///
/// A slow reader that lost messages of a channel is told "G name count".
final class LineHandler: MessageHandler {
    /// Sessions that were opened and not yet closed.
    var openCount = 0
    var closedCount = 0
    /// Text messages that came, oldest first.
    var lines: [String] = []
    var keepsLines = false
    /// What `joined` does besides answering.
    var whenJoined: ((String, Session) -> Void)?
    var whenReceived: ((String, Session) -> Bool)?
    var whenMissed: ((Session) -> Void)?
    var whenFarewell: ((CloseReason, Session) -> Void)?
    var whenClosed: ((Session) -> Void)?
    var farewells: [CloseReason] = []

    func opened(_ session: Session) { openCount += 1 }

    func received(_ payload: ByteView, opcode: UInt8, _ session: Session) {
        if opcode == Opcode.binary { return session.reply(opcode: Opcode.binary, payload) }
        let line = payload.string
        if keepsLines { lines.append(line) }
        if let whenReceived, whenReceived(line, session) { return }
        let rest = payload.slice(from: 2)
        let nameEnd = rest.firstIndex(of: 0x20) ?? rest.count
        let name = rest.slice(from: 0, count: nameEnd)
        let text = rest.slice(from: nameEnd + 1)
        switch line.first {
        case "S":
            let outcome = session.subscribe(space: 0, name: name)
            if outcome == .tooMany || outcome == .nodeFull { LineHandler.reply("N ", name, session) }
        case "U":
            if session.unsubscribe(space: 0, name: name) { LineHandler.reply("L ", name, session) }
        case "P": session.publish(space: 0, name: name, text: text)
        case "X": session.publish(space: 0, name: name, text: text, excluding: session.socketNumber)
        case "R": session.reply(payload)
        case "B":
            let bytes = [UInt8](repeating: 0x62, count: Int(rest.string) ?? 0)
            unsafe bytes.withUnsafeBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                unsafe session.reply(ByteView(base: base, count: buffer.count))
            }
        case "E":
            let member = text.isEmpty ? nil : Member(id: text, label: text, info: text)
            let outcome = session.enter(space: 0, name: name, as: member, wantsKept: name.hasPrefix("k"))
            if outcome != .joining { LineHandler.reply("N ", name, session) }
        case "V": session.publish(space: 0, name: name, text: text, excluding: nil, keeps: true)
        case "C": session.close(.rateLimited, code: 4000, text: "as you wish")
        default: break
        }
    }

    func joined(space: UInt16, name: ByteView, _ session: Session) {
        LineHandler.reply("J ", name, session)
        whenJoined?(name.string, session)
    }

    func missed(_ count: UInt32, space: UInt16, name: ByteView, _ session: Session) {
        LineHandler.reply("G ", ByteView(of: "\(name.string) \(count)"), session)
        whenMissed?(session)
    }

    func turnedAway(_ refusal: EntryRefusal, space: UInt16, name: ByteView, _ session: Session) {
        LineHandler.reply(refusal == .membersMax ? "F " : "G ", name, session)
    }

    func ping(_ session: Session) { session.reply(opcode: Opcode.ping, ByteView("")) }

    func farewell(_ reason: CloseReason, _ session: Session) -> Farewell? {
        farewells.append(reason)
        whenFarewell?(reason, session)
        return Farewell(4001, "farewell")
    }

    func closed(_ session: Session) {
        openCount -= 1
        closedCount += 1
        whenClosed?(session)
    }

    static func reply(_ head: StaticString, _ name: ByteView, _ session: Session) {
        var buffer = ByteBuffer()
        buffer.append(head)
        buffer.append(name)
        session.reply(buffer.view)
    }
}

/// What homes say in the line protocol: "W name id,id,…" to newcomers, "+ name id", "- name id", "K name" when nothing is
/// kept, "# name count" on names that begin with count.
final class LineKeeper: ChannelKeeper {
    var membersMax = Int.max

    func membersMax(space: UInt16) -> Int { membersMax }

    func appendRosterEntry(_ member: Member, column: Int, to buffer: inout ByteBuffer) {
        if column == 0 { buffer.append(member.label) }
    }

    func appendWelcome(space: UInt16, name: ByteView, roster: Roster?, to buffer: inout ByteBuffer) {
        buffer.append("W ")
        buffer.append(name)
        buffer.append(" ")
        roster?.append(column: 0, to: &buffer)
    }

    func appendNothingKept(space: UInt16, name: ByteView, to buffer: inout ByteBuffer) {
        buffer.append("K ")
        buffer.append(name)
    }

    func appendArrival(_ member: Member, space: UInt16, name: ByteView, to buffer: inout ByteBuffer) {
        append("+ ", name, member.id, to: &buffer)
    }

    func appendDeparture(_ member: Member, space: UInt16, name: ByteView, to buffer: inout ByteBuffer) {
        append("- ", name, member.id, to: &buffer)
    }

    func tellsCount(space: UInt16, name: ByteView) -> Bool { name.hasPrefix("count") }

    func appendCount(_ count: Int, space: UInt16, name: ByteView, to buffer: inout ByteBuffer) {
        buffer.append("# ")
        buffer.append(name)
        buffer.append(" ")
        buffer.append(decimal: UInt64(count))
    }

    private func append(_ head: StaticString, _ name: ByteView, _ id: ByteView, to buffer: inout ByteBuffer) {
        buffer.append(head)
        buffer.append(name)
        buffer.append(" ")
        buffer.append(id)
    }
}

/// The router of the line protocol: upgrades anywhere; `POST /publish` takes a body "name text", several lines of it;
/// `GET` answers with its path; `POST /echo` answers with its body; `GET /late` is answered when the test says.
final class LineRouter: Router {
    var messageBytesMax = 1 << 16
    var liveness = Liveness(pingAfterSeconds: 0, answerWithinSeconds: 0)
    var bodyBytesMax = 1 << 16
    var late: [SessionTicket] = []
    var requests: [String] = []

    func upgrade(_ head: HTTPHead, _ session: Session) -> UpgradeDecision {
        if head.path == "/forbidden" { return .refuse(status: 403, text: "No.") }
        if head.path == "/abort" { return .abort }
        return .accept(handler: 0, state: SessionState(), messageBytesMax: messageBytesMax, liveness: liveness)
    }

    func admit(_ head: HTTPHead, _ session: Session) -> BodyAdmission { .atMost(bodyBytesMax) }

    func request(_ head: HTTPHead, body: ByteView, _ session: Session) {
        requests.append("\(head.method.string) \(head.path.string) \(body.string)")
        if head.path == "/late" { return late.append(session.ticket) }
        if head.path == "/publish" {
            var rest = body
            while !rest.isEmpty {
                let lineEnd = rest.firstIndex(of: 0x0A) ?? rest.count
                let line = rest.slice(from: 0, count: lineEnd)
                let nameEnd = line.firstIndex(of: 0x20) ?? line.count
                session.publish(
                    space: 0, name: line.slice(from: 0, count: nameEnd), text: line.slice(from: nameEnd + 1))
                rest = rest.slice(from: lineEnd + 1)
            }
            return session.respond(status: 200, contentType: "text/plain", body: ByteView("published"))
        }
        session.respond(status: 200, contentType: "text/plain", body: head.path == "/echo" ? body : head.path)
    }
}

extension ByteView {
    /// The bytes of `text`, which stay for ever: a test's names are few.
    init(of text: String) {
        let bytes = Array(text.utf8)
        let base = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
        for (index, byte) in bytes.enumerated() { unsafe base[index] = byte }
        unsafe self.init(base: base, count: bytes.count)
    }
}
