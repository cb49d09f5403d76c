import ScriptedBackend
import Testing

@testable import ClarionEngine

/// Rows of bounds on what one connection sends: over it the connection is not read, and nothing is lost.
struct ScriptedMeterTests {
    private func node(_ change: (inout ScriptedNode.Plan) -> Void) throws -> ScriptedNode {
        var plan = ScriptedNode.Plan()
        plan.receiveBufferBytes = 64
        change(&plan)
        return try ScriptedNode(plan)
    }

    private func rested(_ node: ScriptedNode) -> UInt64 { node.cores[0].counters.inputRested }

    @Test
    func whoSendsTooManyMessagesIsNotReadForAWhile() throws {
        let node = try node { $0.limits.messages = BucketRule(perSecond: 1, burst: 5) }
        let client = node.connect(0)
        let other = node.connect(0)
        for number in 0..<5 { client.send("R \(number)") }
        #expect(node.settle())
        // What came in one piece is answered.
        var got = client.takeTexts()
        #expect(rested(node) == 1 && got.count == 5)
        for number in 5..<40 { client.send("R \(number)") }
        node.turnAll(20)
        #expect(client.takeTexts().isEmpty)
        other.send("R hello")
        #expect(node.settle() && other.takeTexts() == ["R hello"])
        var rounds = 0
        while got.count < 40 && rounds < 100 {
            node.pass(seconds: 61)
            node.turnAll(20)
            got += client.takeTexts()
            rounds += 1
        }
        #expect(got == (0..<40).map { "R \($0)" } && rounds >= 1)
        node.pass(seconds: 61)
        node.endAll([client, other])
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    /// Bytes count too, and a message that is under way when reading rests gets its time back.
    @Test
    func aLargeMessageIsReadSlowlyAndNotCut() throws {
        let node = try node {
            $0.limits.bytes = BucketRule(perSecond: 100, burst: 100)
            $0.limits.messageSeconds = 10
        }
        let client = node.connect(0)
        let part = Array(repeating: UInt8(ascii: "x"), count: 1500)
        client.send(opcode: 1, Array("R ".utf8) + part, isFinal: false)
        #expect(node.settle() && rested(node) >= 1)
        // 1500 bytes at 100 a second: 14 seconds in which the peer cannot finish its message.
        for _ in 0..<6 { node.pass(seconds: 2) }
        client.send(opcode: 0, part)
        node.turnAll(5)
        #expect(client.takeTexts().isEmpty)
        var got: [String] = []
        for _ in 0..<200 where got.isEmpty {
            node.pass(seconds: 2)
            node.turnAll(5)
            got = client.takeTexts()
        }
        #expect(got == ["R " + String(repeating: "x", count: 3000)] && client.closeFrame == nil)
        node.pass(seconds: 61)
        node.endAll([client])
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    /// Who is not read cannot answer a ping: it is not taken for dead.
    @Test
    func whoIsNotReadIsNotTakenForDead() throws {
        let node = try node { $0.limits.messages = BucketRule(perSecond: 1, burst: 1) }
        node.workers[0].router.liveness = Liveness(pingAfterSeconds: 3, answerWithinSeconds: 2)
        let client = node.connect(0)
        for _ in 0..<30 { client.send("R a") }
        #expect(node.settle() && rested(node) >= 1)
        for _ in 0..<4 {
            node.pass(seconds: 2)
            #expect(node.workers[0].handler.farewells == [])
        }
        #expect(client.closeFrame == nil && node.workers[0].handler.openCount == 1)
        // Read again and silent, it is.
        for _ in 0..<300 { node.pass(seconds: 2) }
        #expect(node.settle())
        #expect(node.workers[0].handler.farewells == [.pongTimeout])
    }

    /// A close under way is not held up, and frees everything.
    @Test
    func aRestingConnectionCloses() throws {
        let node = try node { $0.limits.messages = BucketRule(perSecond: 1, burst: 1) }
        let clients = (0..<4).map { _ in node.connect(0) }
        for client in clients { for _ in 0..<50 { client.send("R a") } }
        #expect(node.settle() && rested(node) == 4)
        clients[0].peer.reset()
        clients[1].send(opcode: 8, ScriptedClient.closePayload(1000, ""))
        clients[2].peer.end()
        let number = node.cores[0].socketNumber(of: 3)
        #expect(node.cores[0].close(socketNumber: number, reason: .kicked))
        for _ in 0..<80 { node.pass(seconds: 61) }
        for client in clients { if !client.peer.isClosed { client.peer.end() } }
        for _ in 0..<20 { node.pass(seconds: 61) }
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    /// Bounds that a reload sets hold for later connections, and go for all.
    @Test
    func boundsMayComeAndGo() throws {
        let node = try node { _ in }
        let early = node.connect(0)
        var limits = node.cores[0].limits
        limits.messages = BucketRule(perSecond: 1, burst: 1)
        node.cores[0].adopt(limits)
        let late = node.connect(0)
        for client in [early, late] { for number in 0..<20 { client.send("R \(number)") } }
        #expect(node.settle() && early.takeTexts().count == 20 && rested(node) == 1)
        limits.messages = BucketRule(perSecond: 0, burst: 1)
        node.cores[0].adopt(limits)
        node.pass(seconds: 61)
        #expect(node.settle())
        #expect(late.takeTexts().count == 20 && rested(node) == 1)
        node.endAll([early, late])
        #expect(node.settle())
        #expect(node.leftovers == [])
    }
}
