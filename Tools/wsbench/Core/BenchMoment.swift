import CBench
import Glibc

/// The counters of all parts of a run at one moment.
struct BenchMoment {
    let time: UInt64
    let delivered: [UInt64]
    let published: [UInt64]
    let busy: [[UInt64]]
    let subscribed: [UInt64]
    let serverCPU: UInt64?
    let ownCPU: UInt64
    let machine: MachineMoment?

    init(_ parts: [BenchPart], _ probe: ProcessProbe) {
        machine = MachineMoment(server: probe, own: ProcessProbe(processes: [getpid()] + parts.flatMap(\.children)))
        time = cbench_now()
        delivered = parts.map { $0.board.total(.delivered) }
        published = parts.map(\.publishedTotal)
        busy = parts.map { part in part.board.loops.map { $0[.busy] } }
        subscribed = parts.map { $0.board.total(.subscribed) }
        serverCPU = probe.cpuNanoseconds()
        ownCPU = cbench_own_cpu() + parts.reduce(0) { $0 + $1.childrenCPU }
    }
}

/// Takes a sample of a part every half second.
struct BenchSampler {
    /// The server's memory and descriptors are looked at every so many samples: that costs the server something.
    static let serverEvery = 2

    private let part: BenchPart
    private let probe: ProcessProbe
    private var time: UInt64
    private var delivered: UInt64 = 0
    private var published: UInt64 = 0
    private var counts: [UInt64]
    private var serviceCounts: [UInt64]
    private var serverCPU: UInt64?
    private var ownCPU: UInt64
    private var machine: MachineMoment?
    private var number = 0

    init(part: BenchPart, probe: ProcessProbe) {
        self.part = part
        self.probe = probe
        time = cbench_now()
        counts = [UInt64](repeating: 0, count: LatencyCounts.classCount)
        serviceCounts = counts
        serverCPU = probe.cpuNanoseconds()
        ownCPU = cbench_own_cpu()
        machine = Self.machineNow()
    }

    private static func machineNow() -> MachineMoment? {
        let nobody = ProcessProbe(processes: [])
        return MachineMoment(server: nobody, own: nobody)
    }

    /// True when it was time. The last sample takes what came since the one before it.
    @discardableResult
    mutating func take(phase: String, isLast: Bool = false) -> Bool {
        let now = cbench_now()
        guard now - time >= BenchRun.sampleNanoseconds || isLast && now > time else { return false }
        let seconds = Double(now - time) / 1e9
        let board = part.board
        let nowDelivered = board.total(.delivered)
        let nowPublished = part.publishedTotal
        let nowCounts = board.counts(.latency)
        let interval = LatencyDistribution(from: counts, to: nowCounts)
        let nowService = board.counts(.service)
        let service = LatencyDistribution(from: serviceCounts, to: nowService)
        let nowServer = probe.cpuNanoseconds()
        let nowOwn = cbench_own_cpu() + part.childrenCPU
        let nowMachine = Self.machineNow()
        let looksAtServer = number % Self.serverEvery == 0
        func share(_ before: UInt64?, _ after: UInt64?) -> Double? {
            guard let before, let after, after >= before else { return nil }
            return Double(after - before) / 1e9 / seconds
        }
        part.report.samples.append(
            BenchReport.Sample(
                seconds: Double(now - board.epoch) / 1e9, phase: phase, connections: Int(board.total(.alive)),
                subscribed: Int(board.total(.ready)),
                publishedPerSecond: Double(nowPublished - published) / seconds,
                deliveredPerSecond: Double(nowDelivered - delivered) / seconds,
                p50: Double(interval.nanoseconds(atPercentile: 50)) / 1e3,
                p99: Double(interval.nanoseconds(atPercentile: 99)) / 1e3, errors: part.errors,
                serverCPUShare: share(serverCPU, nowServer), ownCPUShare: share(ownCPU, nowOwn) ?? 0,
                stolenShare: machine.flatMap { nowMachine?.stolenShare(since: $0) },
                serverResidentBytes: looksAtServer ? probe.residentBytes() : nil,
                serverDescriptors: looksAtServer ? probe.descriptors() : nil,
                latency: interval.total > 0 ? interval : nil, service: service.total > 0 ? service : nil))
        time = now
        delivered = nowDelivered
        published = nowPublished
        counts = nowCounts
        serviceCounts = nowService
        serverCPU = nowServer
        ownCPU = nowOwn
        machine = nowMachine
        number += 1
        return true
    }
}

extension BenchReport {
    /// What happened in the measured interval.
    mutating func book(from start: BenchMoment, to end: BenchMoment, part: Int) {
        seconds = Double(end.time - start.time) / 1e9
        published = end.published[part] - start.published[part]
        delivered = end.delivered[part] - start.delivered[part]
        publishedPerSecond = Double(published) / seconds
        deliveredPerSecond = Double(delivered) / seconds
        if shape == BenchShape.churn.rawValue {
            var churn = Churn()
            churn.subscribedPerSecond = Double(end.subscribed[part] - start.subscribed[part]) / seconds
            self.churn = churn
        }
    }

    /// What the loops, which have ended, left on the board.
    mutating func sumUp(_ board: Board, _ plan: BenchPlan, since baseline: BenchBaseline) {
        lost = baseline.growth(.lost, board)
        doubled = baseline.growth(.doubled, board)
        reordered = baseline.growth(.reordered, board)
        late = baseline.growth(.late, board)
        disconnected = baseline.growth(.disconnected, board)
        invalidFrames = baseline.growth(.invalidFrames, board)
        foreign = baseline.growth(.foreign, board)
        heldBack = baseline.growth(.heldBack, board)
        if plan.shape != .idle, published > 0, delivered == 0 { stalled = true }
        connectFailures = Int(board.total(.connectFailures))
        failure = failure ?? board.text(.failure)
        latestText = board.text(.latest)
        if plan.shape == .presence { bookPresence(board) }
        let received = baseline.growth(.delivered, board)
        deliveryRatio = received + lost == 0 ? 1 : Double(received) / Double(received + lost)
        latency = Latency(board, .latency, since: baseline)
        serviceLatency = Latency(board, .service, since: baseline)
        if plan.extensionOffer != nil {
            compression = Compression(
                connections: Int(board.total(.deflated)), wireBytes: board.total(.wireBytes),
                payloadBytes: board.total(.payloadBytes))
        }
        if plan.isSecure { resumedHandshakes = board.total(.resumed) }
        connectLatency = Latency(board, .connect)
        let first = board.firstOpenAt
        let handshakes = board.total(.handshakes)
        if storm == nil, handshakes > 0 {
            rampSeconds = Double(board.highest(.latestHandshakeAt) - first) / 1e9
            handshakesPerSecond = rampSeconds > 0 ? Double(handshakes) / rampSeconds : 0
        }
        switch plan.shape {
        case .publish:
            publishLatency = Latency(board, .request)
            publishFailures = board.total(.publishFailures)
        case .churn:
            var churn = churn ?? Churn()
            churn.subscribed = board.total(.subscribed)
            churn.unsubscribed = board.total(.unsubscribed)
            churn.subscribe = Latency(board, .request)
            churn.afterEnd = board.total(.afterEnd)
            self.churn = churn
        case .slow:
            slow = SlowReaders(
                readers: Int(board.total(.slowReaders)), closedByServer: board.total(.slowClosed),
                delivered: board.total(.slowDelivered), lost: board.total(.slowLost),
                doubled: board.total(.slowDoubled), reordered: board.total(.slowReordered))
        default: break
        }
    }

    private mutating func bookPresence(_ board: Board) {
        let presence = Presence(
            joined: board.total(.joined), left: board.total(.left), added: board.total(.added),
            removed: board.total(.removed), addedExpected: board.total(.addedExpected),
            removedExpected: board.total(.removedExpected))
        func missing(_ expected: UInt64, _ got: UInt64) -> UInt64 { expected > got ? expected - got : 0 }
        lost = missing(presence.addedExpected, presence.added) + missing(presence.removedExpected, presence.removed)
        self.presence = presence
    }
}

extension BenchReport.Latency {
    /// A distribution over all loops; nil when it is empty.
    init?(_ board: Board, _ histogram: LoopHistogram, since baseline: BenchBaseline = BenchBaseline()) {
        self.init(LatencyDistribution(from: baseline.counts(histogram), to: board.counts(histogram)))
    }
}
