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
    /// Those of them that were made here, not inherited.
    private var createdPaths: [String] = []
    /// What the process was started with and has not been asked for.
    private var inherited: InheritedListeners

    /// Opens the node's host and port, then the listeners of the file; those that are inherited are taken as they are.
    init(_ settings: Settings, workerCount: Int, inherited: InheritedListeners) throws(TransportError) {
        byWorker = Array(repeating: [], count: workerCount)
        self.inherited = inherited
        let address = ListenAddress(host: settings.host, port: UInt16(clamping: settings.port))
        let first = try OpenedListeners.open(address, settings, workerCount: workerCount, &self.inherited)
        port = first.port
        add(
            first.descriptors,
            ListenerTraits(settings, speaksTLS: settings.tls.isEnabled, isProxied: settings.expectsProxyHeader))
        do throws(TransportError) {
            for listener in settings.listeners { try open(listener, settings, workerCount: workerCount) }
        } catch {
            for listener in byWorker.joined() { close(listener.descriptor) }
            removeCreated()
            throw error
        }
    }

    /// All listening sockets.
    var descriptors: [Int32] { byWorker.joined().map(\.descriptor) }

    /// Closes what was inherited and nothing is configured for. Returns how many those were.
    mutating func closeLeftOver() -> Int {
        let left = inherited.leftOver
        for descriptor in left { close(descriptor) }
        inherited = InheritedListeners()
        return left.count
    }

    private static func open(
        _ address: ListenAddress, _ settings: Settings, workerCount: Int, _ inherited: inout InheritedListeners
    ) throws(TransportError) -> (descriptors: [Int32], port: UInt16) {
        let options = SocketOptions(settings)
        if let taken = try inherited.take(address, count: workerCount, options: options) { return taken }
        return try Listener.open(address, count: workerCount, options: options)
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
            if let taken = try inherited.take(path: listener.socket, count: workerCount) {
                add(taken, traits)
            } else {
                add(
                    try Listener.open(path: listener.socket, count: workerCount, options: SocketOptions(settings)),
                    traits)
                createdPaths.append(listener.socket)
            }
            socketPaths.append(listener.socket)
            furtherPlaces.append(listener.socket)
            return
        }
        let host = listener.host.isEmpty ? settings.host : listener.host
        let address = ListenAddress(host: host, port: UInt16(clamping: listener.port ?? 0))
        let opened = try OpenedListeners.open(address, settings, workerCount: workerCount, &inherited)
        add(opened.descriptors, traits)
        furtherPlaces.append("\(listener.speaksTLS ? "https" : "http")://\(host):\(opened.port)")
    }

    private mutating func add(_ descriptors: [Int32], _ traits: ListenerTraits) {
        // More than there are workers: those that a node with more of them had.
        for (index, descriptor) in descriptors.enumerated() {
            byWorker[index % byWorker.count].append(WorkerListener(descriptor: descriptor, traits: traits))
        }
    }

    /// The start has failed: takes away the names that were made for it. Others are those of a node that goes on.
    func removeCreated() { for path in createdPaths { unsafe unlink(path) } }

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

extension SocketOptions {
    init(_ settings: Settings) {
        self.init()
        hasNoDelay = settings.socket.hasNoDelay
        keepaliveSeconds = settings.socket.keepaliveSeconds
        keepaliveIntervalSeconds = settings.socket.keepaliveIntervalSeconds
        keepaliveProbes = settings.socket.keepaliveProbes
        unacknowledgedSeconds = settings.limits.unacknowledgedSeconds
        sendBufferBytes = settings.socket.sendBufferBytes
        receiveBufferBytes = settings.socket.receiveBufferBytes
        backlog = settings.socket.backlog
    }
}
