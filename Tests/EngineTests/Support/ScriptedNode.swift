import ClarionBytes
import ClarionLoop
import ClarionTransport
import ClarionWire
import ScriptedBackend
import Synchronization

@testable import ClarionEngine

/// Workers on scripted kernels, all in the test's thread: it says whose turn it is.
final class ScriptedNode {
    /// One worker, its kernel and what it speaks.
    final class Worker {
        var loop: WorkerLoop<Scripted>
        let core: Core
        let kernel: ScriptedKernel
        let handler = LineHandler()
        let router = LineRouter()
        let keeper = LineKeeper()
        /// It was told to stop and has left.
        var isDone = false

        init(_ index: Int, _ exchange: Exchange, _ plan: Plan, _ kernel: ScriptedKernel) throws(LoopError) {
            core = try Core(
                workerIndex: index, exchange: exchange, limits: plan.limits, httpLimits: HTTPLimits())
            core.handlers = [handler]
            core.router = router
            core.keeper = keeper
            var options = BackendOptions(connectionsMax: plan.limits.connectionsMax + 1)
            options.receiveBufferCount = plan.receiveBufferCount
            options.receiveBufferBytes = plan.receiveBufferBytes
            self.kernel = kernel
            loop = WorkerLoop(
                backend: try Scripted(kernel: kernel, options: options), core: core,
                listeners: [WorkerListener(descriptor: 0)],
                sendBatchMax: options.sendBatchMax)
            loop.start()
        }
    }

    /// What a node of a test is made of.
    struct Plan {
        var workerCount = 1
        var limits = EngineLimits()
        var odds = ScriptedOdds.calm
        var socketBytes = 4096...65_536
        var receiveBufferCount = 16
        var receiveBufferBytes = 256

        init(workerCount: Int = 1) {
            self.workerCount = workerCount
            limits.connectionsMax = 256
            // Clients of a story may all connect before one speaks.
            limits.unidentifiedMax = 1 << 20
            limits.channelsMax = 256
            // Time is what the test makes of it (`pass`), not what the machine takes.
            limits.headSeconds = 1000
            limits.idleSeconds = 1000
            limits.closeSeconds = 1000
            limits.slowConsumerSeconds = 1000
            limits.messageSeconds = 1000
            limits.controlFramesBurst = 200
        }
    }

    let workers: [Worker]
    let exchange: Exchange
    var random: SeededRandom
    /// Turns between two looks at everything.
    var checkEvery = 1
    private var turnCount = 0

    init(_ plan: Plan, seed: UInt64 = 1) throws(LoopError) {
        var random = SeededRandom(seed: seed)
        exchange = Exchange(
            workerCount: plan.workerCount, hash: SipHash(key0: random.next(), key1: random.next()),
            socketKey: SipHash(key0: random.next(), key1: random.next()))
        var workers: [Worker] = []
        for index in 0..<plan.workerCount {
            let kernel = ScriptedKernel(seed: random.next(), odds: plan.odds, socketBytes: plan.socketBytes)
            workers.append(try Worker(index, exchange, plan, kernel))
        }
        self.workers = workers
        self.random = random
    }

    var cores: [Core] { workers.map { $0.core } }

    /// One turn of worker `index`.
    func turn(_ index: Int) {
        let worker = workers[index]
        if worker.isDone { return }
        let hadMail = unsafe exchange.mailbox(index).pointee.pendingCount > 0
        worker.isDone = worker.loop.turn()
        if hadMail && worker.kernel.lastWaitNanoseconds > ScriptedNode.restNanosecondsMax {
            preconditionFailure("worker \(index) sleeps for \(worker.kernel.lastWaitNanoseconds) ns while it has mail")
        }
        turnCount += 1
        if turnCount % checkEvery == 0 { worker.core.checkInvariants() }
    }

    /// The longest sleep of a worker that knows it will look again by itself.
    private static let restNanosecondsMax: Int64 = 1_000_000

    /// One turn of a worker chosen by the seed.
    func turnAny() { turn(random.below(workers.count)) }

    /// Turns for all, one after the other.
    func turnAll(_ rounds: Int = 1) {
        for _ in 0..<rounds {
            for index in workers.indices { turn(index) }
        }
    }

    /// Whether no worker could do more without news from outside.
    var isQuiet: Bool {
        for (index, worker) in workers.enumerated() where !worker.isDone {
            if worker.core.hasWork || !worker.core.held.isEmpty || !worker.kernel.isQuiet { return false }
            if worker.loop.hasDeferred { return false }
            if unsafe exchange.mailbox(index).pointee.pendingCount > 0 { return false }
        }
        return true
    }

    /// Turns in random order until all is quiet. False when it never is.
    func settle(turnsMax: Int = 200_000) -> Bool {
        for _ in 0..<turnsMax {
            if isQuiet {
                if !waitsForRest || !isAnybodyResting { return true }
                for worker in workers { worker.core.nowTick += 1 }
            }
            turnAny()
        }
        return false
    }

    /// Whether `settle` lets time pass until everybody is read again who sent more than it may.
    var waitsForRest = false

    private var isAnybodyResting: Bool {
        cores.contains { core in
            (0..<UInt32(core.connections.touched)).contains { core.connections.isInUse($0) && core.isResting($0) }
        }
    }

    /// Lets time pass for all workers, and each look at what is due.
    func pass(seconds: Int) {
        for worker in workers { worker.core.nowTick += UInt32(seconds) * Clock.ticksPerSecond }
        turnAll()
    }

    /// What the workers know of each other, when all is quiet: each home knows exactly who has subscribers.
    func checkAgreement() {
        var homeCount = 0
        for core in cores {
            core.checkInvariants()
            for slot in 0..<UInt32(core.channels.touched) where core.channels.isInUse(slot) {
                let channel = unsafe core.channels[slot].pointee
                if channel.window != 0 { continue }
                let home = cores[Int(channel.home)]
                let known = home.findHome(space: channel.name.space, name: channel.name.key, hash: channel.hash)
                guard let known, let interested = unsafe home.homes[known].pointee.interested else {
                    preconditionFailure("a channel unknown at its home")
                }
                let entries = unsafe (0..<Int(home.homes[known].pointee.interestedCount)).map { unsafe interested[$0] }
                let mine = entries.filter { $0.worker == UInt32(core.workerIndex) }
                precondition(mine.count == 1 && mine[0].subscriberCount == channel.announced)
                precondition(mine[0].slot == slot && mine[0].generation == core.channels.generation(of: slot))
                precondition(channel.phase == .joined && channel.waitingCount == 0)
                homeCount += 1
            }
        }
        var interestedCount = 0
        for core in cores {
            for slot in 0..<UInt32(core.homes.touched) where core.homes.isInUse(slot) {
                interestedCount += unsafe Int(core.homes[slot].pointee.interestedCount)
            }
        }
        precondition(homeCount == interestedCount, "a home that waits for a worker without subscribers")
    }

    /// What a node without connections has given back, in words; empty when it is all.
    var leftovers: [String] {
        var found: [String] = []
        for core in cores {
            let counts: [(String, Int)] = [
                ("block bytes", core.pool.outstandingBytes), ("connections", core.connections.count),
                ("subscriptions", core.subscriptions.count), ("channels", core.channels.count),
                ("homes without a kept message", core.homes.count - Int(core.counters.keptMessages)),
                ("members", Int(core.counters.members)), ("notes of members", core.memberNotes.count),
                ("held publishers", core.held.count),
                ("chunked requests", core.chunkedRequests.count), ("timers", core.timers.count),
                ("open connections", Int(core.counters.connectionsOpen)),
                ("open sockets", Int(core.counters.socketsOpen)),
                ("pressing channels", core.pressingChannels), ("lagging logs", core.lagging.count),
                ("contexts", core.deflate.contexts.count), ("messages to compress", core.deflate.jobs.count),
                ("bytes to compress", core.deflate.pendingBytes),
            ]
            for slot in 0..<UInt32(core.connections.touched) where core.connections.isInUse(slot) {
                let connection = unsafe core.connections[slot].pointee
                found.append("\(connection.phase), flags \(String(connection.flags.rawValue, radix: 16))")
            }
            for (what, count) in counts where count != 0 {
                found.append("worker \(core.workerIndex): \(count) \(what)")
            }
        }
        let contextBytes = exchange.deflateBytes.load(ordering: .relaxed)
        let addressCount = exchange.addressCounts.addressCount
        if addressCount != 0 { found.append("\(addressCount) addresses are counted") }
        if contextBytes != 0 { found.append("\(contextBytes) bytes of contexts") }
        for worker in workers {
            if worker.handler.openCount != 0 { found.append("\(worker.handler.openCount) sessions without closed()") }
            if !worker.kernel.isEmpty { found.append("the kernel holds something") }
            found.append(contentsOf: worker.kernel.violations)
        }
        return found
    }
}
