import CPosix
import ClarionBytes
public import ClarionLoop
public import ClarionTransport
public import ClarionWire
import Glibc
import Synchronization

/// What a node is made of. `makeProtocols` is called on each worker's thread.
public struct NodeConfiguration: Sendable {
    public var workers = 1
    public var usesUring = false
    public var limits = EngineLimits()
    public var httpLimits = HTTPLimits()
    /// What each worker listens on, by worker; the node owns the descriptors from start on.
    public var listeners: [[WorkerListener]] = []
    /// What TLS sessions begin with, where a listener wants them.
    public var secureContext: SecureContext?
    /// The kernel makes the records of TLS, where it takes the keys.
    public var sealsByKernel = false
    /// Is told, on a worker's thread, whom `EngineLimits.connectionsPerAddress` (`addressFull`) and `newPerAddress`
    /// (`addressRate`) have turned away.
    public var onAddressRefused: (@Sendable (_ address: PeerAddress, _ reason: CloseReason) -> Void)?
    /// Processors to pin workers to, in turn; empty: none is pinned.
    public var processors: [Int32] = []
    /// See `BackendOptions.restrictsOperations`.
    public var restrictsOperations = false
    public var makeProtocols: @Sendable (_ worker: Int) -> WorkerProtocols

    public init(makeProtocols: @escaping @Sendable (_ worker: Int) -> WorkerProtocols) {
        self.makeProtocols = makeProtocols
    }
}

/// What one worker speaks: its handlers, which upgrades name by their place in the list, and its router.
public struct WorkerProtocols {
    public var handlers: [any MessageHandler]
    public var router: any Router
    /// Is told of the channels that have their home on the worker.
    public var observer: (any ChannelObserver)?
    /// Speaks for channels that keep members or a last message; nil: there are none.
    public var keeper: (any ChannelKeeper)?
    /// Is shown what is said to single connections; nil: nobody is.
    public var watcher: (any TrafficWatcher)?

    public init(
        handlers: [any MessageHandler], router: any Router, observer: (any ChannelObserver)? = nil,
        keeper: (any ChannelKeeper)? = nil
    ) {
        self.handlers = handlers
        self.router = router
        self.observer = observer
        self.keeper = keeper
    }
}

/// The workers of a process: started together, stopped together.
public final class Node: Sendable {
    private let exchange: Exchange
    private let configuration: NodeConfiguration
    private let threads = Mutex<[pthread_t]>([])
    /// How the workers' starts went: nil until each has told.
    private let outcomes: Mutex<[Result<Void, LoopError>?]>
    private let isOver: Mutex<Int>

    public init(_ configuration: NodeConfiguration) {
        precondition(configuration.workers > 0 && configuration.workers <= Node.workersMax)
        precondition(configuration.listeners.count == configuration.workers)
        self.configuration = configuration
        var key = InlineArray<4, UInt64>(repeating: 0)
        let failure = unsafe withUnsafeMutableBytes(of: &key) { raw -> Int32 in
            guard let base = raw.baseAddress else { return EINVAL }
            return unsafe cposix_random(base, raw.count)
        }
        precondition(failure == 0, "the kernel gives no random bytes")
        exchange = Exchange(
            workerCount: configuration.workers, hash: SipHash(key0: key[0], key1: key[1]),
            socketKey: SipHash(key0: key[2], key1: key[3]))
        outcomes = Mutex(Array(repeating: nil, count: configuration.workers))
        isOver = Mutex(0)
    }

    /// Worker numbers travel in 8 bits.
    public static let workersMax = 255

    /// Starts the workers and waits until each listens, or has failed: then the others are stopped and the error
    /// thrown.
    public func start() throws(LoopError) {
        for index in 0..<configuration.workers {
            let box = unsafe Unmanaged.passRetained(WorkerStart(node: self, index: index)).toOpaque()
            var thread = pthread_t()
            let result = unsafe pthread_create(
                &thread, nil,
                { context in
                    guard let context = unsafe context else { return nil }
                    let start = unsafe Unmanaged<WorkerStart>.fromOpaque(context).takeRetainedValue()
                    start.node.runWorker(start.index)
                    return nil
                }, unsafe box)
            if result != 0 {
                unsafe Unmanaged<WorkerStart>.fromOpaque(box).release()
                report(index, .failure(.system(call: "pthread_create", errno: result)))
                exchange.becomeQuiet()
                exchange.leave()
            } else {
                threads.withLock { $0.append(thread) }
            }
        }
        while outcomes.withLock({ list in list.contains { $0 == nil } }) { usleep(Node.pollMicroseconds) }
        for outcome in outcomes.withLock({ $0 }) {
            if case .failure(let error) = outcome {
                stop()
                join()
                throw error
            }
        }
    }

    private static let refusalsAtOnce = 64
    private static let pollMicroseconds: UInt32 = 500

    /// Runs `body` on worker number `worker`, in its next turn. From any thread that is no worker. For rare things;
    /// allocates. Once the node has stopped nothing runs any more.
    public func call(worker: Int, _ body: @escaping @Sendable (Core) -> Void) {
        precondition(worker >= 0 && worker < configuration.workers)
        var mail = Mail(.call)
        unsafe mail.call = unsafe Unmanaged.passRetained(MailCall(body)).toOpaque()
        exchange.post(mail, to: worker)
    }

    /// How many workers there are.
    public var workerCount: Int { configuration.workers }

    /// Tells all workers to leave: they stop accepting, let what is queued leave, tell their peers, and end.
    public func stop() {
        for index in 0..<configuration.workers { exchange.post(Mail(.stop), to: index) }
    }

    /// Tells all workers to send their clients away, spread over `EngineLimits.drainSpreadSeconds`. Nothing is
    /// published over HTTP any more, and no connection becomes a WebSocket, unless there is a successor: then those are
    /// still let in that were accepted here. `stop` comes when `isDrained`, or earlier.
    public func drain(hasSuccessor: Bool = false) {
        for index in 0..<configuration.workers {
            call(worker: index) { $0.beginDrain(hasSuccessor: hasSuccessor) }
        }
    }

    /// Ends the process from the thread of worker number `worker`, with SIGABRT. For one that is stuck.
    public func abort(worker: Int) {
        threads.withLock { list in
            if list.indices.contains(worker) { _ = pthread_kill(list[worker], SIGABRT) }
        }
    }

    /// Whether every worker has told its clients to go.
    public var isDrained: Bool { exchange.areAllDrained }

    /// New TLS sessions begin with `context`; those that run keep what they have.
    public func use(_ context: SecureContext) {
        for index in 0..<configuration.workers {
            var mail = Mail(.call)
            unsafe mail.call = unsafe Unmanaged.passRetained(MailCall { $0.secureContext = context }).toOpaque()
            exchange.post(mail, to: index)
        }
    }

    /// Waits until all workers have left.
    public func join() {
        let list = threads.withLock { threads in
            let list = threads
            threads = []
            return list
        }
        for thread in list { pthread_join(thread, nil) }
    }

    private func report(_ index: Int, _ outcome: Result<Void, LoopError>) {
        outcomes.withLock { if $0[index] == nil { $0[index] = outcome } }
    }

    fileprivate func runWorker(_ index: Int) {
        // Not those of a crash: it takes the process with it, since half a node would serve half of each channel; and
        // a watchdog ends the process from the thread that is stuck, so that the stack shown is the right one.
        cposix_block_signals()
        unsafe cposix_name_thread("worker-\(index)")
        if !configuration.processors.isEmpty {
            _ = cposix_pin_to_cpu(configuration.processors[index % configuration.processors.count])
        }
        do throws(LoopError) {
            if configuration.usesUring {
                try run(index, Uring.self)
            } else {
                try run(index, Epoll.self)
            }
        } catch {
            report(index, .failure(error))
            exchange.becomeQuiet()
            exchange.leave()
        }
        SecurePort.leaveThread()
        for listener in configuration.listeners[index] { close(listener.descriptor) }
    }

    private func run<B: Backend & ~Copyable>(_ index: Int, _ type: B.Type) throws(LoopError) {
        let core = try Core(
            workerIndex: index, exchange: exchange, limits: configuration.limits, httpLimits: configuration.httpLimits)
        let protocols = configuration.makeProtocols(index)
        core.secureContext = configuration.secureContext
        core.onAddressRefused = configuration.onAddressRefused
        core.sealsByKernel = configuration.sealsByKernel
        core.handlers = protocols.handlers
        core.router = protocols.router
        core.observer = protocols.observer
        core.keeper = protocols.keeper
        core.watcher = protocols.watcher
        // A few more places than connections: one too many is accepted, counted and closed.
        var options = BackendOptions(connectionsMax: configuration.limits.connectionsMax + Node.refusalsAtOnce)
        options.restrictsOperations = configuration.restrictsOperations
        options.sealsByKernel = configuration.sealsByKernel
        let backend = try B(options: options)
        var loop = WorkerLoop(
            backend: backend, core: core, listeners: configuration.listeners[index], sendBatchMax: options.sendBatchMax)
        loop.start()
        report(index, .success(()))
        while !loop.turn() {}
        exchange.setWakeDescriptor(-1, of: index)
    }
}

private final class WorkerStart {
    let node: Node
    let index: Int

    init(node: Node, index: Int) {
        self.node = node
        self.index = index
    }
}
