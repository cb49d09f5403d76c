import ClarionBytes
public import ClarionLoop
import ClarionTransport
import ClarionWire

/// A node of one worker without a thread of its own: whoever holds it says when it makes a turn, and what its kernel
/// is. Benchmarks run the way of a message on it, without a kernel's cost and noise.
public struct DrivenWorker<B: Backend & ~Copyable>: ~Copyable {
    private var loop: WorkerLoop<B>

    /// - Parameters:
    ///   - backend: what the worker takes for its kernel.
    ///   - limits: bounds; times among them count by the real clock.
    ///   - hashSeed: takes the place of the secret of the process, so that runs are alike.
    public init(
        backend: consuming B, options: BackendOptions, limits: EngineLimits, protocols: WorkerProtocols,
        hashSeed: UInt64
    ) throws(LoopError) {
        let hash = SipHash(key0: hashSeed, key1: ~hashSeed)
        let exchange = Exchange(workerCount: 1, hash: hash, socketKey: hash)
        let core = try Core(workerIndex: 0, exchange: exchange, limits: limits, httpLimits: HTTPLimits())
        core.handlers = protocols.handlers
        core.router = protocols.router
        loop = WorkerLoop(
            backend: backend, core: core, listeners: [WorkerListener(descriptor: -1)],
            sendBatchMax: options.sendBatchMax)
        loop.start()
    }

    /// Lets `body` change what the backend answers next.
    public mutating func withBackend<Result>(_ body: (inout B) -> Result) -> Result { body(&loop.backend) }

    /// Makes one turn, and further ones while there is work left that needs no news from the kernel.
    public mutating func turn() {
        repeat { _ = loop.turn() } while loop.core.hasWork || loop.hasDeferred
    }

    /// What the worker has counted so far.
    public var counters: CoreCounters { loop.core.counters }
}
