/// What a worker knows of the Pusher protocol: the applications and what holds for all of them. Each worker has its
/// own, changes it on its own thread only (`adopt`), and shares nothing of it but the counters.
public final class PusherNode {
    public private(set) var configuration: PusherConfiguration
    public let counters: ConnectionCounters
    let publishing: PublishBuckets
    private(set) var table: AppTable
    /// What a message needs to know of its application, by the application's number.
    private(set) var rules: [ApplicationRules]
    let pathPrefix: [UInt8]
    /// Where events for webhooks go; nil: nowhere.
    let webhooks: (any WebhookSink)?
    /// Asks for applications that are not in the table; nil: there are no others.
    let lookups: AppLookups?

    /// What all workers of a node have in common.
    public struct Shared: Sendable {
        public let counters: ConnectionCounters
        public let publishing: PublishBuckets
        public var webhooks: (any WebhookSink)?
        public var directory: (any ApplicationDirectory)?
        /// How long a request waits for an application that is being looked up, and how long one that was not found is
        /// taken for absent.
        public var lookupSeconds = 2
        public var absentSeconds = 10

        public init() {
            counters = ConnectionCounters()
            publishing = PublishBuckets()
        }
    }

    /// - Throws: `AppTableError` when the applications cannot be told apart or lack something.
    public init(
        _ configuration: PusherConfiguration, _ shared: Shared = Shared(), worker: Int = 0
    ) throws(AppTableError) {
        table = try AppTable(configuration.applications)
        rules = table.applications.map { ApplicationRules($0.configuration) }
        counters = shared.counters
        publishing = shared.publishing
        webhooks = shared.webhooks
        lookups = shared.directory.map {
            AppLookups($0, worker: worker, waitSeconds: shared.lookupSeconds, absentSeconds: shared.absentSeconds)
        }
        var prefix = Array(configuration.pathPrefix.utf8)
        while prefix.last == 0x2F { prefix.removeLast() }
        if let first = prefix.first, first != 0x2F { prefix.insert(0x2F, at: 0) }
        pathPrefix = prefix
        self.configuration = configuration
    }

    /// Takes over what has changed. What concerns one message or request holds from the next one on; what a connection
    /// got when it was opened (the size of its messages, its pings) stays.
    func adopt(_ update: ApplicationUpdate) {
        if let common = update.common {
            // The prefix is part of what routers were made with.
            let prefix = configuration.pathPrefix
            configuration = common
            configuration.pathPrefix = prefix
        }
        for change in update.changes { table.withdraw(change.number) }
        for change in update.changes where change.application != nil {
            table.put(change)
            let application = table.applications[change.number]
            if change.number == rules.count {
                rules.append(ApplicationRules(application.configuration))
            } else {
                rules[change.number] = ApplicationRules(application.configuration)
            }
            lookups?.forget(application)
        }
    }
}
