import ClarionBytes
import ClarionLoop
import ScriptedBackend

@testable import ClarionEngine

/// Clients that enter and leave channels with members and kept messages as a seed says, and a model of each.
///
/// What a client was told first plus every change it was told since must always be possible (nobody comes twice, nobody
/// goes who was not there), and when all is quiet it must be what the home knows and what the clients that are there make.
final class PresenceStory {
    struct Kind {
        var workerCount = 1
        var isSlow = false
        var membersMax = Int.max
        var steps = 150
        var clientsMax = 14
    }

    /// One client and what it knows.
    private final class Visitor {
        let client: ScriptedClient
        /// Who is there, by channel, since it was welcomed.
        var rosters: [String: [String]] = [:]
        /// As whom it has asked to enter.
        var asked: [String: String] = [:]
        /// The numbers of kept messages it got since, by channel; -1 stands for word of none.
        var kept: [String: [Int]] = [:]
        /// The same of stays that are over, to be judged when all is quiet.
        var stays: [(name: String, got: [Int])] = []
        var isGone = false

        init(_ client: ScriptedClient) { self.client = client }

        var isThere: Bool { !isGone && client.closeFrame == nil && !client.peer.isClosed && !client.peer.isReset }
    }

    private static let rooms = ["p0", "p1", "kp"]
    private static let names = ["p0", "p1", "kp", "k0"]

    let seed: UInt64
    let kind: Kind
    let node: ScriptedNode
    private var random: SeededRandom
    private var visitors: [Visitor] = []
    private var faults: [String] = []
    /// How many messages were published to each channel that keeps its last one, in the order in which a follower from
    /// the start has got them.
    private let follower: ScriptedClient
    private var order: [String: [Int]] = [:]
    private var published = 0

    init(seed: UInt64, _ kind: Kind) throws(LoopError) {
        self.seed = seed
        self.kind = kind
        random = SeededRandom(seed: seed)
        var plan = ScriptedNode.Plan(workerCount: kind.workerCount)
        plan.odds = .drawn(from: &random)
        // The follower must stay; others break off by themselves.
        plan.odds.sendError = 0
        plan.socketBytes = kind.isSlow ? 256...1024 : 1024...16_384
        plan.receiveBufferCount = 1 << random.between(2, 4)
        plan.limits.mailBatchesMax = [2, 16, 256][random.below(3)]
        if kind.isSlow {
            plan.odds.refusedSend = 0
            plan.limits.logBytesMax = 2048
            plan.limits.outboxBytesMax = 2048
        }
        node = try ScriptedNode(plan, seed: random.next())
        node.checkEvery = 5
        for worker in node.workers { worker.keeper.membersMax = kind.membersMax }
        let peer = node.workers[random.below(kind.workerCount)].kernel.connect(socketBytesMax: 1 << 30)
        follower = ScriptedClient(peer)
        follower.upgrade()
        for name in PresenceStory.names where name.hasPrefix("k") { follower.send("E \(name) follower") }
        if !node.settle() { fault("never quiet before the beginning") }
    }

    private func fault(_ text: String) { if faults.count < 8 { faults.append(text) } }

    func run() -> [String] {
        for _ in 0..<kind.steps {
            act()
            for _ in 0..<random.below(6) { node.turnAny() }
            if random.below(3) == 0 { readAll() }
            if random.below(40) == 0 { judgeWhenQuiet() }
        }
        judgeWhenQuiet()
        for visitor in visitors where !visitor.client.peer.isClosed { visitor.client.peer.reset() }
        follower.peer.reset()
        if !node.settle() { fault("never quiet after the end") }
        faults += node.leftovers
        return faults.map { "seed \(seed): \($0)" }
    }

    private func act() {
        if visitors.count < kind.clientsMax && random.below(4) == 0 {
            let kernel = node.workers[random.below(kind.workerCount)].kernel
            let client = ScriptedClient(kernel.connect(socketBytesMax: nil), number: visitors.count)
            client.upgrade()
            return visitors.append(Visitor(client))
        }
        guard !visitors.isEmpty else { return }
        let visitor = visitors[random.below(visitors.count)]
        if !visitor.isThere || !visitor.client.isUpgraded { return }
        let name = PresenceStory.names[random.below(PresenceStory.names.count)]
        switch random.below(20) {
        case 0...9: enterOrLeave(visitor, name)
        case 10...13:
            published += 1
            let kept = name.hasPrefix("k") ? name : "k0"
            visitor.client.send("V \(kept) M \(kept) \(published)")
        case 14: visitor.client.send("P \(name) x")
        case 15...16: if kind.isSlow { visitor.client.peer.readsAlways.toggle() }
        case 17: if random.below(3) == 0 { leave(visitor) }
        default:
            // At once, before anything is answered.
            for _ in 0..<random.between(1, 4) { enterOrLeave(visitor, name) }
        }
    }

    private func enterOrLeave(_ visitor: Visitor, _ name: String) {
        if visitor.asked[name] == nil {
            let id = name == "k0" ? "" : "u\(random.below(6))"
            visitor.asked[name] = id
            visitor.client.send("E \(name) \(id)")
        } else if random.below(2) == 0 {
            visitor.client.send("U \(name)")
            visitor.asked[name] = nil
        }
    }

    private func leave(_ visitor: Visitor) {
        switch random.below(4) {
        case 0: visitor.client.send(opcode: 8, ScriptedClient.closePayload(1000))
        case 1: visitor.client.peer.end()
        case 2: visitor.client.peer.reset()
        default: visitor.client.send("C")
        }
        visitor.isGone = true
    }

    private func readAll() {
        follower.read()
        for text in follower.takeTexts() {
            let words = text.split(separator: " ").map(String.init)
            if words[0] == "M", let number = Int(words[2]) { order[words[1], default: []].append(number) }
        }
        for visitor in visitors {
            visitor.client.read()
            for fault in visitor.client.faults { self.fault(fault) }
            for text in visitor.client.takeTexts() { take(text, visitor) }
        }
    }

    private func take(_ text: String, _ visitor: Visitor) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        let who = "client \(visitor.client.number)"
        switch words[0] {
        case "W":
            if visitor.rosters[words[1]] != nil { fault("\(who) was welcomed twice: \(text)") }
            visitor.rosters[words[1]] = words[2].isEmpty ? [] : words[2].split(separator: ",").map(String.init)
            let ids = visitor.rosters[words[1]] ?? []
            if Set(ids).count != ids.count { fault("twice on it: \(text)") }
        case "K": visitor.kept[words[1], default: []].append(-1)
        case "M":
            if visitor.rosters[words[1]] == nil { fault("\(who) got \(text) before its welcome") }
            visitor.kept[words[1], default: []].append(Int(words[2])!)
        case "+":
            if visitor.rosters[words[1]]?.contains(words[2]) ?? true { fault("\(who): \(text) twice or too early") }
            visitor.rosters[words[1]]?.append(words[2])
        case "-":
            if !(visitor.rosters[words[1]]?.contains(words[2]) ?? false) { fault("\(who): \(text) of a stranger") }
            visitor.rosters[words[1]]?.removeAll { $0 == words[2] }
        case "L":
            if let got = visitor.kept.removeValue(forKey: words[1]) { visitor.stays.append((words[1], got)) }
            visitor.rosters[words[1]] = nil
        case "F", "N":
            if kind.membersMax == Int.max { fault("\(who): \(text)") }
            visitor.asked[words[1]] = nil
        default: break
        }
    }

    /// The kept message that a newcomer got, and everything behind it without a gap.
    private func judgeKept(_ name: String, _ got: [Int], _ visitor: Visitor) {
        guard let first = got.first else { return }
        let whole = order[name] ?? []
        let start = first == -1 ? 0 : (whole.firstIndex(of: first) ?? whole.count)
        let wanted = first == -1 ? Array(whole.prefix(got.count - 1)) : Array(whole.dropFirst(start).prefix(got.count))
        let rest = first == -1 ? Array(got.dropFirst()) : got
        if wanted != rest { fault("client \(visitor.client.number) on \(name): \(got) of \(whole)") }
    }

    /// Lets all come to rest, then compares what everybody knows.
    private func judgeWhenQuiet() {
        for visitor in visitors { visitor.client.peer.readsAlways = true }
        for _ in 0..<4 {
            if !node.settle() { return fault("never quiet") }
            readAll()
        }
        node.checkAgreement()
        for name in PresenceStory.rooms {
            let view = ByteView(of: name)
            let home = node.cores[node.cores[0].homeWorker(space: 0, name: view)]
            var known: [String] = []
            home.forEachHomeMember(space: 0, name: view) { known.append($0.id.string) }
            let there = visitors.filter { $0.isThere && $0.asked[name] != nil && $0.rosters[name] != nil }
            var wanted = Set(there.compactMap { $0.asked[name] })
            if name.hasPrefix("k") { wanted.insert("follower") }
            if Set(known) != wanted || known.count != wanted.count { fault("\(name): \(known), should be \(wanted)") }
            for visitor in there where Set(visitor.rosters[name]!) != Set(known) {
                fault("client \(visitor.client.number) takes \(visitor.rosters[name]!) for \(known) on \(name)")
            }
        }
        for visitor in visitors {
            let now = visitor.kept.map { (name: $0.key, got: $0.value) }
            for stay in visitor.stays + now { judgeKept(stay.name, stay.got, visitor) }
            visitor.stays = []
        }
    }
}
