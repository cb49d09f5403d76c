import ClarionApplications
import ClarionWebhooks

/// The part of `/metrics` that tells of the services beside the workers.
enum ServiceMetrics {
    static func append(_ statistics: RegistryStatistics, to text: inout String) {
        gauge("applications", "Applications that are known now.", statistics.applications, &text)
        counter(
            "application_lookups_total", "Questions for applications that a worker did not know, by answer.", "answer",
            [("known", statistics.known), ("absent", statistics.absent), ("undecided", statistics.undecided)], &text)
        counter(
            "application_store_failures_total", "Questions to the store that failed.", statistics.storeFailures, &text)
        gauge(
            "application_store_down", "Whether the last question to the store failed.", statistics.storeIsDown ? 1 : 0,
            &text)
        counter(
            "application_reloads_refused_total", "Changes of applications that were wrong and not taken.",
            statistics.refusedReloads, &text)
    }

    static func append(linesDropped: UInt64, to text: inout String) {
        counter("log_lines_dropped_total", "Lines of the log that its target did not take.", linesDropped, &text)
    }

    static func append(_ statistics: WebhookStatistics, to text: inout String) {
        counter("webhook_events_total", "Events that workers told the webhook service.", statistics.noted, &text)
        counter(
            "webhook_events_dropped_total", "Events that were not delivered, by reason.", "reason",
            [
                ("mail_full", statistics.droppedMail), ("queue_full", statistics.droppedQueue),
                ("expired", statistics.droppedExpired), ("ended", statistics.droppedEnded),
            ], &text)
        counter(
            "webhook_events_cancelled_total", "Events that were taken back within the time of grace.",
            statistics.cancelled, &text)
        counter("webhook_events_delivered_total", "Events that an endpoint confirmed.", statistics.delivered, &text)
        counter(
            "webhook_requests_total", "Requests to endpoints, by how they ended.", "outcome",
            WebhookOutcome.Name.allCases.map { ($0.rawValue, statistics.outcomes[$0] ?? 0) }, &text)
        gauge("webhook_events_waiting", "Events that wait for their endpoint.", statistics.queued, &text)
        gauge("webhook_requests_in_flight", "Requests under way.", statistics.inFlight, &text)
        text += "# HELP clarion_webhook_endpoints Endpoints, by the state of their circuit breaker.\n"
        text += "# TYPE clarion_webhook_endpoints gauge\n"
        for (state, count) in [
            ("closed", statistics.closed), ("open", statistics.open), ("half_open", statistics.halfOpen),
        ] {
            text += "clarion_webhook_endpoints{state=\"\(state)\"} \(count)\n"
        }
    }

    private static func gauge(_ name: String, _ help: String, _ value: Int, _ text: inout String) {
        text += "# HELP clarion_\(name) \(help)\n# TYPE clarion_\(name) gauge\nclarion_\(name) \(value)\n"
    }

    private static func counter(_ name: String, _ help: String, _ value: UInt64, _ text: inout String) {
        text += "# HELP clarion_\(name) \(help)\n# TYPE clarion_\(name) counter\nclarion_\(name) \(value)\n"
    }

    private static func counter(
        _ name: String, _ help: String, _ label: String, _ values: [(String, UInt64)], _ text: inout String
    ) {
        text += "# HELP clarion_\(name) \(help)\n# TYPE clarion_\(name) counter\n"
        for (value, count) in values { text += "clarion_\(name){\(label)=\"\(value)\"} \(count)\n" }
    }
}
