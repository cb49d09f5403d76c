import ScriptedBackend
import Testing

@testable import ClarionEngine

/// How many connections a worker lets in: the node's rate, and less while it lags.
struct AcceptPacerTests {
    private static let second: UInt64 = 1_000_000_000
    private static let start: UInt64 = 77 * second

    @Test
    func aBucketHoldsItsBurstAndFillsAtItsRate() {
        let rule = BucketRule(perSecond: 10, burst: 5)
        let bucket = SharedBucket()
        var now = AcceptPacerTests.start
        #expect(bucket.tokens(rule, now: now) == 5 && bucket.wait(rule, now: now) == 0)
        for left in [4, 3, 2, 1, 0] {
            bucket.take(1, rule, now: now)
            #expect(bucket.tokens(rule, now: now) == left)
        }
        let wait = bucket.wait(rule, now: now)
        #expect(wait == AcceptPacerTests.second / 10 && bucket.tokens(rule, now: now + wait - 1) == 0)
        now += wait
        #expect(bucket.tokens(rule, now: now) == 1 && bucket.wait(rule, now: now) == 0)
        now += 10 * AcceptPacerTests.second
        #expect(bucket.tokens(rule, now: now) == 5)
        // A debt is paid: three more than there are cost three tenths of a second, and the token after them one.
        bucket.take(8, rule, now: now)
        #expect(bucket.wait(rule, now: now) == 4 * AcceptPacerTests.second / 10)
        // No debt is longer than a minute.
        bucket.take(Int.max, rule, now: now)
        #expect(bucket.wait(rule, now: now) <= 61 * AcceptPacerTests.second && bucket.wait(rule, now: now) > 0)
    }

    /// Whatever is asked, tokens and time to wait agree, and in the long run the rate holds.
    @Test
    func ratesHoldInTheLongRun() {
        var random = SeededRandom(seed: 9)
        for perSecond in [1, 3, 7, 50, 999, 1_000_000] {
            let rule = BucketRule(perSecond: perSecond, burst: random.between(1, 20))
            let bucket = SharedBucket()
            var now = AcceptPacerTests.start
            var taken = 0
            for _ in 0..<2000 {
                let tokens = bucket.tokens(rule, now: now)
                let wait = bucket.wait(rule, now: now)
                #expect((tokens == 0) == (wait > 0))
                if tokens == 0 {
                    now += wait
                } else {
                    let count = random.between(1, tokens)
                    bucket.take(count, rule, now: now)
                    taken += count
                }
            }
            let seconds = Double(now - AcceptPacerTests.start) / 1e9
            #expect(Double(taken) <= Double(rule.burst) + seconds * Double(perSecond) + 1)
            #expect(Double(taken) >= seconds * Double(perSecond) * 0.99 - 1)
        }
        #expect(!BucketRule(perSecond: 0, burst: 1).isOn)
    }

    private func turn(_ now: UInt64, took last: UInt64 = 1_000_000, isPressed: Bool = false) -> AcceptPacer.Turn {
        AcceptPacer.Turn(now: now, lastNanoseconds: last, isPressed: isPressed)
    }

    private static let none = BucketRule(perSecond: 0, burst: 1)

    @Test
    func lettingInRestsForTheRate() {
        let rule = BucketRule(perSecond: 10, burst: 2)
        let bucket = SharedBucket()
        var pacer = AcceptPacer()
        var now = AcceptPacerTests.start
        #expect(pacer.decide(turn(now), rule, bucket) == .none && pacer.allowance == 2 && pacer.lookAt == 0)
        bucket.take(3, rule, now: now)
        #expect(pacer.decide(turn(now), rule, bucket) == .rate && pacer.allowance == 0)
        // It is told once, and looked at when there is a token again: 0.2 s.
        #expect(pacer.lookAt == now + AcceptPacerTests.second / 5)
        now += AcceptPacerTests.second / 10
        #expect(pacer.decide(turn(now), rule, bucket) == .none && pacer.allowance == 0)
        now = pacer.lookAt
        #expect(pacer.decide(turn(now), rule, bucket) == .none && pacer.allowance == 1 && pacer.lookAt == 0)
        #expect(pacer.decide(turn(now), AcceptPacerTests.none, bucket) == .none && pacer.allowance == Int.max)
    }

    /// A long turn, or messages that wait for long: nobody is let in but a few now and then, until it has caught up.
    @Test(arguments: [false, true])
    func lettingInRestsWhileTheWorkerLags(_ isPressed: Bool) {
        let bucket = SharedBucket()
        let none = AcceptPacerTests.none
        let lag = AcceptLimits.lagNanoseconds
        var pacer = AcceptPacer()
        var now = AcceptPacerTests.start
        func next(_ lags: Bool) -> AcceptPacer.Rest {
            pacer.decide(turn(now, took: lags && !isPressed ? lag + 1 : 1, isPressed: lags && isPressed), none, bucket)
        }
        #expect(next(false) == .none && pacer.allowance == Int.max)
        if isPressed {
            // To be pressed for a moment is usual.
            #expect(next(true) == .none && pacer.allowance == Int.max)
            now += lag + 1
        }
        #expect(next(true) == .lag && pacer.allowance == 0 && pacer.lookAt > now)
        now += AcceptLimits.restNanoseconds - 1
        #expect(next(true) == .none && pacer.allowance == 0)
        now += 1
        #expect(next(true) == .none && pacer.allowance == AcceptLimits.fewAtOnce)
        #expect(next(true) != .rate && pacer.allowance == 0)
        #expect(next(false) == .none && pacer.allowance == Int.max && pacer.lookAt == 0)
    }

    // MARK: In a node

    /// Connections over the rate wait, none is refused; the worker sleeps until there is a token again.
    @Test
    func connectionsOverTheRateWait() throws {
        var plan = ScriptedNode.Plan(workerCount: 2)
        plan.limits.accepts = BucketRule(perSecond: 20, burst: 3)
        let node = try ScriptedNode(plan)
        let clients = (0..<10).map { ScriptedClient(node.workers[$0 % 2].kernel.connect()) }
        for client in clients { client.upgrade() }
        node.turnAll(3)
        #expect(node.workers.contains { $0.kernel.acceptAllowance == 0 })
        #expect(node.cores.contains { $0.counters.acceptsPaced > 0 })
        for worker in node.workers { #expect(worker.kernel.lastWaitNanoseconds <= 1_000_000_000) }
        var turns = 0
        while !clients.allSatisfy({ $0.peer.isAccepted }) && turns < 10_000_000 {
            node.turnAll()
            turns += 1
        }
        #expect(node.settle())
        for client in clients { client.read() }
        #expect(clients.allSatisfy { $0.isUpgraded } && node.cores.allSatisfy { $0.counters.acceptsRefused == 0 })
        node.endAll(clients)
        #expect(node.settle())
        #expect(node.leftovers == [])
    }
}
