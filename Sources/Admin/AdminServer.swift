import CPosix
import Glibc
import Synchronization

/// Serves the admin socket: a Unix-domain socket at which each connection carries one request, a line of JSON, and gets
/// its answer, a line of JSON; `tail` answers with a line for each message until the client leaves.
///
/// One thread accepts, and each connection has a short-lived thread of its own: they wait, workers never do.
public final class AdminServer: Sendable {
    /// Connections at a time.
    private static let connectionsMax = 16
    /// Further connections that are heard when these are taken, and may only steer the node: followers of `tail` must
    /// not keep an operator from it.
    private static let steeringConnectionsMax = 4
    private static let steeringCommands: Set<String> = ["drain", "kick", "reload", "restart", "take-over"]
    /// A client that sends no request, or does not take its answer, for so long is left.
    private static let clientSeconds = 10
    /// Time for the workers to answer.
    private static let answerMilliseconds: Int32 = 10_000
    /// Time for a new process to start.
    private static let restartMilliseconds: Int32 = 90_000

    private let path: String
    private let service: AdminService
    private let listener: Int32
    private let isOver = Atomic(false)
    private let openCount = Atomic(0)

    /// Serves what comes to `listener` until `stop`.
    public init(_ listener: AdminListener, service: AdminService) {
        path = listener.path
        self.service = service
        self.listener = listener.descriptor
        detach { [self] in acceptAll() }
    }

    /// Ends serving and takes the socket's file away, unless it is a successor's.
    public func stop(keepsFile: Bool = false) {
        if isOver.exchange(true, ordering: .acquiringAndReleasing) { return }
        if !keepsFile { unsafe unlink(path) }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func acceptAll() {
        while true {
            let descriptor = accept(listener, nil, nil)
            if isOver.load(ordering: .acquiring) {
                if descriptor >= 0 { close(descriptor) }
                break
            }
            if descriptor < 0 {
                // Out of descriptors or the like: rest rather than spin.
                if errno != EINTR { usleep(AdminServer.restMicroseconds) }
                continue
            }
            guard LocalSocket.isPeerTrusted(descriptor) else {
                close(descriptor)
                continue
            }
            LocalSocket.setTimeout(descriptor, seconds: AdminServer.clientSeconds)
            let count = openCount.wrappingAdd(1, ordering: .relaxed).newValue
            if count > AdminServer.connectionsMax + AdminServer.steeringConnectionsMax {
                _ = LocalSocket.write(AdminService.failure(AdminServer.tooMany).json + "\n", to: descriptor)
                finish(descriptor)
                continue
            }
            detach { [self] in
                serve(descriptor, steersOnly: count > AdminServer.connectionsMax)
                finish(descriptor)
            }
        }
        close(listener)
    }

    private static let tooMany =
        "there are \(connectionsMax) admin connections, which is the most; end a `clarion tail` or `clarion top`"
    private static let restMicroseconds: UInt32 = 100_000

    private func finish(_ descriptor: Int32) {
        close(descriptor)
        openCount.wrappingSubtract(1, ordering: .relaxed)
    }

    private func serve(_ descriptor: Int32, steersOnly: Bool) {
        var reader = LineReader(descriptor)
        guard let line = reader.next() else { return }
        guard let request = AdminValue(json: line) else {
            _ = LocalSocket.write(AdminService.failure("the request is no JSON").json + "\n", to: descriptor)
            return
        }
        let command = request["command"]?.text ?? ""
        if steersOnly && !AdminServer.steeringCommands.contains(command) {
            _ = LocalSocket.write(AdminService.failure(AdminServer.tooMany).json + "\n", to: descriptor)
            return
        }
        if command == "tail" { return tail(request, descriptor) }
        if command == "take-over" {
            return AdminServer.handOver(request, to: descriptor, service.host)
        }
        let bell = Bell()
        let box = AnswerBox()
        service.perform(request) { answer in
            box.value.withLock { $0 = answer }
            bell.ring()
        }
        let isLong = command == "restart"
        let time = isLong ? AdminServer.restartMilliseconds : AdminServer.answerMilliseconds
        let answer = bell.wait(time) ? box.value.withLock { $0 } : nil
        let said = answer ?? AdminService.failure("the node does not answer; is it stopping?")
        _ = LocalSocket.write(said.json + "\n", to: descriptor)
    }

    private func tail(_ request: AdminValue, _ descriptor: Int32) {
        let bell = Bell()
        let tail: AdminTail
        switch AdminTail.open(request, service, wake: { bell.ring() }) {
        case .failure(let error):
            _ = LocalSocket.write(error.answer.json + "\n", to: descriptor)
            return
        case .success(let opened): tail = opened
        }
        defer { tail.close() }
        if !LocalSocket.write(#"{"tailing":true}"# + "\n", to: descriptor) { return }
        while !isOver.load(ordering: .acquiring) {
            // The client says nothing more: anything there is its end.
            if bell.wait(AdminServer.tailMilliseconds, orReadable: descriptor) == .readable { return }
            for value in tail.take() where !LocalSocket.write(value.json + "\n", to: descriptor) { return }
        }
    }

    /// How long a tail waits before it looks whether the node stops.
    private static let tailMilliseconds: Int32 = 500
}

private final class AnswerBox: Sendable {
    let value = Mutex<AdminValue?>(nil)
}

/// An admin socket that is there and that nobody serves yet: who comes waits.
public struct AdminListener: Sendable {
    /// Where the socket is to be, and where its file is now.
    public let path: String
    public private(set) var place: String
    let descriptor: Int32
    private static let suffix = ".new"

    /// Listens at `path`. `replaces`: the node that listens there is about to leave, and keeps the name until
    /// `install`, for this one may still fail.
    public init(path: String, replaces: Bool = false) throws(LocalSocketError) {
        self.path = path
        place =
            replaces && path.utf8.count + AdminListener.suffix.utf8.count < LocalSocket.pathBytesMax
            ? path + AdminListener.suffix : path
        descriptor = try LocalSocket.listen(at: place, replaces: replaces)
    }

    /// Takes the name from whoever had it.
    public mutating func install() {
        if place != path, unsafe rename(place, path) == 0 { place = path }
    }

    /// Takes the socket away again.
    public func remove() {
        unsafe unlink(place)
        close(descriptor)
    }
}

/// Wakes one waiting thread; rings before the wait are not lost.
final class Bell: Sendable {
    enum Wakening {
        case rung
        case readable
        case timedOut
    }

    private let descriptor: Int32

    init() { descriptor = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK)) }

    deinit { close(descriptor) }

    func ring() {
        var one: UInt64 = 1
        _ = unsafe write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Whether it rang within the time.
    func wait(_ milliseconds: Int32) -> Bool { wait(milliseconds, orReadable: -1) == .rung }

    func wait(_ milliseconds: Int32, orReadable other: Int32) -> Wakening {
        var entries = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: other, events: Int16(POLLIN), revents: 0),
        ]
        let count = unsafe poll(&entries, nfds_t(other < 0 ? 1 : 2), milliseconds)
        if count <= 0 { return .timedOut }
        if entries[1].revents != 0 { return .readable }
        var value: UInt64 = 0
        _ = unsafe read(descriptor, &value, MemoryLayout<UInt64>.size)
        return .rung
    }
}

/// Runs `body` on a thread of its own.
func detach(_ body: @escaping @Sendable () -> Void) {
    let box = unsafe Unmanaged.passRetained(ThreadBody(body)).toOpaque()
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let result = unsafe pthread_create(
        &thread, &attributes,
        { context in
            guard let context = unsafe context else { return nil }
            unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().body()
            return nil
        }, unsafe box)
    unsafe pthread_attr_destroy(&attributes)
    if result != 0 { unsafe Unmanaged<ThreadBody>.fromOpaque(box).release() }
}

private final class ThreadBody: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
