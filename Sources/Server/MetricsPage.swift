import ClarionApplications
import ClarionBytes
import ClarionEngine
import ClarionLog
import ClarionLoop
import ClarionPusher
import ClarionRealtimeJSON
import ClarionWebhooks
import Glibc
import Synchronization

/// `/metrics`: what every worker has counted, in the text format of Prometheus (version 0.0.4).
///
/// Each number is there for the node (`clarion_…`) and for each worker (`clarion_worker_…{worker="0"}`). Labels come
/// from closed sets only. Workers are asked by mail, so their counters need no lock.
final class MetricsPage: Sendable {
    private let backend: String
    private let version: String
    private let counters: ConnectionCounters
    private let publishing: PublishBuckets
    private let broadcasts: BroadcastGate
    private let services: NodeServices
    private let dangers: Int
    /// The port with which Soketi's names are told; nil: they are not.
    private let soketiPort: Int?
    private let log: Logger
    private let startedAt: Double

    init(
        backend: String, version: String, shared: PusherNode.Shared, broadcasts: BroadcastGate,
        services: NodeServices, dangers: Int, soketiPort: Int?, log: Logger
    ) {
        self.backend = backend
        self.version = version
        counters = shared.counters
        publishing = shared.publishing
        self.broadcasts = broadcasts
        self.services = services
        self.dangers = dangers
        self.soketiPort = soketiPort
        self.log = log
        var now = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &now)
        startedAt = Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
    }

    /// What one worker said.
    private struct Report {
        var core = CoreCounters()
        var loop = BackendCounters()
    }

    private final class Gathering: Sendable {
        let reports: Mutex<[Report?]>

        init(_ workerCount: Int) { reports = Mutex(Array(repeating: nil, count: workerCount)) }

        /// Adds a report; all of them when it was the last.
        func add(_ report: Report, _ worker: Int) -> [Report]? {
            reports.withLock { list in
                list[worker] = report
                let complete = list.compactMap { $0 }
                return complete.count == list.count ? complete : nil
            }
        }
    }

    /// Asks all workers and answers when all have told.
    func answer(_ session: Session) {
        let ticket = session.ticket
        let gathering = Gathering(session.core.workerCount)
        for worker in 0..<session.core.workerCount {
            session.core.call(worker: worker) { [self] core in
                let report = Report(core: core.counters, loop: core.backendCounters)
                guard let all = gathering.add(report, core.workerIndex) else { return }
                finish(ticket, all, core)
            }
        }
    }

    /// Asks the webhook service too, which answers from its own thread.
    private func finish(_ ticket: SessionTicket, _ reports: [Report], _ core: Core) {
        let send: @Sendable (Core, WebhookStatistics?) -> Void = { [self] origin, statistics in
            var text = render(reports)
            ServiceMetrics.append(services.registry.statistics, to: &text)
            ServiceMetrics.append(linesDropped: log.droppedCount, to: &text)
            if let statistics { ServiceMetrics.append(statistics, to: &text) }
            origin.respond(
                to: ticket, status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8",
                body: Array(text.utf8))
        }
        guard let webhooks = services.webhooks, let node = services.running else {
            return core.call(worker: ticket.worker) { send($0, nil) }
        }
        webhooks.withStatistics { statistics in
            node.call(worker: ticket.worker) { send($0, statistics) }
        }
    }

    // MARK: Text

    private typealias Metric = (name: String, kind: String, help: String, value: (Report) -> UInt64)

    private func render(_ reports: [Report]) -> String {
        var text = ""
        text += "# HELP clarion_info What runs.\n# TYPE clarion_info gauge\n"
        text += "clarion_info{version=\"\(version)\",backend=\"\(backend)\",workers=\"\(reports.count)\"} 1\n"
        text += "# HELP clarion_dangerous_settings Settings that are dangerous where others reach the node.\n"
        text += "# TYPE clarion_dangerous_settings gauge\nclarion_dangerous_settings \(dangers)\n"
        for metric in unsafe MetricsPage.metrics + MetricsPage.deflateMetrics { append(metric, reports, to: &text) }
        appendClosed(reports, to: &text)
        appendResponses(reports, to: &text)
        appendApplications(to: &text)
        appendPublishing(to: &text)
        appendProcess(to: &text)
        if let soketiPort {
            let applications = services.registry.listed.prefix(MetricsPage.applicationsMax).map {
                SoketiMetrics.Application(
                    id: $0.id, open: counters.value($0.number), opened: counters.openedTotal($0.number))
            }
            SoketiMetrics.append(reports.map(\.core), port: soketiPort, applications, to: &text)
        }
        return text
    }

    private func append(_ metric: Metric, _ reports: [Report], to text: inout String) {
        let values = reports.map(metric.value)
        text += "# HELP clarion_\(metric.name) \(metric.help)\n# TYPE clarion_\(metric.name) \(metric.kind)\n"
        // The longest of the workers' longest; of everything else the sum.
        let total = metric.name.hasSuffix("_max") ? values.max() ?? 0 : values.reduce(0, &+)
        text += "clarion_\(metric.name) \(total)\n"
        text += "# HELP clarion_worker_\(metric.name) \(metric.help) By worker.\n"
        text += "# TYPE clarion_worker_\(metric.name) \(metric.kind)\n"
        for (worker, value) in values.enumerated() {
            text += "clarion_worker_\(metric.name){worker=\"\(worker)\"} \(value)\n"
        }
    }

    private func appendClosed(_ reports: [Report], to text: inout String) {
        text += "# HELP clarion_connections_closed_total Connections that ended, by reason.\n"
        text += "# TYPE clarion_connections_closed_total counter\n"
        for reason in CloseReason.allCases {
            let sum = reports.reduce(0) { $0 &+ $1.core.closed[Int(reason.rawValue)] }
            text += "clarion_connections_closed_total{reason=\"\(reason)\"} \(sum)\n"
        }
        text += "# HELP clarion_worker_connections_closed_total Connections that ended, by worker and reason.\n"
        text += "# TYPE clarion_worker_connections_closed_total counter\n"
        for (worker, report) in reports.enumerated() {
            for reason in CloseReason.allCases {
                let value = report.core.closed[Int(reason.rawValue)]
                text += "clarion_worker_connections_closed_total{worker=\"\(worker)\",reason=\"\(reason)\"} \(value)\n"
            }
        }
    }

    private func appendResponses(_ reports: [Report], to text: inout String) {
        text += "# HELP clarion_http_responses_total HTTP answers by class of status.\n"
        text += "# TYPE clarion_http_responses_total counter\n"
        for status in 1...5 {
            let sum = reports.reduce(0) { $0 &+ $1.core.responses[status - 1] }
            text += "clarion_http_responses_total{class=\"\(status)xx\"} \(sum)\n"
        }
    }

    private func appendApplications(to text: inout String) {
        text += "# HELP clarion_application_connections Open connections of each application, by its number.\n"
        text += "# TYPE clarion_application_connections gauge\n"
        let statistics = services.registry.statistics
        let count = max(statistics.numbers, services.registry.initial.count)
        for index in 0..<min(count, MetricsPage.applicationsMax) {
            text += "clarion_application_connections{application=\"\(index + 1)\"} \(counters.value(index))\n"
        }
    }

    private func appendPublishing(to text: inout String) {
        text += "# HELP clarion_publishes_refused_total Requests to publish that were refused for the time being.\n"
        text += "# TYPE clarion_publishes_refused_total counter\n"
        text += "clarion_publishes_refused_total{reason=\"rate\"} \(publishing.overRateCount)\n"
        text += "clarion_publishes_refused_total{reason=\"behind\"} \(publishing.behindCount)\n"
        text += "# HELP clarion_broadcasts_refused_total Requests to /internal/broadcast that were over the rate.\n"
        text += "# TYPE clarion_broadcasts_refused_total counter\n"
        text += "clarion_broadcasts_refused_total \(broadcasts.refusedCount)\n"
    }

    /// Applications that are listed one by one: each is a line.
    private static let applicationsMax = 1_000

    private func appendProcess(to text: inout String) {
        var usage = rusage()
        _ = unsafe getrusage(RUSAGE_SELF.rawValue, &usage)
        let user = Double(usage.ru_utime.tv_sec) + Double(usage.ru_utime.tv_usec) / 1e6
        let system = Double(usage.ru_stime.tv_sec) + Double(usage.ru_stime.tv_usec) / 1e6
        text += "# HELP process_cpu_seconds_total Processor time of the process, in seconds.\n"
        text += "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total \(user + system)\n"
        text += "# HELP process_resident_memory_bytes Resident memory, in bytes.\n"
        text +=
            "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes \(ProcessFacts.residentBytes)\n"
        text += "# HELP process_open_fds Open descriptors (connections on io_uring have none).\n"
        text += "# TYPE process_open_fds gauge\nprocess_open_fds \(ProcessFacts.openDescriptors)\n"
        text += "# HELP process_start_time_seconds When the process started, in seconds since 1970.\n"
        text += "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds \(startedAt)\n"
    }

    nonisolated(unsafe) private static let deflateMetrics: [Metric] = [
        (
            "deflate_connections", "gauge", "Open connections that agreed on permessage-deflate.",
            { $0.core.deflateConnections }
        ),
        ("deflate_agreements_total", "counter", "Agreements on permessage-deflate.", { $0.core.deflateAgreements }),
        ("deflate_contexts", "gauge", "Connections with a context of their own.", { $0.core.deflateContexts }),
        ("deflate_context_bytes", "gauge", "Memory set aside for contexts.", { $0.core.deflateContextBytes }),
        (
            "deflate_contexts_refused_total", "counter", "Contexts that the budget had no room for.",
            { $0.core.deflateContextsRefused }
        ),
        ("deflate_logs", "gauge", "Logs of compressed messages.", { $0.core.deflateLogs }),
        ("deflated_total", "counter", "Messages that were compressed.", { $0.core.deflated }),
        ("deflated_bytes_in_total", "counter", "Their bytes before.", { $0.core.deflatedBytesIn }),
        ("deflated_bytes_out_total", "counter", "Their bytes behind it.", { $0.core.deflatedBytesOut }),
        (
            "deflated_in_vain_total", "counter", "Messages that did not shrink and went plain.",
            { $0.core.deflatedInVain }
        ),
        ("deflate_jobs_total", "counter", "Messages that were compressed in slices.", { $0.core.deflateJobs }),
        ("inflated_total", "counter", "Compressed messages that came.", { $0.core.inflated }),
        ("inflated_bytes_in_total", "counter", "Their bytes before inflating.", { $0.core.inflatedBytesIn }),
        ("inflated_bytes_out_total", "counter", "Their bytes behind it.", { $0.core.inflatedBytesOut }),
    ]

    nonisolated(unsafe) private static let metrics: [Metric] = [
        ("connections_accepted_total", "counter", "Connections that were accepted.", { $0.core.connectionsAccepted }),
        ("connections_open", "gauge", "Open connections.", { $0.core.connectionsOpen }),
        ("sockets_open", "gauge", "Open connections that speak WebSocket.", { $0.core.socketsOpen }),
        ("upgrades_total", "counter", "Connections that became WebSockets.", { $0.core.upgrades }),
        ("http_requests_total", "counter", "HTTP requests that were read whole.", { $0.core.requests }),
        ("http_request_bytes_total", "counter", "Their bytes.", { $0.core.requestBytes }),
        ("http_response_bytes_total", "counter", "Bytes of HTTP answers.", { $0.core.responseBytes }),
        ("messages_in_total", "counter", "WebSocket messages that came.", { $0.core.messagesIn }),
        (
            "messages_out_total", "counter", "WebSocket messages that were sent: replies and deliveries.",
            { $0.core.messagesOut &+ $0.core.deliveries }
        ),
        ("bytes_in_total", "counter", "Bytes received.", { $0.core.bytesIn }),
        ("bytes_out_total", "counter", "Bytes sent.", { $0.core.bytesOut }),
        ("publishes_total", "counter", "Messages given to be published.", { $0.core.publishes }),
        ("ordered_total", "counter", "Messages that got their place in a channel.", { $0.core.ordered }),
        ("deliveries_total", "counter", "Messages of channels sent to a subscriber.", { $0.core.deliveries }),
        (
            "skipped_total", "counter", "Messages that slow readers were not sent (policy skip or conflate).",
            { $0.core.skipped }
        ),
        ("unheard_total", "counter", "Messages published to a channel that nobody is on.", { $0.core.unheard }),
        ("subscriptions", "gauge", "Subscriptions.", { $0.core.subscriptions }),
        ("channels", "gauge", "Channels with subscribers on the worker.", { $0.core.channels }),
        ("home_channels", "gauge", "Channels whose order the worker keeps.", { $0.core.homeChannels }),
        ("members", "gauge", "Members of presence channels that the worker keeps.", { $0.core.members }),
        (
            "untold_changes_total", "counter", "Members that came or went on a quiet channel, where nobody is told.",
            { $0.core.untoldChanges }
        ),
        ("kept_messages", "gauge", "Last messages of cache channels that the worker keeps.", { $0.core.keptMessages }),
        ("kept_bytes", "gauge", "Bytes of these messages.", { $0.core.keptBytes }),
        ("kept_evicted_total", "counter", "Last messages that had to go before their time.", { $0.core.keptEvicted }),
        (
            "block_bytes", "gauge", "Memory of logs, waiting replies and messages being put together.",
            { $0.core.blockBytes }
        ),
        ("draining", "gauge", "Workers that send their clients away.", { $0.core.draining }),
        (
            "memory_level_max", "gauge",
            "How near memory_max is: 1 contexts are given up, 2 logs, 3 slow readers, 4 new clients.",
            { $0.core.memoryLevel }
        ),
        ("shed_contexts_total", "counter", "Contexts given back for lack of memory.", { $0.core.shedContexts }),
        (
            "shed_logs_total", "counter",
            "Times a channel's log let go of what blocked readers lacked, for lack of memory.",
            { $0.core.shedLogs }
        ),
        ("shed_readers_total", "counter", "Readers closed for lack of memory.", { $0.core.shedReaders }),
        (
            "shed_connections_total", "counter", "Upgrades and requests refused for lack of memory.",
            { $0.core.shedConnections }
        ),
        ("turns_total", "counter", "Turns of the loop.", { $0.core.turns }),
        (
            "turn_microseconds_max", "gauge",
            "The longest turn of the loop in the last 10 to 20 seconds: what one event had to wait for another.",
            { $0.core.turnMicrosecondsMax }
        ),
        ("sends_total", "counter", "Sends handed to the kernel.", { $0.core.sends }),
        ("mail_sent_total", "counter", "Items of mail to other workers.", { $0.core.mailSent }),
        ("mail_received_total", "counter", "Items of mail from other workers.", { $0.core.mailReceived }),
        ("wake_ups_total", "counter", "Workers that had to be woken for mail.", { $0.core.wakeUps }),
        ("accept_failures_total", "counter", "Accepts that failed.", { $0.core.acceptFailures }),
        (
            "accepts_refused_total", "counter", "Connections refused because the worker is full or stops.",
            { $0.core.acceptsRefused }
        ),
        (
            "input_rested_total", "counter", "Times a WebSocket was not read because it had sent what it may.",
            { $0.core.inputRested }
        ),
        (
            "accepts_paced_total", "counter", "Times accepting rested because of limits.accepts_per_second.",
            { $0.core.acceptsPaced }
        ),
        (
            "accepts_lagged_total", "counter", "Times accepting rested because the worker lagged.",
            { $0.core.acceptsLagged }
        ),
        (
            "address_refusals_total", "counter", "Connections refused because their address has enough.",
            { $0.core.addressRefusals }
        ),
        (
            "unidentified", "gauge", "Connections whose TLS handshake or first request head is not complete.",
            { $0.core.unidentified }
        ),
        (
            "unidentified_cut_total", "counter", "Of these, reset because there were too many.",
            { $0.core.unidentifiedCut }
        ),
        (
            "address_rate_refusals_total", "counter", "Connections refused because their address opens them too fast.",
            { $0.core.addressRateRefusals }
        ),
        ("readers_blocked_total", "counter", "Times a socket was found full.", { $0.core.readersBlocked }),
        (
            "input_deferred_total", "counter", "Reads put off because earlier messages had to leave first.",
            { $0.core.inputDeferred }
        ),
        (
            "publishers_held_total", "counter", "Publishers that waited so that their order holds across homes.",
            { $0.core.publishersHeld }
        ),
        ("reading_paused_total", "counter", "Connections that were not read for a while.", { $0.core.readingPaused }),
        ("subscriptions_refused_total", "counter", "Subscriptions over a bound.", { $0.core.subscriptionsRefused }),
        (
            "stale_deliveries_total", "counter", "Deliveries to a channel that the worker had just left.",
            { $0.core.staleDeliveries }
        ),
        ("clock_pauses_total", "counter", "Pauses of the whole process.", { $0.core.clockPauses }),
        ("proxy_headers_total", "counter", "PROXY headers that were believed.", { $0.core.proxyHeaders }),
        (
            "proxy_headers_refused_total", "counter", "Connections without the PROXY header that was due.",
            { $0.core.proxyHeadersRefused }
        ),
        ("tls_handshakes_begun_total", "counter", "TLS hellos that were answered.", { $0.core.handshakesBegun }),
        ("tls_handshakes_done_total", "counter", "TLS handshakes that came to their end.", { $0.core.handshakesDone }),
        (
            "tls_handshakes_resumed_total", "counter", "TLS handshakes that took up an earlier session.",
            { $0.core.handshakesResumed }
        ),
        (
            "tls_handshakes_failed_total", "counter",
            "TLS handshakes that failed, also before a whole hello was there.", { $0.core.handshakesFailed }
        ),
        (
            "tls_faults_total", "counter", "Open TLS connections that sent what is no TLS.", { $0.core.secureFaults }
        ),
        (
            "tls_kernel_connections", "gauge", "TLS connections for which the kernel makes the records that are sent.",
            { $0.core.kernelConnections }
        ),
        (
            "tls_kernel_refused_total", "counter", "TLS connections for which the kernel did not take the keys.",
            { $0.core.kernelRefusals }
        ),
        ("tls_key_updates_total", "counter", "TLS key updates and the like.", { $0.core.keyUpdates }),
        ("system_calls_total", "counter", "System calls of the loop.", { $0.loop.systemCalls }),
        (
            "receive_buffers_exhausted_total", "counter", "Times the receive buffers ran out.",
            { $0.loop.receiveBuffersExhausted }
        ),
        ("rearmed_total", "counter", "Multishot operations that ended and were asked again.", { $0.loop.rearmed }),
        (
            "accept_paused_total", "counter", "Times accepting rested for want of descriptors or memory.",
            { $0.loop.acceptPaused }
        ),
        ("short_sends_total", "counter", "Sends that took a part.", { $0.loop.shortSends }),
        ("refused_sends_total", "counter", "Sends that took nothing.", { $0.loop.refusedSends }),
        (
            "completion_overflows_total", "counter", "Overflows of the completion queue.",
            { $0.loop.completionOverflows }
        ),
    ]
}
