import ClarionBytes
import ClarionEngine
import ClarionPusher

/// The numbers that Soketi's `/metrics` has, under its names and with its label `port`, for dashboards and alerts that
/// were made for it (`metrics.soketi`).
///
/// Soketi counts everything by application. Here connections are; messages and bytes are of the whole node, and carry
/// the label `app_id` only where there is one application, whose they must be. What Soketi counts of its adapters has
/// no counterpart.
enum SoketiMetrics {
    /// One application and its connections.
    struct Application {
        let id: String
        let open: Int
        let opened: Int
    }

    /// Appends the samples.
    static func append(_ counters: [CoreCounters], port: Int, _ applications: [Application], to text: inout String) {
        func sum(_ field: (CoreCounters) -> UInt64) -> UInt64 { counters.reduce(0) { $0 &+ field($1) } }
        func begin(_ name: String, _ kind: String, _ help: String) {
            text += "# HELP soketi_\(name) \(help)\n# TYPE soketi_\(name) \(kind)\n"
        }
        func byApplication(_ name: String, _ kind: String, _ help: String, _ value: (Application) -> Int) {
            begin(name, kind, help)
            for app in applications {
                text += "soketi_\(name){app_id=\"\(label(app.id))\",port=\"\(port)\"} \(max(value(app), 0))\n"
            }
        }
        byApplication("connected", "gauge", "Open connections.") { $0.open }
        byApplication("new_connections_total", "counter", "Connections that were opened.") { $0.opened }
        byApplication("new_disconnections_total", "counter", "Connections that ended.") { $0.opened - $0.open }
        let only = applications.count == 1 ? "app_id=\"\(label(applications[0].id))\"," : ""
        let totals: [(name: String, help: String, value: UInt64)] = [
            ("socket_received_bytes", "Bytes received, those of HTTP included.", sum { $0.bytesIn }),
            ("socket_transmitted_bytes", "Bytes sent, those of HTTP included.", sum { $0.bytesOut }),
            ("ws_messages_received_total", "WebSocket messages that came.", sum { $0.messagesIn }),
            ("ws_messages_sent_total", "WebSocket messages that were sent.", sum { $0.messagesOut &+ $0.deliveries }),
            ("http_received_bytes", "Bytes of HTTP requests.", sum { $0.requestBytes }),
            ("http_transmitted_bytes", "Bytes of HTTP answers.", sum { $0.responseBytes }),
            ("http_calls_received_total", "HTTP requests.", sum { $0.requests }),
        ]
        for total in totals {
            begin(total.name, "counter", total.help)
            text += "soketi_\(total.name){\(only)port=\"\(port)\"} \(total.value)\n"
        }
    }

    /// Ids are checked when applications are configured; those of stores are held to the same, so this only makes sure.
    private static func label(_ id: String) -> String { id.filter { $0 != "\"" && $0 != "\\" && $0 != "\n" } }
}
