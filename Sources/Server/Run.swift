import CPosix
import ClarionAdmin
import ClarionApplications
import ClarionEcho
import ClarionEngine
public import ClarionLog
import ClarionLoop
import ClarionPusher
import ClarionRealtimeJSON
import ClarionSandbox
public import ClarionSettings
import ClarionTransport
import Glibc

/// Runs a node until a signal ends it. SIGHUP has it read its configuration again.
/// - Parameters:
///   - confinement: what the process gives up, its first step taken.
///   - takesOver: whether it asks the node that runs there now for its listening sockets, and has it leave.
///   - read: reads the configuration again, from where it came.
/// - Returns: the exit status of the process: 0 after an orderly stop, 1 when it could not start, 78 when the
///   applications are not usable.
public func runNode(
    configuration: Configuration, confinement: Confinement, takesOver: Bool = false,
    read: @escaping @Sendable () throws(SettingsError) -> Configuration, log: Logger
) -> Int32 {
    var settings = configuration.settings
    cposix_tell_crashes()
    let signals = SignalWaiter()
    var inheritance = Inheritance()
    let manager = ServiceManager(Inheritance.environment)
    cposix_map_blocks_from(mappedBlockBytesMin)
    _ = ProcessFacts.raiseDescriptorLimit()
    guard let usesUring = chooseBackend(settings.backend, log) else { return EXIT_FAILURE }
    let services: NodeServices
    do throws(SettingsError) {
        services = try NodeServices(settings, log: log)
    } catch {
        for problem in error.problems { log.error("applications not usable", ["problem": .text("\(problem)")]) }
        return EX_CONFIG
    }
    do throws(AppTableError) {
        _ = try PusherNode(PusherConfiguration(settings, apps: services.registry.initial))
    } catch {
        log.error("applications not usable", ["problem": .text("\(error)")])
        return EX_CONFIG
    }
    let processors = usableProcessors()
    let workerCount = settings.workers > 0 ? settings.workers : max(processors.count, 1)
    let secureOptions = SecureOptions(settings.tls)
    var secureContext: SecureContext?
    do throws(SecureError) {
        secureContext = try secureOptions.map { options throws(SecureError) in try SecureContext(options) }
    } catch {
        log.error("certificates not usable", ["error": .text(error.description)])
        return EXIT_FAILURE
    }
    if let secureContext { SecureReload.warnOfExpiry(secureContext, log) }
    if takesOver && !inheritance.takeOver(from: adminSocketPath(settings), log) { return EXIT_FAILURE }
    let kernelChoice = secureContext == nil ? .off : settings.tls.kernel
    guard let sealsByKernel = chooseKernelTLS(kernelChoice, usesUring: usesUring, log) else { return EXIT_FAILURE }
    guard let opened = openListeners(settings, workerCount: workerCount, inheritance, log) else { return EXIT_FAILURE }
    // From here on the port is the one that is bound: it may have been left to the system.
    settings.port = Int(opened.port)
    var adminListener = openAdminSocket(settings, replaces: inheritance.isSuccessor, log)
    // Another user could not take the name later.
    if !settings.user.isEmpty { adminListener?.install() }
    do throws(SandboxError) {
        try confinement.dropPrivileges(sockets: opened.socketPaths + (adminListener.map { [$0.place] } ?? []))
    } catch {
        log.error("cannot start", ["error": .text(error.description)])
        opened.removeCreated()
        adminListener?.remove()
        return EXIT_FAILURE
    }
    if !settings.user.isEmpty { warnOfUnreadable(configuration, secureOptions, log) }
    let dashboard = settings.dashboardPassword.map {
        DashboardFront(DashboardFront.Configuration(user: settings.dashboardUser, password: $0.revealed))
    }
    let shared = services.shared(settings)
    var nodeConfiguration = nodeConfiguration(
        settings, services, shared, dangers: configuration.dangers.count, log: log, usesUring: usesUring,
        workerCount: workerCount, listeners: opened.byWorker, processors: processors, dashboard: dashboard)
    let printer = settings.prints ? try? DebugPrinter(descriptor: STDOUT_FILENO) : nil
    if let printer {
        log.warning("messages are printed, those of users too; this slows the node down")
        nodeConfiguration.makeProtocols = { [made = nodeConfiguration.makeProtocols] worker in
            DebuggedProtocols.wrap(made(worker), printer)
        }
    }
    let memoryBound = MemoryGuard.Bound(settings.memoryBytesMax)
    if let memoryMax = memoryBound?.bytesMax {
        nodeConfiguration.limits.blockBytesMax = min(
            nodeConfiguration.limits.blockBytesMax, memoryMax / 100 * MemoryGuard.blocksPercent / workerCount)
        log.info("memory", ["bound": LogValue(memoryMax)])
    }
    nodeConfiguration.secureContext = secureContext
    nodeConfiguration.sealsByKernel = sealsByKernel
    nodeConfiguration.onAddressRefused = { address, reason in
        log.sampled(
            .warning, reason: "\(reason)", "connection refused",
            ["address": .text("\(address)"), "reason": .text("\(reason)")])
    }
    nodeConfiguration.restrictsOperations = confinement.restrictsOperations
    let node = Node(nodeConfiguration)
    do throws(LoopError) {
        try node.start()
    } catch {
        log.error("cannot start", ["error": .text(error.description)])
        adminListener?.remove()
        return EXIT_FAILURE
    }
    guard services.start(node) else {
        log.error("cannot start", ["error": "the system gives no more threads"])
        node.stop()
        node.join()
        adminListener?.remove()
        return EXIT_FAILURE
    }
    if let tap = printer?.tap { for worker in 0..<workerCount { node.call(worker: worker) { $0.add(tap) } } }
    let control = NodeControl(
        services, configuration, certificates: secureOptions, read: read, log: log)
    let memoryGuard = memoryBound.flatMap { MemoryGuard.start(node, $0, log: log) }
    let succession = Succession(
        descriptors: opened.descriptors, isConfined: settings.sandbox != .off, log: log)
    let service = adminService(settings, node, services, control, succession, shared.counters, usesUring: usesUring)
    dashboard?.open(service)
    let admin = adminListener.map { AdminServer($0, service: service) }
    let watchdog = Watchdog.start(node, seconds: settings.watchdogSeconds, manager: manager, log: log)
    // A sandbox renames nothing, and whoever asked for a restart finds the new node at once.
    if settings.sandbox != .off || !inheritance.isTakeOver { adminListener?.install() }
    do throws(SandboxError) {
        try confinement.seal(usesUring: usesUring, log)
    } catch {
        log.error("cannot start", ["error": .text(error.description)])
        node.stop()
        node.join()
        admin?.stop()
        opened.removeCreated()
        services.stop()
        return EXIT_FAILURE
    }
    guard inheritance.tellReady(log) else {
        node.stop()
        node.join()
        admin?.stop(keepsFile: true)
        if let place = adminListener?.place { unsafe unlink(place) }
        opened.removeCreated()
        services.stop()
        return EXIT_FAILURE
    }
    adminListener?.install()
    announce(settings, port: opened.port, workerCount: workerCount, usesUring: usesUring, log)
    for place in opened.furtherPlaces { log.info("listening too", ["address": .text(place)]) }
    manager.tell("READY=1\nMAINPID=\(getpid())")
    let signal = waitForTheEnd(signals, control)
    let hasSuccessor = succession.isDone
    log.info("stopping", ["signal": .text(signal == SIGINT ? "SIGINT" : "SIGTERM")])
    if !hasSuccessor { manager.tell("STOPPING=1") }
    if hasSuccessor { services.handOver() }
    if signal == SIGTERM { sendClientsAway(node, signals, log, hasSuccessor: hasSuccessor) }
    signals.restoreDefaults()
    watchdog?.stop()
    memoryGuard?.stop()
    node.stop()
    node.join()
    admin?.stop(keepsFile: hasSuccessor)
    dashboard?.close()
    if !hasSuccessor { opened.removeSockets() }
    services.stop()
    printer?.flush(withinMilliseconds: printedMilliseconds)
    log.info("stopped")
    return EXIT_SUCCESS
}

/// How long what `--debug` printed last may take on its way out.
private let printedMilliseconds = 500

/// Memory of this size, such as the log of a busy channel or a very long reply, is the kernel's again when it is free.
private let mappedBlockBytesMin = 512 << 10

/// Waits for a signal that ends the node. Meanwhile SIGHUP has it read its configuration again, and certificates are
/// those of their files.
private func waitForTheEnd(_ signals: SignalWaiter, _ control: NodeControl) -> Int32 {
    while true {
        let signal = signals.wait(seconds: control.hasCertificates ? SecureReload.lookSeconds : nil)
        switch signal {
        case nil: control.lookAtCertificates()
        case SIGHUP?: _ = control.reload()
        case let signal?: return signal
        }
    }
}

/// Says which files a reload could not read, now that the process is another user.
private func warnOfUnreadable(_ configuration: Configuration, _ certificates: SecureOptions?, _ log: Logger) {
    let files = [configuration.file ?? "", configuration.settings.appSources.file] + (certificates?.paths ?? [])
    for path in files where !path.isEmpty && path != "-" {
        let descriptor = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        if descriptor >= 0 {
            close(descriptor)
            continue
        }
        log.warning(
            "a reload will not be able to read a file; let the user of --user read it",
            [
                "file": .text(path), "user": .text(configuration.settings.user),
                "error": .text(unsafe String(cString: strerror(errno))),
            ])
    }
}

/// Opens all places to listen at, or says why it cannot.
private func openListeners(
    _ settings: Settings, workerCount: Int, _ inheritance: Inheritance, _ log: Logger
) -> OpenedListeners? {
    do throws(TransportError) {
        var opened = try OpenedListeners(settings, workerCount: workerCount, inherited: inheritance.listeners)
        if inheritance.count > 0 { log.info("sockets taken over", ["count": LogValue(inheritance.count)]) }
        let left = opened.closeLeftOver()
        if left > 0 { log.warning("sockets were handed over that no listener is for", ["count": LogValue(left)]) }
        let most = opened.byWorker.map(\.count).max() ?? 0
        if most <= BackendLimits.listenersMax { return opened }
        log.error(
            "cannot listen",
            ["error": .text("\(most) sockets for one worker; \(BackendLimits.listenersMax) are the most: add workers")])
    } catch {
        log.error("cannot listen", ["error": .text(error.description)])
    }
    return nil
}

/// Waits until the clients have been told to go elsewhere, or somebody is in a hurry.
private func sendClientsAway(_ node: Node, _ signals: SignalWaiter, _ log: Logger, hasSuccessor: Bool = false) {
    node.drain(hasSuccessor: hasSuccessor)
    while !node.isDrained {
        guard let signal = signals.wait(milliseconds: drainLookMilliseconds), signal != SIGHUP else { continue }
        log.info("stopping at once", ["signal": .text(signal == SIGINT ? "SIGINT" : "SIGTERM")])
        return
    }
}

/// How often it is looked whether all clients have been told.
private let drainLookMilliseconds = 10

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
    _ settings: Settings, _ services: NodeServices, _ shared: PusherNode.Shared, dangers: Int, log: Logger,
    usesUring: Bool, workerCount: Int, listeners: [[WorkerListener]], processors: [Int32], dashboard: DashboardFront?
) -> NodeConfiguration {
    let realtime = RealtimeConfiguration(settings)
    let isRealtime = settings.realtime.isEnabled
    let echoes = settings.echo
    let echoMessageBytesMax = settings.limits.echoMessageBytesMax
    let page = Array(tryPage(TryPageFacts(settings)).utf8)
    let metrics = MetricsPage(
        backend: usesUring ? Uring.name : Epoll.name, version: clarionVersion, shared: shared,
        broadcasts: realtime.gate, services: services, dangers: dangers,
        soketiPort: settings.tellsSoketiMetrics ? settings.port : nil, log: log)
    let pusherConfiguration = PusherConfiguration(settings, apps: services.registry.initial)
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
    configuration.limits = EngineLimits(settings)
    configuration.limits.deflate = DeflateOptions(settings.deflate)
    return configuration
}

private func announce(_ settings: Settings, port: UInt16, workerCount: Int, usesUring: Bool, _ log: Logger) {
    let shown = settings.host == "0.0.0.0" || settings.host == "::" ? "127.0.0.1" : settings.host
    let host = shown.contains(":") ? "[\(shown)]" : shown
    let base = "\(host):\(port)"
    let http = settings.tls.isEnabled ? "https" : "http"
    let ws = settings.tls.isEnabled ? "wss" : "ws"
    var fields: LogFields = [
        "address": .text("\(settings.host):\(port)"), "workers": LogValue(workerCount),
        "try": .text("\(http)://\(base)/"),
    ]
    if let app = settings.apps.first {
        fields.append("pusher", .text("\(ws)://\(base)\(settings.path)/app/\(app.key)"))
        fields.append("api", .text("\(http)://\(base)\(settings.path)/apps/\(app.id)/events"))
    }
    if settings.realtime.isEnabled { fields.append("realtime", .text("\(ws)://\(base)/ws")) }
    if settings.echo { fields.append("echo", .text("\(ws)://\(base)/echo")) }
    fields.append("metrics", .text("\(http)://\(base)/metrics"))
    log.info("ready", fields)
}
