import ClarionSettings
import ClarionTransport
import Glibc

/// Every place where a node listens, opened.
struct OpenedListeners {
    /// What each worker listens on.
    private(set) var byWorker: [[WorkerListener]]
    /// The port of the first.
    let port: UInt16
    /// The others, for people.
    private(set) var furtherPlaces: [String] = []
    private(set) var socketPaths: [String] = []

    /// Opens the node's host and port, then the listeners of the file.
    init(_ settings: Settings, workerCount: Int) throws(TransportError) {
        byWorker = Array(repeating: [], count: workerCount)
        let address = ListenAddress(host: settings.host, port: UInt16(clamping: settings.port))
        let first = try Listener.open(
            address, count: workerCount, unacknowledgedSeconds: settings.limits.unacknowledgedSeconds)
        port = first.port
        add(
            first.descriptors,
            ListenerTraits(settings, speaksTLS: settings.tls.isEnabled, isProxied: settings.expectsProxyHeader))
        do throws(TransportError) {
            for listener in settings.listeners { try open(listener, settings, workerCount: workerCount) }
        } catch {
            for listener in byWorker.joined() { close(listener.descriptor) }
            removeSockets()
            throw error
        }
    }

    private mutating func open(
        _ listener: ListenerSettings, _ settings: Settings, workerCount: Int
    ) throws(TransportError) {
        var traits = ListenerTraits(
            settings, speaksTLS: listener.speaksTLS, isProxied: listener.expectsProxyHeader)
        switch listener.deflateMost {
        case .off: traits.insert(.deflatesNothing)
        case .shared: traits.insert(.deflatesShared)
        case .dedicated: break
        }
        if !listener.socket.isEmpty {
            add(try Listener.open(path: listener.socket, count: workerCount), traits)
            socketPaths.append(listener.socket)
            furtherPlaces.append(listener.socket)
            return
        }
        let host = listener.host.isEmpty ? settings.host : listener.host
        let address = ListenAddress(host: host, port: UInt16(clamping: listener.port ?? 0))
        let opened = try Listener.open(
            address, count: workerCount, unacknowledgedSeconds: settings.limits.unacknowledgedSeconds)
        add(opened.descriptors, traits)
        furtherPlaces.append("\(listener.speaksTLS ? "https" : "http")://\(host):\(opened.port)")
    }

    private mutating func add(_ descriptors: [Int32], _ traits: ListenerTraits) {
        for (worker, descriptor) in descriptors.enumerated() {
            byWorker[worker].append(WorkerListener(descriptor: descriptor, traits: traits))
        }
    }

    /// Takes the names of Unix-domain sockets away, when nobody listens on them any more.
    func removeSockets() { for path in socketPaths { unsafe unlink(path) } }
}

extension ListenerTraits {
    /// Addresses are asked for where somebody's word about their clients is believed.
    fileprivate init(_ settings: Settings, speaksTLS: Bool, isProxied: Bool) {
        self = []
        if speaksTLS { insert(.secured) }
        if isProxied { insert(.proxied) }
        if !settings.trustedProxies.isEmpty { insert(.namesPeers) }
    }
}
