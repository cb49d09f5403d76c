import ClarionAdmin
import ClarionApplications
import ClarionEngine
import ClarionLog
import ClarionPusher
import ClarionRealtimeJSON
import ClarionService
import ClarionSettings
import Glibc

/// What the admin service can learn of this process and do to it.
final class NodeAdmin: AdminHost {
    private let settings: Settings
    private let listApplications: @Sendable () -> [AdminApplication]
    private let usesUring: Bool
    private let startedAt: Int
    private let control: NodeControl
    private let succession: Succession

    init(
        _ settings: Settings, _ control: NodeControl, _ succession: Succession, usesUring: Bool,
        applications: @escaping @Sendable () -> [AdminApplication]
    ) {
        self.settings = settings
        self.control = control
        self.succession = succession
        listApplications = applications
        self.usesUring = usesUring
        startedAt = time(nil)
    }

    func facts() -> [(name: String, value: AdminValue)] {
        [
            ("version", .text(clarionVersion)), ("pid", .integer(Int(getpid()))),
            ("uptimeSeconds", .integer(time(nil) - startedAt)),
            ("backend", .text(usesUring ? "uring" : "epoll")),
            ("address", .text("\(settings.host):\(settings.port)")),
            ("residentBytes", .integer(ProcessFacts.residentBytes)),
            ("openDescriptors", .integer(ProcessFacts.openDescriptors)),
            ("processorMicroseconds", .integer(ProcessFacts.processorMicroseconds)),
        ]
    }

    func applications() -> [AdminApplication] { listApplications() }

    func describe(_ facts: ConnectionFacts) -> (protocolName: String, space: UInt16?) {
        switch facts.handler {
        case HandlerIndex.pusher:
            ("pusher", PusherByHand.application(of: facts.state).map { PusherByHand.space(ofApplication: $0) })
        case HandlerIndex.realtime: (AdminNames.realtime, AdminNames.realtimeSpace)
        default: ("echo", nil)
        }
    }

    func message(space: UInt16, channel: String, event: String, data: String) -> [UInt8] {
        if space != AdminNames.realtimeSpace {
            return PusherByHand.message(channel: channel, event: event, data: data)
        }
        let isRaw = settings.realtime.mode == .raw
        return isRaw ? Array(data.utf8) : RealtimeByHand.envelope(channel: channel, message: data)
    }

    func keepsLast(space: UInt16, channel: String) -> Bool {
        space != AdminNames.realtimeSpace && PusherByHand.keepsLast(channel)
    }

    func fault(ofChannel channel: String) -> String? {
        PusherByHand.isChannelName(channel) ? nil : "\(channel) is no name of a channel"
    }

    /// On a thread of its own: the store of applications may keep it waiting.
    func reload(_ answer: @escaping @Sendable (AdminValue) -> Void) {
        let control = control
        guard let thread = ServiceThread({ answer(control.reload().value) }) else {
            return answer(["error": "the system gives no more threads"])
        }
        thread.detach()
    }

    /// On a thread of its own: the new process takes its time.
    func restart(_ answer: @escaping @Sendable (AdminValue) -> Void) {
        let succession = succession
        let thread = ServiceThread {
            switch succession.begin() {
            case .failure(let error): answer(["error": .text(error.description)])
            case .success(let process):
                answer(["pid": .integer(Int(process))])
                succession.leave()
            }
        }
        guard let thread else { return answer(["error": "the system gives no more threads"]) }
        thread.detach()
    }

    func lendListeners() -> Result<[Int32], AdminRefusal> {
        succession.lend().mapError { AdminRefusal($0.description) }
    }

    /// On the thread of an admin connection, which then gives its answer.
    func endLending(to process: Int?) {
        succession.endLending(to: process)
        if process == nil { return }
        let succession = succession
        guard let thread = ServiceThread({ succession.leave() }) else { return drain() }
        thread.detach()
    }

    func drain() { kill(getpid(), SIGTERM) }
}

extension ReloadReport {
    /// As the command line shows it.
    fileprivate var value: AdminValue {
        func list(_ texts: [String]) -> AdminValue { .list(texts.map { .text($0) }) }
        if isRefused {
            return ["error": .text("nothing was changed: " + problems.joined(separator: "; "))]
        }
        return .object([
            ("applied", list(applied)), ("needsRestart", list(needsRestart)), ("appsAdded", list(appsAdded)),
            ("appsChanged", list(appsChanged)), ("appsRemoved", list(appsRemoved)), ("warnings", list(warnings)),
        ])
    }
}

/// What answers operators of this process.
func adminService(
    _ settings: Settings, _ node: Node, _ services: NodeServices, _ control: NodeControl,
    _ succession: Succession, _ counters: ConnectionCounters, usesUring: Bool
) -> AdminService {
    let host = NodeAdmin(settings, control, succession, usesUring: usesUring) {
        services.registry.listed.map { app in
            AdminApplication(
                id: app.id, key: app.key, space: PusherByHand.space(ofApplication: app.number),
                connectionCount: counters.value(app.number))
        }
    }
    return AdminService(node: node, host: host)
}

/// Opens the admin socket as the settings say. A node without one is a node all the same: what stands in the way is
/// logged.
func openAdminSocket(_ settings: Settings, replaces: Bool, _ log: Logger) -> AdminListener? {
    guard let path = adminSocketPath(settings) else { return nil }
    do throws(LocalSocketError) {
        try AdminPath.prepare(path)
        let listener = try AdminListener(path: path, replaces: replaces)
        log.info("admin socket", ["path": .text(path)])
        return listener
    } catch {
        log.warning("no admin socket", ["why": .text(error.description)])
        return nil
    }
}

/// Where the admin socket is; nil: the settings want none.
func adminSocketPath(_ settings: Settings) -> String? {
    switch settings.adminSocket {
    case AdminSettingWords.off: nil
    case AdminSettingWords.auto: AdminPath.usual(port: settings.port)
    default: settings.adminSocket
    }
}
