import ClarionAdmin
import ClarionEngine
import ClarionLog
import ClarionPusher
import ClarionRealtimeJSON
import ClarionSettings
import Glibc

/// What the admin service can learn of this process and do to it.
final class NodeAdmin: AdminHost {
    private let settings: Settings
    private let listApplications: @Sendable () -> [AdminApplication]
    private let usesUring: Bool
    private let startedAt: Int

    init(
        _ settings: Settings, usesUring: Bool, applications: @escaping @Sendable () -> [AdminApplication]
    ) {
        self.settings = settings
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

    func drain() { kill(getpid(), SIGTERM) }
}

/// What answers operators of this process.
func adminService(
    _ settings: Settings, _ node: Node, _ counters: ConnectionCounters, usesUring: Bool
) -> AdminService {
    let apps = settings.apps
    let host = NodeAdmin(settings, usesUring: usesUring) {
        apps.enumerated().map { number, app in
            AdminApplication(
                id: app.id, key: app.key, space: PusherByHand.space(ofApplication: number),
                connectionCount: counters.value(number))
        }
    }
    return AdminService(node: node, host: host)
}

/// Opens the admin socket as the settings say. A node without one is a node all the same: what stands in the way is
/// logged.
func openAdminSocket(_ settings: Settings, _ service: AdminService, _ log: Logger) -> AdminServer? {
    let choice = settings.adminSocket
    if choice == AdminSettingWords.off { return nil }
    let path = choice == AdminSettingWords.auto ? AdminPath.usual(port: settings.port) : choice
    do throws(LocalSocketError) {
        try AdminPath.prepare(path)
        let server = try AdminServer(path: path, service: service)
        log.info("admin socket", ["path": .text(path)])
        return server
    } catch {
        log.warning("no admin socket", ["why": .text(error.description)])
        return nil
    }
}
