import ClarionApplications
import ClarionEngine
import ClarionLog
import ClarionPusher
import ClarionService
import ClarionSettings
import ClarionWebhooks
import Synchronization

/// The neighbours of the workers: who knows the applications, and who tells their endpoints what happens.
final class NodeServices: Sendable {
    let registry: ApplicationRegistry
    /// nil: this build has no client for webhooks.
    let webhooks: WebhookService?
    private let poster: (any WebhookPoster)?
    private let node = Mutex<Node?>(nil)
    private let log: Logger

    /// How long webhooks may take to leave when the node stops.
    private static let flushSeconds = 2

    /// - Throws: `SettingsError` when the file of applications is wrong.
    init(_ settings: Settings, log: Logger) throws(SettingsError) {
        self.log = log
        registry = try ApplicationRegistry(
            configured: settings.apps, sources: settings.appSources, messageBytesMax: settings.messageBytesCeiling,
            numbersMax: PusherLimits.applicationsMax, log: log)
        #if Webhooks
            let poster = HTTPPoster(userAgent: "clarion/\(clarionVersion)")
            self.poster = poster
            webhooks = WebhookService(limits: WebhookLimits(settings.webhooks), poster: poster, log: log)
        #else
            poster = nil
            webhooks = nil
        #endif
    }

    /// What the workers have in common, with the way to these services.
    func shared(_ settings: Settings) -> PusherNode.Shared {
        var shared = PusherNode.Shared()
        shared.webhooks = webhooks.map { WebhookDoor(service: $0) }
        shared.directory = registry.hasStore ? RegistryDoor(registry: registry) : nil
        shared.lookupSeconds = settings.appSources.lookupSeconds
        shared.absentSeconds = settings.appSources.absentSeconds
        return shared
    }

    /// Starts the threads, once the workers run. False when the system refuses one.
    func start(_ running: Node) -> Bool {
        node.withLock { $0 = running }
        webhooks?.set(registry.initial.enumerated().map { ($0.offset, WebhookApplication($0.element)) })
        if webhooks == nil, registry.initial.contains(where: { !$0.webhooks.isEmpty }) {
            log.warning("webhooks are configured, and this build has no client for them")
        }
        if webhooks?.start() == false { return false }
        return registry.start { [self] update in deliver(update) }
    }

    /// Another process serves from now on: it tells who comes and goes.
    func handOver() { webhooks?.handOver() }

    /// Ends the threads, after the workers have left.
    func stop() {
        registry.stop()
        webhooks?.stop(withinSeconds: Self.flushSeconds)
        // The node's workers hold these services: without this, neither would ever go.
        node.withLock { $0 = nil }
        guard let poster else { return }
        let closed = ServiceInbox<Bool>()
        Task {
            await poster.close()
            closed.post(true)
        }
        closed.sleep(untilMilliseconds: serviceMilliseconds() + UInt64(Self.flushSeconds) * 1_000)
    }

    /// Tells the workers, and the webhooks, what has changed. On the registry's thread.
    private func deliver(_ update: RegistryUpdate) {
        webhooks?.set(update.changes.map { ($0.number, WebhookApplication($0.app)) })
        guard let node = node.withLock({ $0 }) else { return }
        var common = ApplicationUpdate()
        common.changes = update.changes.map {
            ApplicationChange(number: $0.number, application: $0.app.map(ApplicationConfiguration.init))
        }
        for worker in 0..<node.workerCount {
            var own = common
            if let answer = update.answer, answer.worker == worker {
                own.answers = [ApplicationAnswer(answer.name.bytes, answer.outcome.verdict)]
            }
            if !own.changes.isEmpty || !own.answers.isEmpty { Self.tell(own, node, worker) }
        }
    }

    /// Has worker number `worker` take over an update.
    static func tell(_ update: ApplicationUpdate, _ node: Node, _ worker: Int) {
        node.call(worker: worker) { core in
            guard let handler = core.handler(HandlerIndex.pusher) as? PusherHandler else { return }
            handler.apply(update, core: core, handlerIndex: HandlerIndex.pusher)
        }
    }

    /// The node, once it runs.
    var running: Node? { node.withLock { $0 } }
}

/// Turns what the Pusher floor tells into what the webhook service takes.
private struct WebhookDoor: WebhookSink {
    let service: WebhookService

    func note(_ event: WebhookEvent) {
        let kind: WebhookKind
        switch event.kind {
        case .channelOccupied: kind = .channelOccupied
        case .channelVacated: kind = .channelVacated
        case .memberAdded: kind = .memberAdded
        case .memberRemoved: kind = .memberRemoved
        case .clientEvent: kind = .clientEvent
        case .cacheMiss: kind = .cacheMiss
        case .subscriptionCount: kind = .subscriptionCount
        default: return
        }
        service.note(
            WebhookNote(
                kind, application: event.application, channel: event.channel, user: event.user, details: event.details,
                count: event.count))
    }
}

/// Carries the questions of workers to the registry.
private struct RegistryDoor: ApplicationDirectory {
    let registry: ApplicationRegistry

    func ask(_ name: ApplicationName, worker: Int) -> Bool {
        switch name {
        case .key(let bytes): registry.ask(.key(String(decoding: bytes, as: UTF8.self)), worker: worker)
        case .id(let bytes): registry.ask(.id(String(decoding: bytes, as: UTF8.self)), worker: worker)
        }
    }
}

extension ApplicationNameText {
    fileprivate var bytes: ApplicationName {
        switch self {
        case .key(let text): .key(Array(text.utf8))
        case .id(let text): .id(Array(text.utf8))
        }
    }
}

extension LookupOutcome {
    fileprivate var verdict: ApplicationAnswer.Outcome {
        switch self {
        case .known: .known
        case .absent: .absent
        case .undecided: .undecided
        }
    }
}
