/// What all workers of a node share of the Pusher protocol. Immutable but for the counters.
public final class PusherNode: Sendable {
    public let configuration: PusherConfiguration
    public let counters: ConnectionCounters
    let table: AppTable
    let pathPrefix: [UInt8]
    /// Where events for webhooks go; nil: nowhere.
    let webhooks: (any WebhookSink)?
    /// What each application's webhooks want to hear of, by its number.
    let webhookKinds: [WebhookKinds]

    /// - Throws: `AppTableError` when the applications cannot be told apart or lack something.
    public init(
        _ configuration: PusherConfiguration, webhooks: (any WebhookSink)? = nil
    ) throws(AppTableError) {
        self.webhooks = webhooks
        webhookKinds = configuration.applications.map(\.webhookKinds)
        table = try AppTable(configuration.applications)
        counters = ConnectionCounters(applicationCount: configuration.applications.count)
        var prefix = Array(configuration.pathPrefix.utf8)
        while prefix.last == 0x2F { prefix.removeLast() }
        if let first = prefix.first, first != 0x2F { prefix.insert(0x2F, at: 0) }
        pathPrefix = prefix
        self.configuration = configuration
    }
}
