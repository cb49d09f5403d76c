import ClarionBytes
import ClarionLoop
import Glibc
import ScriptedBackend
import Testing

@testable import ClarionEngine

/// Row 1.13: how many connections an address has.
struct AddressCountsTests {
    private func key(_ text: String) throws -> AddressKey {
        let address = unsafe Array(text.utf8).withUnsafeBufferPointer { unsafe PeerAddress(text: $0, port: 7) }
        return AddressKey(try #require(address))
    }

    private static let hash = SipHash(key0: 1, key1: 2)

    /// IPv4 counts by the address, IPv6 by its first 64 bits, and neither meets the other.
    @Test
    func keys() throws {
        #expect(try key("192.0.2.1") == key("192.0.2.1") && key("192.0.2.1") != key("192.0.2.2"))
        #expect(try key("::ffff:192.0.2.1") == key("192.0.2.1"))
        #expect(try key("2001:db8:1:2::1") == key("2001:db8:1:2:ffff:ffff:ffff:ffff"))
        #expect(try key("2001:db8:1:2::1") != key("2001:db8:1:3::1"))
        #expect(try key("::1") == key("::2") && key("::1") != .none && key("0.0.0.0") != .none)
        #expect(try key("::") != key("0.0.0.0"))
        #expect(AddressKey(.unknown) == .none && AddressKey(.local) == .none)
    }

    @Test
    func boundHoldsAndNothingStays() throws {
        let counts = AddressCounts(hash: AddressCountsTests.hash)
        let one = try key("192.0.2.1")
        let other = try key("2001:db8::1")
        #expect(counts.take(one, max: 2) && counts.take(one, max: 2) && !counts.take(one, max: 2))
        #expect(counts.take(other, max: 2) && counts.count(one) == 2 && counts.addressCount == 2)
        counts.give(one)
        #expect(counts.take(one, max: 2))
        for _ in 0..<2 { counts.give(one) }
        counts.give(other)
        #expect(counts.addressCount == 0)
    }

    /// A burst, then one for each time that a token takes; others are not touched.
    @Test
    func ratesOfAddresses() throws {
        let rates = AddressRates(hash: AddressCountsTests.hash)
        let rule = BucketRule(perSecond: 10, burst: 3)
        let one = try key("192.0.2.1")
        let second: UInt64 = 1_000_000_000
        #expect((0..<5).map { _ in rates.take(one, rule, now: second) } == [true, true, true, false, false])
        #expect(try rates.take(key("2001:db8::1"), rule, now: second))
        #expect(!rates.take(one, rule, now: second + second / 11) && rates.take(one, rule, now: second + second / 10))
        #expect(!rates.take(one, rule, now: second + second / 10) && rates.addressCount == 2)
    }

    /// However many addresses come, few are remembered; those that have waited long enough are forgotten first.
    @Test
    func ratesAreForgotten() {
        let rates = AddressRates(hash: AddressCountsTests.hash)
        let rule = BucketRule(perSecond: 1, burst: 1)
        for round in 0..<3 as Range<UInt64> {
            for number in 0..<100_000 as Range<UInt32> {
                let key = AddressKey(PeerAddress(version4: number + 1, port: 0))
                _ = rates.take(key, rule, now: (round + 1) * 10_000_000_000)
            }
            #expect(rates.addressCount <= 64 * AddressRates.addressesPerPartMax)
        }
    }

    /// Several workers take and give the same addresses: never more than the bound, and all comes back.
    @Test
    func severalThreads() {
        let counts = AddressCounts(hash: AddressCountsTests.hash)
        let keys = (0..<8).map { AddressKey(PeerAddress(version4: UInt32($0 + 1), port: 0)) }
        var threads: [pthread_t] = []
        for seed in 0..<4 {
            let work = unsafe Unmanaged.passRetained(Work(counts, keys, UInt64(seed))).toOpaque()
            var thread = pthread_t()
            let result = unsafe pthread_create(
                &thread, nil,
                { context in
                    guard let context = unsafe context else { return nil }
                    unsafe Unmanaged<Work>.fromOpaque(context).takeRetainedValue().run()
                    return nil
                }, unsafe work)
            #expect(result == 0)
            threads.append(thread)
        }
        for thread in threads { pthread_join(thread, nil) }
        #expect(counts.addressCount == 0)
    }

    private final class Work {
        private let counts: AddressCounts
        private let keys: [AddressKey]
        private var random: SeededRandom

        init(_ counts: AddressCounts, _ keys: [AddressKey], _ seed: UInt64) {
            self.counts = counts
            self.keys = keys
            random = SeededRandom(seed: seed)
        }

        func run() {
            var held: [AddressKey] = []
            for _ in 0..<20_000 {
                let key = keys[random.below(keys.count)]
                if random.below(2) == 0, counts.take(key, max: 5) {
                    held.append(key)
                    precondition(counts.count(key) <= 5)
                } else if !held.isEmpty {
                    counts.give(held.remove(at: random.below(held.count)))
                }
            }
            for key in held { counts.give(key) }
        }
    }

    // MARK: In a node

    private func node(_ workerCount: Int = 1) throws -> ScriptedNode {
        var plan = ScriptedNode.Plan(workerCount: workerCount)
        plan.limits.connectionsPerAddress = 2
        return try ScriptedNode(plan)
    }

    private func refusals(_ node: ScriptedNode) -> [UInt64] {
        let closed = node.cores.map { $0.counters.closed[Int(CloseReason.addressFull.rawValue)] }.reduce(0, +)
        return [closed, node.cores.map { $0.counters.addressRefusals }.reduce(0, +)]
    }

    /// All workers count together; whoever ends, in whatever way, makes room.
    @Test
    func allWorkersCountTogether() throws {
        let node = try node(2)
        let first = node.connect(0)
        let second = node.connect(1)
        let third = node.workers[0].kernel.connect()
        #expect(node.settle() && third.isClosed && refusals(node) == [1, 1])
        for worker in node.workers { worker.kernel.peerAddress = PeerAddress(version4: 0x0A00_0001, port: 1) }
        let stranger = node.connect(0)
        #expect(node.settle() && !stranger.peer.isClosed && node.exchange.addressCounts.addressCount == 2)
        for worker in node.workers { worker.kernel.peerAddress = PeerAddress(version4: 0x7F00_0001, port: 1) }
        first.peer.reset()
        #expect(node.settle())
        let fourth = node.connect(1)
        #expect(node.settle() && !fourth.peer.isClosed && refusals(node) == [1, 1])
        node.endAll([second, stranger, fourth])
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    /// The bound comes while connections are there: those do not count, later ones do.
    @Test
    func theBoundMayComeLater() throws {
        var plan = ScriptedNode.Plan()
        plan.limits.connectionsPerAddress = 0
        let node = try ScriptedNode(plan)
        let early = (0..<3).map { _ in node.connect(0) }
        #expect(node.settle() && node.exchange.addressCounts.addressCount == 0)
        var limits = plan.limits
        limits.connectionsPerAddress = 1
        node.cores[0].adopt(limits)
        node.turnAll()
        let late = node.connect(0)
        #expect(node.settle() && !late.peer.isClosed)
        let later = node.workers[0].kernel.connect()
        #expect(node.settle() && later.isClosed && refusals(node) == [1, 1])
        node.endAll(early + [late])
        #expect(node.settle())
        #expect(node.leftovers == [])
    }
}
