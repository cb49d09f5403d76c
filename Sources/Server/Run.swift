import CPosix
import ClarionAdmin
import ClarionEcho
import ClarionEngine
public import ClarionLog
import ClarionLoop
import ClarionPusher
import ClarionRealtimeJSON
public import ClarionSettings
import ClarionTransport
import Glibc

/// Runs a node with `settings` until a signal ends it.
/// - Returns: the exit status of the process: 0 after an orderly stop, 1 when it could not start.
public func runNode(settings: Settings, log: Logger) -> Int32 {
    let signals = SignalWaiter()
    cposix_map_blocks_from(mappedBlockBytesMin)
    _ = ProcessFacts.raiseDescriptorLimit()
    guard let usesUring = chooseBackend(settings.backend, log) else { return EXIT_FAILURE }
    do throws(AppTableError) {
        _ = try PusherNode(PusherConfiguration(settings))
    } catch {
        log.error("applications not usable", ["error": .text("\(error)")])
        return EXIT_FAILURE
    }
    let processors = usableProcessors()
    let workerCount = settings.workers > 0 ? settings.workers : max(processors.count, 1)
    let opened: (descriptors: [Int32], port: UInt16)
    do throws(TransportError) {
        let address = ListenAddress(host: settings.host, port: UInt16(clamping: settings.port))
        opened = try Listener.open(
            address, count: workerCount, unacknowledgedSeconds: settings.limits.unacknowledgedSeconds)
    } catch {
        log.error("cannot listen", ["error": .text(error.description)])
        return EXIT_FAILURE
    }
    // From here on the port is the one that is bound: it may have been left to the system.
    var settings = settings
    settings.port = Int(opened.port)
    let shared = PusherNode.Shared()
    let dashboard = settings.dashboardPassword.map {
        DashboardFront(DashboardFront.Configuration(user: settings.dashboardUser, password: $0.revealed))
    }
    let configuration = nodeConfiguration(
        settings, shared, usesUring: usesUring, workerCount: workerCount, listeners: opened.descriptors,
        processors: processors, dashboard: dashboard)
    let node = Node(configuration)
    do throws(LoopError) {
        try node.start()
    } catch {
        log.error("cannot start", ["error": .text(error.description)])
        return EXIT_FAILURE
    }
    let service = adminService(settings, node, shared.counters, usesUring: usesUring)
    dashboard?.open(service)
    let admin = openAdminSocket(settings, service, log)
    announce(settings, port: opened.port, workerCount: workerCount, usesUring: usesUring, log)
    let signal = signals.wait()
    log.info("stopping", ["signal": .text(signal == SIGINT ? "SIGINT" : "SIGTERM")])
    signals.restoreDefaults()
    node.stop()
    node.join()
    admin?.stop()
    dashboard?.close()
    log.info("stopped")
    return EXIT_SUCCESS
}

/// Memory of this size, such as the log of a busy channel or a very long reply, is the kernel's again when it is free.
private let mappedBlockBytesMin = 512 << 10

// MARK: Parts of the start

/// One log line says what was chosen and why. nil: what was asked for cannot be had.
private func chooseBackend(_ choice: ClarionSettings.BackendChoice, _ log: Logger) -> Bool? {
    if choice == .epoll {
        log.info("backend", ["chosen": "epoll", "why": "asked for"])
        return false
    }
    switch probeUring() {
    case .success(let found):
        log.info(
            "backend",
            [
                "chosen": "uring", "why": .text(choice == .uring ? "asked for" : "the kernel has it"),
                "features": .text(found),
            ])
        return true
    case .failure(let error):
        if choice == .uring {
            log.error(
                "backend", ["chosen": "none", "why": .text("io_uring was asked for and cannot be had: \(error)")])
            return nil
        }
        log.info("backend", ["chosen": "epoll", "why": .text("no io_uring: \(error)")])
        return false
    }
}

private func usableProcessors() -> [Int32] {
    let most = 1024
    return unsafe [Int32](unsafeUninitializedCapacity: most) { buffer, count in
        guard let base = buffer.baseAddress else { return }
        count = unsafe Int(max(cposix_usable_cpus(base, Int32(most)), 0))
    }
}

private func nodeConfiguration(
    _ settings: Settings, _ shared: PusherNode.Shared, usesUring: Bool, workerCount: Int, listeners: [Int32],
    processors: [Int32], dashboard: DashboardFront?
) -> NodeConfiguration {
    let realtime = RealtimeConfiguration(settings)
    let isRealtime = settings.realtime.isEnabled
    let echoes = settings.echo
    let echoMessageBytesMax = settings.limits.echoMessageBytesMax
    let page = Array(tryPage(TryPageFacts(settings)).utf8)
    let metrics = MetricsPage(
        backend: usesUring ? Uring.name : Epoll.name, version: clarionVersion, counters: shared.counters,
        applicationCount: settings.apps.count)
    let pusherConfiguration = PusherConfiguration(settings)
    // The router needs the realtime handler of its own worker, and both are made on that worker's thread.
    let handlers: @Sendable (Int) -> WorkerProtocols = { worker in
        guard let pusher = try? PusherNode(pusherConfiguration, shared, worker: worker) else {
            preconditionFailure("applications that were accepted a moment ago")
        }
        let realtimeHandler = RealtimeHandler(realtime)
        let front =
            isRealtime ? RealtimeFront(realtime, handler: realtimeHandler, handlerIndex: HandlerIndex.realtime) : nil
        let router = NodeRouter(
            pusher: PusherFront(pusher, handlerIndex: HandlerIndex.pusher), realtime: front, echoes: echoes,
            echoMessageBytesMax: echoMessageBytesMax, page: page, metrics: metrics, dashboard: dashboard)
        return WorkerProtocols(
            handlers: [EchoHandler(), realtimeHandler, PusherHandler(pusher)], router: router,
            observer: shared.webhooks == nil ? nil : PusherChannelObserver(pusher),
            keeper: PusherKeeper(pusher))
    }
    var configuration = NodeConfiguration(makeProtocols: handlers)
    configuration.workers = workerCount
    configuration.usesUring = usesUring
    configuration.listeners = listeners
    // More workers than processors: the kernel's scheduler places them better than a fixed rule.
    configuration.processors = workerCount <= processors.count ? processors : []
    configuration.limits = EngineLimits(settings.limits)
    configuration.limits.deflate = DeflateOptions(settings.deflate)
    return configuration
}

private func announce(_ settings: Settings, port: UInt16, workerCount: Int, usesUring: Bool, _ log: Logger) {
    let shown = settings.host == "0.0.0.0" || settings.host == "::" ? "127.0.0.1" : settings.host
    let host = shown.contains(":") ? "[\(shown)]" : shown
    let base = "\(host):\(port)"
    var fields: LogFields = [
        "address": .text("\(settings.host):\(port)"), "workers": LogValue(workerCount),
        "try": .text("http://\(base)/"),
    ]
    if let app = settings.apps.first {
        fields.append("pusher", .text("ws://\(base)\(settings.path)/app/\(app.key)"))
        fields.append("api", .text("http://\(base)\(settings.path)/apps/\(app.id)/events"))
    }
    if settings.realtime.isEnabled { fields.append("realtime", .text("ws://\(base)/ws")) }
    if settings.echo { fields.append("echo", .text("ws://\(base)/echo")) }
    fields.append("metrics", .text("http://\(base)/metrics"))
    log.info("ready", fields)
}
