import ClarionAdmin
import ClarionEngine
import ClarionPusher
import ClarionSettings
import Glibc

/// What the admin service can learn of this process and do to it.
final class NodeAdmin: AdminHost {
    private let settings: Settings
    private let pusher: PusherNode
    private let usesUring: Bool
    private let startedAt: Int

    init(_ settings: Settings, _ pusher: PusherNode, usesUring: Bool) {
        self.settings = settings
        self.pusher = pusher
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

    func applications() -> [AdminApplication] {
        pusher.applicationFacts().map {
            AdminApplication(id: $0.id, key: $0.key, space: $0.space, connectionCount: $0.connectionCount)
        }
    }

    func describe(_ facts: ConnectionFacts) -> (protocolName: String, application: String?) {
        switch facts.handler {
        case HandlerIndex.pusher: ("pusher", pusher.applicationID(of: facts.state))
        case HandlerIndex.realtime: (AdminNames.realtime, nil)
        default: ("echo", nil)
        }
    }

    func message(space: UInt16, channel: String, event: String, data: String) -> [UInt8] {
        if space != RealtimeSpace.number { return PusherNode.message(channel: channel, event: event, data: data) }
        if settings.realtime.mode == .raw { return Array(data.utf8) }
        return RealtimeSpace.envelope(channel: channel, payload: data)
    }

    func fault(ofChannel channel: String) -> String? {
        PusherNode.isChannelName(channel) ? nil : "\(channel) is no name of a channel"
    }

    func reload() -> AdminValue { ["error": "this node was started without a configuration file; nothing to reload"] }

    func drain() { kill(getpid(), SIGTERM) }

    func restart() -> String? { nil }
}
