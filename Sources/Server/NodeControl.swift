import ClarionApplications
import ClarionEngine
import ClarionLog
import ClarionPusher
import ClarionService
import ClarionSettings
import ClarionTransport
import ClarionWebhooks
import Synchronization

/// What a reload did, or why it did nothing.
public struct ReloadReport: Sendable, Equatable {
    /// Settings that have changed and hold now.
    public var applied: [String] = []
    /// Settings that differ and hold from the next start on.
    public var needsRestart: [String] = []
    /// Applications, by id.
    public var appsAdded: [String] = []
    public var appsChanged: [String] = []
    public var appsRemoved: [String] = []
    /// What is allowed but most likely not meant.
    public var warnings: [String] = []
    /// Not empty: the new configuration is wrong, nothing of it was taken, and the old one holds.
    public var problems: [String] = []

    public var isRefused: Bool { !problems.isEmpty }
}

/// Steers a running node: what a signal or the command line may ask of it. From any thread that is no worker.
public final class NodeControl: Sendable {
    private let services: NodeServices
    private let current: Mutex<Configuration>
    /// One reload at a time.
    private let reloading = Mutex<Void>(())
    /// nil: the node has none.
    private let certificates: Mutex<SecureReload?>
    let hasCertificates: Bool
    private let read: @Sendable () throws(SettingsError) -> Configuration
    private let log: Logger

    /// How long the registry may take; it can be waiting for its store.
    private static let reloadMillisecondsMax: UInt64 = 120_000

    init(
        _ services: NodeServices, _ configuration: Configuration, certificates: SecureOptions?,
        read: @escaping @Sendable () throws(SettingsError) -> Configuration, log: Logger
    ) {
        self.services = services
        current = Mutex(configuration)
        self.certificates = Mutex(certificates.map(SecureReload.init))
        hasCertificates = certificates != nil
        self.read = read
        self.log = log
    }

    /// Reads the configuration, the file of applications and the certificates again and applies what can change while
    /// the node runs. A configuration with anything wrong in it is refused as a whole, and so are certificates, by
    /// themselves. Waits until the workers were told.
    public func reload() -> ReloadReport {
        var report = reloading.withLock { _ in attempt() }
        if let wrong = look(always: true) { report.warnings.append(wrong) }
        for problem in report.problems { log.error("reload refused", ["problem": .text(problem)]) }
        if report.isRefused { return report }
        for warning in report.warnings { log.warning(warning) }
        var fields: LogFields = [:]
        for (name, list) in [
            ("applied", report.applied), ("needs_restart", report.needsRestart), ("apps_added", report.appsAdded),
            ("apps_changed", report.appsChanged), ("apps_removed", report.appsRemoved),
        ] where !list.isEmpty {
            fields.append(name, .text(list.joined(separator: ", ")))
        }
        log.info("reloaded", fields)
        return report
    }

    /// Takes over certificates whose files have changed.
    func lookAtCertificates() {
        if let wrong = look(always: false) { log.error(wrong) }
    }

    /// Says what is wrong with the certificates, if anything.
    private func look(always: Bool) -> String? {
        guard let node = services.running else { return nil }
        return certificates.withLock { $0?.look(node, always: always, log) }
    }

    private func attempt() -> ReloadReport {
        var report = ReloadReport()
        let new: Configuration
        do throws(SettingsError) {
            new = try read()
        } catch {
            report.problems = error.problems.map(\.description)
            return report
        }
        let old = current.withLock { $0 }
        let changes = old.changes(to: new)
        let adopted = old.adopting(new)
        let inbox = ServiceInbox<Result<AppReload, SettingsError>>()
        services.registry.reload(
            configured: new.settings.apps, messageBytesMax: adopted.settings.messageBytesCeiling
        ) { inbox.post($0) }
        let end = serviceMilliseconds() + Self.reloadMillisecondsMax
        var result = inbox.pop()
        while result == nil, serviceMilliseconds() < end {
            inbox.sleep(untilMilliseconds: end)
            result = inbox.pop()
        }
        switch result {
        case .failure(let error): report.problems = error.problems.map(\.description)
        case nil: report.problems = ["the applications could not be changed in time; try again"]
        case .success(let apps):
            apply(adopted.settings)
            current.withLock { $0 = adopted }
            report.applied = changes.applied
            report.needsRestart = changes.needsRestart
            report.warnings = new.warnings
            if let warning = apps.warning { report.warnings.append(warning) }
            report.appsAdded = apps.added
            report.appsChanged = apps.changed
            report.appsRemoved = apps.removed
        }
        return report
    }

    private func apply(_ settings: Settings) {
        services.webhooks?.set(WebhookLimits(settings.webhooks))
        guard let node = services.running else { return }
        let limits = EngineLimits(settings)
        var update = ApplicationUpdate()
        update.common = PusherConfiguration(settings, apps: [])
        for worker in 0..<node.workerCount {
            node.call(worker: worker) { core in core.adopt(limits) }
            NodeServices.tell(update, node, worker)
        }
    }
}
