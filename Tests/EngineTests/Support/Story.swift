import ClarionBytes
import ClarionLoop
import ScriptedBackend

@testable import ClarionEngine

/// A node, clients that do what a seed says, and a model of what they must see.
///
/// One client, the recorder, follows every channel from the start on a socket without end: what it received is the order
/// that the homes gave. Everybody else is judged by it.
final class Story {
    /// What kind of story the seed tells.
    struct Kind {
        var workerCount = 1
        var policy = SlowConsumerPolicy.close
        /// Logs and outboxes are tiny, and some clients do not read.
        var isSlow = false
        var steps = 120
        var channelCount = 5
        var clientsMax = 10
        /// Clients offer permessage-deflate, and the node goes into it.
        var isDeflated = false
    }

    private static let offers = [
        "permessage-deflate", "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=8", "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=9; server_max_window_bits=12",
        "permessage-deflate; server_no_context_takeover", "permessage-deflate; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=7, permessage-deflate; x, permessage-deflate",
    ]

    let seed: UInt64
    let kind: Kind
    let node: ScriptedNode
    var random: SeededRandom
    var clients: [StoryClient] = []
    var messages: [StoryMessage] = []
    var step = 0
    private(set) var faults: [String] = []

    init(seed: UInt64, _ kind: Kind) throws(LoopError) {
        self.seed = seed
        self.kind = kind
        random = SeededRandom(seed: seed)
        var plan = ScriptedNode.Plan(workerCount: kind.workerCount)
        plan.odds = .drawn(from: &random)
        plan.socketBytes = kind.isSlow ? 256...2048 : 256...16_384
        plan.receiveBufferCount = 1 << random.between(2, 4)
        plan.receiveBufferBytes = 64 << random.below(4)
        plan.limits.slowConsumerPolicy = kind.policy
        plan.limits.mailBatchesMax = [2, 16, 256][random.below(3)]
        plan.limits.connectionsMax = kind.clientsMax + 2
        // Counted, and never too many.
        if seed % 3 == 0 { plan.limits.messages = BucketRule(perSecond: 1_000_000, burst: 1) }
        plan.limits.connectionsPerAddress = seed % 2 == 0 ? 1000 : 0
        if kind.isSlow {
            plan.odds.refusedSend = 0
            plan.limits.logBytesMax = 8192
            plan.limits.outboxBytesMax = 2048
            plan.limits.blockBytesMax = 64 << 10
        }
        if kind.isDeflated {
            plan.limits.deflate.mode = random.below(2) == 0 ? .shared : .dedicated
            plan.limits.deflate.messageBytesMin = [1, 16, 100][random.below(3)]
            plan.limits.deflate.sliceBytes = [16, 100, 64 << 10][random.below(3)]
            plan.limits.deflate.contextBytesMax = [100_000, 64 << 20][random.below(2)]
            plan.limits.deflate.contextIdleSeconds = 1
            plan.limits.deflate.channels = [
                DeflateChannelRule(pattern: "c1", mode: .off), DeflateChannelRule(pattern: "*2", mode: .shared),
            ]
        }
        node = try ScriptedNode(plan, seed: random.next())
        node.checkEvery = 6
        node.waitsForRest = true
        for worker in node.workers where kind.isSlow { worker.router.messageBytesMax = 1024 }
        let recorder = add(.recorder)
        for channel in 0..<kind.channelCount { ask(recorder, channel) }
        if !node.settle() { fault("never quiet before the beginning") }
        readAll()
    }

    func fault(_ text: String) {
        if faults.count < 10 { faults.append(text) }
    }

    var recorder: StoryClient { clients[0] }

    @discardableResult
    private func add(_ kind: StoryClient.Kind) -> StoryClient {
        let worker = random.below(node.workers.count)
        let socketBytes = kind == .recorder ? 1 << 30 : nil
        let peer = node.workers[worker].kernel.connect(socketBytesMax: socketBytes)
        let offers = self.kind.isDeflated && random.below(4) != 0
        let client = StoryClient(
            kind, peer, worker: worker, number: clients.count,
            offering: offers ? Story.offers[random.below(Story.offers.count)] : nil)
        clients.append(client)
        return client
    }

    // MARK: The story

    /// Tells it. What went wrong, in words.
    func run() -> [String] {
        for _ in 0..<kind.steps {
            act()
            for _ in 0..<random.below(6) { node.turnAny() }
            if random.below(3) == 0 { readAll() }
        }
        end()
        let judge = StoryJudge(self)
        faults += judge.judge()
        sayGoodbye()
        return faults.map { "seed \(seed): \($0)" }
    }

    private func readAll() {
        for client in clients {
            step += 1
            client.read(step: step, messages: &messages)
        }
    }

    private func act() {
        step += 1
        if clients.count < kind.clientsMax && random.below(6) == 0 {
            return _ = add(random.below(5) == 0 ? .publisher : .socket)
        }
        let client = clients[random.below(clients.count)]
        if !client.isAlive || client.kind == .recorder { return }
        if client.kind == .publisher { return postOverHTTP(client) }
        switch random.below(kind.isSlow ? 28 : 24) {
        case 0...3: subscribeOrLeave(client)
        case 4...13: for _ in 0..<random.between(1, 6) { publish(client) }
        case 14...15: echo(client)
        case 16: client.client.send(opcode: 9, [1, 2, 3])
        case 17: if random.below(3) == 0 { leave(client) }
        case 18...19: subscribeOrLeave(client)
        case 20...23: publish(client, inFragments: true)
        case 24...25: client.peer.readsAlways.toggle()
        case 26: if random.below(4) == 0 { client.isPolite = false }
        default: if !client.peer.readsAlways { client.peer.drain(limit: random.below(500)) }
        }
    }

    private func ask(_ client: StoryClient, _ channel: Int) {
        client.asked.insert(channel)
        client.client.send("S c\(channel)")
    }

    private func subscribeOrLeave(_ client: StoryClient) {
        let channel = random.below(kind.channelCount)
        if let index = client.current(channel) {
            if client.subscriptions[index].leftStep != Int.max || random.below(3) != 0 { return }
            client.subscriptions[index].leftStep = step
            client.client.send("U c\(channel)")
        } else if !client.asked.contains(channel) {
            ask(client, channel)
        }
    }

    private func newMessage(_ client: StoryClient, excludes: Bool) -> (id: Int, name: String, text: String) {
        let channel = random.below(kind.channelCount)
        messages.append(
            StoryMessage(
                channel: channel, publisher: client.number, number: client.published, excludesPublisher: excludes,
                writtenStep: step))
        client.published += 1
        let id = messages.count - 1
        let padding = String(repeating: "x", count: random.below(random.below(4) == 0 ? 500 : 30))
        return (id, "c\(channel)", "M \(id) \(channel) \(padding)")
    }

    private func publish(_ client: StoryClient, inFragments: Bool = false) {
        let excludes = random.below(4) == 0
        let message = newMessage(client, excludes: excludes)
        let text = "\(excludes ? "X" : "P") \(message.name) \(message.text)"
        if client.client.deflate != nil && random.below(2) == 0 {
            return client.client.sendDeflated(text, cut: inFragments ? random.below(30) : nil)
        }
        let line = Array(text.utf8)
        if !inFragments { return client.peer.write(client.client.frame(1, line)) }
        let cut = random.below(line.count)
        client.client.send(opcode: 1, Array(line[..<cut]), isFinal: false)
        if random.below(2) == 0 { client.client.send(opcode: 9) }
        client.client.send(opcode: 0, Array(line[cut...]))
    }

    private func echo(_ client: StoryClient) {
        if kind.isSlow && random.below(2) == 0 {
            let count = random.between(1, 900)
            client.expectedReplies.append(String(repeating: "b", count: count))
            return client.client.send("B \(count)")
        }
        let text = "R \(step) " + String(repeating: "y", count: random.below(300))
        client.expectedReplies.append(text)
        client.client.send(text)
    }

    private func leave(_ client: StoryClient) {
        switch random.below(4) {
        case 0:
            client.client.send(opcode: 8, ScriptedClient.closePayload(1000))
            client.hasSaidClose = true
        case 1:
            client.peer.end()
            client.isRude = true
        case 2:
            client.peer.reset()
            client.isRude = true
        default:
            client.client.send("C")
        }
    }

    private func postOverHTTP(_ client: StoryClient) {
        if !client.unconfirmed.isEmpty { return }
        var body = ""
        for _ in 0..<random.between(1, 4) {
            let message = newMessage(client, excludes: false)
            client.unconfirmed.append(message.id)
            body += "\(message.name) \(message.text)\n"
        }
        client.peer.write("POST /publish HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    // MARK: The end

    /// Everybody reads; what is on its way arrives.
    private func end() {
        for client in clients { client.peer.readsAlways = true }
        for client in clients { client.isPolite = true }
        if kind.isDeflated { node.pass(seconds: 2) }
        for _ in 0..<4 {
            if !node.settle() { return fault("never quiet") }
            readAll()
        }
        node.checkAgreement()
    }

    private func sayGoodbye() {
        for client in clients where !client.peer.isClosed && !client.isRude {
            if random.below(2) == 0 || client.kind == .publisher || !client.canWrite {
                client.peer.end()
            } else {
                client.peer.reset()
            }
        }
        if !node.settle() { fault("never quiet after the end") }
        faults += node.leftovers
        for client in clients where !client.peer.isClosed {
            fault("client \(client.number) is not closed: rude \(client.isRude), said \(client.hasSaidClose)")
        }
    }
}
