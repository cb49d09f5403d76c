import ClarionBytes
import ClarionEngine
import ClarionLog
import ClarionPusher
import ClarionWire
import Glibc
import Synchronization

/// Prints what comes and goes, for `--debug`: titles as Laravel Reverb has them, the time, whom it is about, and the
/// message below. Workers hand whole texts to a queue with a bound; a terminal that is too slow misses messages and is
/// told how many.
final class DebugPrinter: Sendable {
    private let sink: LogSink
    private static let bounds = LogSinkBounds(linesMax: 4_096, bytesMax: 4 << 20)
    private static let indent = "  "
    private static let titleWidth = 24

    /// - Parameter descriptor: where to; stays the caller's.
    init(descriptor: Int32) throws(LogSinkError) {
        sink = try LogSink(descriptor: descriptor, bounds: DebugPrinter.bounds) { count in
            "\(DebugPrinter.time())  \(count) messages are not shown: what reads this is too slow"
        }
    }

    /// Waits a moment for everything to be written, at the end of the node.
    func flush(withinMilliseconds milliseconds: Int) { sink.flush(withinMilliseconds: milliseconds) }

    /// One event. `message` is valid during the call.
    func print(_ title: String, _ about: String, _ message: ByteView? = nil) {
        let padding = String(repeating: " ", count: max(DebugPrinter.titleWidth - title.utf8.count, 1))
        var text = "\(DebugPrinter.time())  \(title)\(padding)\(about)"
        if let message { text += "\n" + DebugText.message(message, indent: DebugPrinter.indent) }
        sink.put(text)
    }

    func print(_ title: String, socket number: UInt64, _ message: ByteView? = nil) {
        print(title, PusherByHand.socketID(number), message)
    }

    /// The time of day with milliseconds.
    private static func time() -> String {
        var now = timespec()
        var parts = unsafe tm()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &now)
        _ = unsafe localtime_r(&now.tv_sec, &parts)
        func padded(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(width - digits.utf8.count, 0)) + digits
        }
        let clock = unsafe [Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec)].map { padded($0, 2) }
        return clock.joined(separator: ":") + "." + padded(Int(now.tv_nsec) / 1_000_000, 3)
    }

    /// What is published, wherever it comes from; each worker has to be given it.
    var tap: MessageTap {
        MessageTap { [self] message in print("Broadcasting To", DebugText.word(message.name.string), message.text) }
    }
}

/// Puts `DebugPrinter` around what a worker speaks.
struct DebuggedProtocols {
    static func wrap(_ protocols: WorkerProtocols, _ printer: DebugPrinter) -> WorkerProtocols {
        var wrapped = protocols
        wrapped.handlers = protocols.handlers.map { DebuggedHandler($0, printer) }
        let watcher = DebugWatcher(printer)
        wrapped.router = DebuggedRouter(protocols.router, printer, watcher)
        wrapped.watcher = watcher
        return wrapped
    }
}

/// Prints replies, and the answers to requests that were printed.
private final class DebugWatcher: TrafficWatcher {
    private let printer: DebugPrinter
    /// Connections whose request was printed and is not answered yet.
    var awaited: Set<UInt64> = []
    /// Requests that ended without an answer stay in the set: it begins anew when it is large.
    private static let awaitedMax = 65_536

    init(_ printer: DebugPrinter) { self.printer = printer }

    func await(_ number: UInt64) {
        if awaited.count >= DebugWatcher.awaitedMax { awaited = [] }
        awaited.insert(number)
    }

    func replied(_ payload: ByteView, opcode: UInt8, to socketNumber: UInt64) {
        switch opcode {
        case Opcode.text: printer.print("Message Sent", socket: socketNumber, payload)
        case Opcode.binary:
            printer.print("Message Sent", PusherByHand.socketID(socketNumber) + " (\(payload.count) binary bytes)")
        default: break
        }
    }

    /// Answers that no request was printed for are those of pages and of readings, and refusals: these are shown.
    func answered(status: Int, body: ByteView, to socketNumber: UInt64) {
        let wasPrinted = awaited.remove(socketNumber) != nil
        if !wasPrinted && status < 400 { return }
        printer.print("HTTP Answer", "\(status) to \(PusherByHand.socketID(socketNumber))", body)
    }
}

/// Prints what comes.
private final class DebuggedHandler: HandlerWrapper {
    let wrapped: any MessageHandler
    private let printer: DebugPrinter

    init(_ wrapped: any MessageHandler, _ printer: DebugPrinter) {
        self.wrapped = wrapped
        self.printer = printer
    }

    func opened(_ session: Session) {
        printer.print("Connection Established", socket: session.socketNumber)
        wrapped.opened(session)
    }

    func received(_ payload: ByteView, opcode: UInt8, _ session: Session) {
        if opcode == Opcode.text {
            printer.print("Message Received", socket: session.socketNumber, payload)
        } else {
            let about = PusherByHand.socketID(session.socketNumber)
            printer.print("Message Received", about + " (\(payload.count) binary bytes)")
        }
        wrapped.received(payload, opcode: opcode, session)
    }

    func joined(space: UInt16, name: ByteView, _ session: Session) {
        wrapped.joined(space: space, name: name, session)
    }

    func missed(_ count: UInt32, space: UInt16, name: ByteView, _ session: Session) {
        let about = "\(PusherByHand.socketID(session.socketNumber)): \(count) of \(DebugText.word(name.string))"
        printer.print("Messages Skipped", about)
        wrapped.missed(count, space: space, name: name, session)
    }

    func turnedAway(_ refusal: EntryRefusal, space: UInt16, name: ByteView, _ session: Session) {
        wrapped.turnedAway(refusal, space: space, name: name, session)
    }

    func watched(_ users: [[UInt8]], areOnline: Bool, _ session: Session) {
        wrapped.watched(users, areOnline: areOnline, session)
    }

    func ping(_ session: Session) {
        printer.print("Connection Pinged", socket: session.socketNumber)
        wrapped.ping(session)
    }

    func farewell(_ reason: CloseReason, _ session: Session) -> Farewell? {
        printer.print("Closing Connection", "\(PusherByHand.socketID(session.socketNumber)) (\(reason))")
        return wrapped.farewell(reason, session)
    }

    func closed(_ session: Session) {
        printer.print("Connection Closed", socket: session.socketNumber)
        wrapped.closed(session)
    }

    func deflateMode(space: UInt16, name: ByteView) -> DeflateMode { wrapped.deflateMode(space: space, name: name) }
}

/// Prints requests to publish and questions about channels; not those for pages, health and metrics, which come all
/// the time and tell nothing, and not those of the dashboard, which are an operator's.
private final class DebuggedRouter: Router {
    private let wrapped: any Router
    private let printer: DebugPrinter
    private let watcher: DebugWatcher

    init(_ wrapped: any Router, _ printer: DebugPrinter, _ watcher: DebugWatcher) {
        self.wrapped = wrapped
        self.printer = printer
        self.watcher = watcher
    }

    func upgrade(_ head: HTTPHead, _ session: Session) -> UpgradeDecision { wrapped.upgrade(head, session) }

    func admit(_ head: HTTPHead, _ session: Session) -> BodyAdmission { wrapped.admit(head, session) }

    func request(_ head: HTTPHead, body: ByteView, _ session: Session) {
        let path = head.path
        let isQuiet = path == "/" || path == "/metrics" || path.hasPrefix("/dashboard") || isHealth(path)
        if !isQuiet {
            watcher.await(session.socketNumber)
            let target = DebugText.target(path: path, query: head.query)
            let socket = PusherByHand.socketID(session.socketNumber)
            let about = "\(DebugText.word(head.method.string)) \(target) from \(socket)"
            printer.print("HTTP Request", about, body.isEmpty ? nil : body)
        }
        wrapped.request(head, body: body, session)
    }

    private func isHealth(_ path: ByteView) -> Bool { path.count >= 3 && path.slice(from: path.count - 3) == "/up" }
}
