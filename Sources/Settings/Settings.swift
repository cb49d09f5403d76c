public import ClarionLog

/// Everything about a node that its operator decides, with the defaults. What each setting means and what it may be
/// stands in `SettingTable`; how the value of a run comes about, in `Configuration`.
public struct Settings: Sendable, Equatable {
    /// Address to listen on: an IPv4 or IPv6 address, or a name that the system resolves.
    public var host = "127.0.0.1"
    /// TCP port; 0 lets the system choose one.
    public var port = 8080
    /// TLS on `port`, and wherever a further listener wants it.
    public var tls = TLSSettings()
    /// Whether connections to `port` begin with a PROXY header.
    public var expectsProxyHeader = false
    /// Addresses and networks whose word about their clients is believed.
    public var trustedProxies: [String] = []
    /// Where the node listens besides `host` and `port`.
    public var listeners: [ListenerSettings] = []
    /// Prefix of the routes of the Pusher protocol, empty or beginning with `/` and not ending with it.
    public var path = ""
    /// Worker threads; 0 is one for each usable processor.
    public var workers = 0
    /// Which event interface the workers use.
    public var backend = BackendChoice.auto
    /// Whether `/echo` is served.
    public var echo = false
    /// Bytes of one HTTP request, head and body.
    public var requestBytesMax = 65_536
    /// Seconds by which the time stamp of a signed request may differ from the clock; 0 does not look.
    public var authTimestampToleranceSeconds = 600
    /// The applications; at least one.
    public var apps = [AppSettings.embedded]
    /// Where applications come from apart from these settings.
    public var appSources = AppSourceSettings()
    /// How events are told to the endpoints of applications.
    public var webhooks = WebhookDeliverySettings()
    /// In production, dangerous switches keep the node from starting.
    public var environment = NodeEnvironment.development
    /// The JSON protocol on `/ws`.
    public var realtime = RealtimeSettings()
    /// Where the admin socket is: `AdminSettingWords`, or a path.
    public var adminSocket = AdminSettingWords.auto
    /// What opens `/dashboard`; nil: there is none.
    public var dashboardPassword: Secret?
    public var dashboardUser = "admin"
    /// Whether messages are printed as they come and go.
    public var prints = false
    /// Whether `/metrics` has Soketi's names beside our own.
    public var tellsSoketiMetrics = false
    /// What the process becomes once its ports are open: the name or number of a user, or empty.
    public var user = ""
    /// Whether the process gives up what it does not need.
    public var sandbox = SandboxMode.off
    /// Resident bytes that the process keeps below; 0: what its control group may have.
    public var memoryBytesMax = 0
    /// Silence of a worker that ends the process; 0: none does.
    public var watchdogSeconds = 0
    /// Options of TCP sockets.
    public var socket = SocketSettings()
    /// permessage-deflate.
    public var deflate = DeflateSettings()
    /// Lines below this level are not written.
    public var logLevel = LogLevel.info
    /// The shape of a log line.
    public var logFormat = LogFormat.auto
    /// The bounds on memory, time and counts.
    public var limits = Limits()

    public init() {}
}

extension Settings {
    /// The origins of pages that the node itself serves, by the names under which it is reached from this machine,
    /// and its configured host: who may open `/ws` when no origins are configured.
    public var ownOrigins: [String] {
        var hosts = ["localhost", "127.0.0.1"]
        let own = host.contains(":") ? "[\(host)]" : host
        if !hosts.contains(own) { hosts.append(own) }
        let scheme = tls.isEnabled ? "https" : "http"
        let isUsual = port == (tls.isEnabled ? 443 : 80)
        return hosts.map { isUsual ? "\(scheme)://\($0)" : "\(scheme)://\($0):\(port)" }
    }
}

/// What TLS is spoken with.
public struct TLSSettings: Sendable, Equatable {
    /// PEM files; none: no TLS.
    public var certificates: [String] = []
    /// PEM files, one for each certificate.
    public var keys: [String] = []
    /// DER files or `-`, one for each certificate, or none at all.
    public var ocspAnswers: [String] = []
    public var versionMin = TLSVersion.v12
    /// A PEM file, or empty.
    public var clientAuthority = ""
    public var clientCertificates = ClientCertificates.none
    public var kernel = KernelTLS.auto

    public init() {}

    /// Whether there is anything to speak TLS with.
    public var isEnabled: Bool { !certificates.isEmpty }
}

/// Versions of TLS that may be the oldest.
public enum TLSVersion: String, Sendable, CaseIterable {
    case v12 = "1.2"
    case v13 = "1.3"
}

/// Whether the kernel makes the records of TLS that are sent.
public enum KernelTLS: String, Sendable, CaseIterable {
    /// Where it can.
    case auto
    /// The node does not start without.
    case on
    case off
}

/// Whether clients show certificates.
public enum ClientCertificates: String, Sendable, CaseIterable {
    case none
    case optional
    case required
}

/// A listener besides that of the node's host and port.
public struct ListenerSettings: Sendable, Equatable {
    /// Empty: the node's host.
    public var host = ""
    /// TCP port; nil when it is a Unix-domain socket.
    public var port: Int?
    /// Path of a Unix-domain socket, or empty.
    public var socket = ""
    public var speaksTLS = false
    public var expectsProxyHeader = false
    /// The lesser of this and the node's holds.
    public var deflateMost = DeflateMode.dedicated

    public init() {}
}

/// Whether the process is confined to what a node does.
public enum SandboxMode: String, Sendable, CaseIterable {
    case off
    case on
}

/// Where a node is used.
public enum NodeEnvironment: String, Sendable, CaseIterable {
    case development
    case production
}

/// Applications that are kept outside the configuration.
public struct AppSourceSettings: Sendable, Equatable {
    /// A file of applications that is watched, TOML or JSON; empty: none.
    public var file = ""
    /// A store that is asked for applications, as a URL, which may hold a password; nil: none.
    public var store: Secret?
    /// How long what a store said is taken for true, seconds.
    public var cacheSeconds = 60
    /// How long an application that was not found is taken for absent, seconds.
    public var absentSeconds = 10
    /// How long a request waits for the store, seconds.
    public var lookupSeconds = 2

    public init() {}
}

/// How events leave for the endpoints of applications.
public struct WebhookDeliverySettings: Sendable, Equatable {
    /// Address ranges that are not public and may be called all the same.
    public var allowedNetworks: [String] = []
    /// Time for which events wait for others to go with them, milliseconds.
    public var batchMilliseconds = 50
    /// Events of one request; 1 sends each alone.
    public var batchEventsMax = 100
    /// How long a channel stays empty, or a user away, before that is told; seconds.
    public var graceSeconds = 3
    /// Events that wait for one endpoint.
    public var queueEventsMax = 10_000
    /// How long an event is tried, seconds.
    public var retrySeconds = 300
    /// Time for one request and its answer, seconds.
    public var timeoutSeconds = 10

    public init() {}
}

/// `auto` tries io_uring and falls back to epoll.
public enum BackendChoice: String, Sendable, CaseIterable {
    case auto
    case uring
    case epoll
}

/// The JSON protocol on `/ws` and its HTTP publishing.
public struct RealtimeSettings: Sendable, Equatable {
    /// Whether `/ws` and `/internal/broadcast` are served.
    public var isEnabled = true
    /// What subscribers receive.
    public var mode = RealtimeMode.raw
    /// Whether clients may publish.
    public var acceptsPublish = false
    /// What a publisher over HTTP shows; nil refuses every one unless `allowsPublishingWithoutSecret`.
    public var secret: Secret?
    /// Whether `/internal/broadcast` takes messages when there is no secret.
    public var allowsPublishingWithoutSecret = false
    /// Messages over HTTP in a second, 0: no bound; and how many may come at once.
    public var broadcastsPerSecond = 0
    public var broadcastsBurst = 100
    /// Full origins that may connect; empty stands for the pages of the node itself.
    public var allowedOrigins: [String] = []
    /// Bytes of one message of a client.
    public var messageBytesMax = 512
    /// Seconds from one pong of a client to the next ping.
    public var pingIntervalSeconds = 54
    /// Seconds without a pong after which a client is closed.
    public var pongTimeoutSeconds = 60

    public init() {}

    /// Bytes of one message when clients may publish and nothing else is set.
    public static let messageBytesMaxWithPublish = 64 * 1024
}

/// What is done with permessage-deflate.
public struct DeflateSettings: Sendable, Equatable {
    public var mode = DeflateMode.shared
    /// Rules as `SettingTable.channelRule` reads them, in their order.
    public var channels: [String] = []
    /// zlib's level.
    public var level = 6
    /// Bytes below which messages are not compressed.
    public var messageBytesMin = 128
    /// Bits of the largest window of a context, and zlib's memory level there.
    public var contextWindowBits = 12
    public var contextMemoryLevel = 5
    /// Bytes of all contexts together.
    public var contextBytesMax = 64 << 20
    /// Seconds after which an unused context gives memory back.
    public var contextIdleSeconds = 60

    public init() {}
}

/// What clients that offer compression get.
public enum DeflateMode: String, Sendable, CaseIterable {
    case off
    case shared
    case dedicated
}

/// What a subscriber of the JSON protocol receives.
public enum RealtimeMode: String, Sendable, CaseIterable {
    /// The published text and nothing around it.
    case raw
    /// A JSON object with type, channel and payload; requests are confirmed.
    case envelope
}

/// Values of `admin.socket` that are no paths.
public enum AdminSettingWords {
    /// A usual place, by the port.
    public static let auto = "auto"
    /// There is none.
    public static let off = "off"
}
