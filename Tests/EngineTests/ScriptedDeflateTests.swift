import ClarionBytes
import ScriptedBackend
import Testing

@testable import ClarionEngine

/// permessage-deflate in the engine: who gets what compressed, what it costs, what is refused.
struct ScriptedDeflateTests {
    private func node(
        _ mode: DeflateMode = .shared, workerCount: Int = 1, _ change: (inout ScriptedNode.Plan) -> Void = { _ in }
    ) throws -> ScriptedNode {
        var plan = ScriptedNode.Plan(workerCount: workerCount)
        plan.limits.deflate.mode = mode
        plan.limits.deflate.messageBytesMin = 64
        plan.receiveBufferBytes = 4096
        plan.socketBytes = 1 << 20...1 << 20
        change(&plan)
        return try ScriptedNode(plan)
    }

    private func connect(
        _ node: ScriptedNode, _ offer: String? = "permessage-deflate; client_max_window_bits", worker: Int = 0
    ) -> ScriptedClient {
        let client = ScriptedClient(node.workers[worker].kernel.connect())
        client.upgrade(offering: offer)
        #expect(node.settle())
        client.read()
        #expect(client.isUpgraded)
        return client
    }

    private func subscribe(_ node: ScriptedNode, _ client: ScriptedClient, _ name: String) {
        client.send("S \(name)")
        #expect(node.settle())
        #expect(client.takeTexts() == ["J \(name)"])
    }

    private static let text = String(repeating: "{\"price\":3.14,\"side\":\"buy\"},", count: 8)

    private func end(_ node: ScriptedNode, _ clients: [ScriptedClient]) {
        node.endAll(clients)
        #expect(node.settle())
        #expect(node.leftovers == [])
        for client in clients { #expect(client.faults == []) }
    }

    @Test func aMessageIsCompressedOnceForAllOfAWindow() throws {
        let node = try node()
        let offers = [
            "permessage-deflate", "permessage-deflate; server_max_window_bits=13",
            "permessage-deflate; server_max_window_bits=12", "permessage-deflate; server_max_window_bits=8",
        ]
        let readers = (0..<40).map { connect(node, $0 < 30 ? offers[$0 % 4] : nil) }
        for reader in readers { subscribe(node, reader, "a") }
        let core = node.cores[0]
        #expect(core.counters.deflateLogs == 3 && core.counters.channels == 1)
        readers[0].send("P a \(ScriptedDeflateTests.text)")
        #expect(node.settle())
        for (index, reader) in readers.enumerated() {
            #expect(reader.takeTexts() == [ScriptedDeflateTests.text])
            #expect(reader.deflatedCount == (index < 30 ? 1 : 0))
        }
        // It fits all windows whole, so one encoder made it once.
        #expect(core.counters.deflated == 1 && core.counters.deliveries == 40)
        readers[0].send("P a short")
        #expect(node.settle())
        for reader in readers { #expect(reader.takeTexts() == ["short"]) }
        #expect(core.counters.deflated == 1)
        end(node, readers)
        #expect(core.counters.deflateLogs == 0 && core.counters.deflateConnections == 0)
    }

    @Test func connectionsInModeSharedCostNothing() throws {
        let node = try node()
        let readers = (0..<50).map { _ in connect(node) }
        for reader in readers { subscribe(node, reader, "a") }
        readers[0].sendDeflated("P a \(ScriptedDeflateTests.text)")
        #expect(node.settle())
        #expect(node.cores[0].pool.outstandingBytes == 0)
        #expect(node.cores[0].deflate.contexts.touched == 0)
        end(node, readers)
    }

    @Test func modeOffAgreesOnNothing() throws {
        let node = try node(.off)
        let client = connect(node)
        #expect(client.deflate == nil && !client.answer.contains("Extensions"))
        end(node, [client])
    }

    @Test func rulesHold() throws {
        let node = try node(.dedicated) {
            $0.limits.deflate.channels = [
                DeflateChannelRule(pattern: "plain*", mode: .off), DeflateChannelRule(pattern: "*", mode: .shared),
            ]
        }
        let reader = connect(node)
        subscribe(node, reader, "plain-1")
        reader.send("P plain-1 \(ScriptedDeflateTests.text)")
        #expect(node.settle())
        #expect(reader.takeTexts() == [ScriptedDeflateTests.text] && reader.deflatedCount == 0)
        subscribe(node, reader, "b")
        reader.send("P b \(ScriptedDeflateTests.text)")
        #expect(node.settle())
        #expect(reader.takeTexts() == [ScriptedDeflateTests.text] && reader.deflatedCount == 1)
        #expect(node.cores[0].counters.deflateLogs == 1)
        end(node, [reader])
    }

    @Test func patternsFit() {
        let fits: [(String, String, Bool)] = [
            ("*", "", true), ("*", "a", true), ("a*", "ab", true), ("a*", "b", false), ("*a", "ba", true),
            ("*a", "ab", false), ("a*b*c", "a-b-b-c", true), ("a*b*c", "a-c-b", false), ("a", "a", true),
            ("a", "ab", false), ("ab", "a", false), ("", "", true), ("", "a", false), ("**", "x", true),
            ("*ab", "aab", true), ("a*", "a", true),
        ]
        for (pattern, name, expected) in fits {
            let rule = DeflateChannelRule(pattern: pattern, mode: .off)
            let bytes = Array(name.utf8)
            let result = unsafe bytes.withUnsafeBufferPointer { buffer in
                rule.fits(
                    unsafe buffer.baseAddress.map { unsafe ByteView(base: $0, count: buffer.count) } ?? ByteView(""))
            }
            #expect(result == expected, "\(pattern) and \(name)")
        }
    }

    // MARK: Contexts

    @Test func aContextRemembersItsChannel() throws {
        let node = try node(.dedicated)
        let reader = connect(node)
        subscribe(node, reader, "a")
        let core = node.cores[0]
        let text = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-!?_,;:.#'<>|@()[]{}"
        reader.send("P a \(text)")
        #expect(node.settle())
        // Nothing in it comes twice: it does not shrink, and leaves nothing in the context.
        #expect(core.counters.deflatedInVain == 1)
        reader.send("P a \(ScriptedDeflateTests.text)")
        #expect(node.settle())
        let first = core.counters.deflatedBytesOut
        reader.send("P a \(ScriptedDeflateTests.text)")
        #expect(node.settle())
        #expect(core.counters.deflatedBytesOut - first < 20)
        #expect(reader.takeTexts() == [text, ScriptedDeflateTests.text, ScriptedDeflateTests.text])
        end(node, [reader])
    }

    /// Hardening 2.20: what one channel says does not show in the length of another channel's messages.
    @Test func contextsDoNotMixChannels() throws {
        let node = try node(.dedicated)
        let core = node.cores[0]
        var lengths: [UInt64] = []
        for guess in ["secret=8d1f0c77a2b94e6f8d1f0c77a2b94e6f", "secret=00000000000000000000000000000000"] {
            let victim = connect(node)
            subscribe(node, victim, "private")
            subscribe(node, victim, "public")
            let padding = String(repeating: "abcdefghij", count: 9)
            victim.send("P private \(padding) secret=8d1f0c77a2b94e6f8d1f0c77a2b94e6f")
            #expect(node.settle())
            let before = core.counters.deflatedBytesOut
            victim.send("P public \(padding) \(guess)")
            #expect(node.settle())
            lengths.append(core.counters.deflatedBytesOut - before)
            #expect(victim.takeTexts().count == 2 && victim.deflatedCount == 2)
            end(node, [victim])
        }
        // The zeros repeat in themselves; the right guess must not be shorter than they are.
        #expect(lengths[0] > lengths[1])
    }

    /// Hardening 2.19: an agreement takes no memory, the budget is for all, and connections over it are like others.
    @Test func theBudgetHolds() throws {
        let node = try node(.dedicated, workerCount: 2) { $0.limits.deflate.contextBytesMax = 200_000 }
        let readers = (0..<20).map { connect(node, worker: $0 % 2) }
        let counters = node.cores.map(\.counters)
        let contextCount = counters.reduce(0) { $0 + $1.deflateContexts }
        let bytes = counters.reduce(0) { $0 + $1.deflateContextBytes }
        #expect(contextCount >= 3 && contextCount < 6 && bytes <= 200_000)
        #expect(counters.reduce(0) { $0 + $1.deflateContextsRefused } == 20 - contextCount)
        for core in node.cores {
            for index in 0..<UInt32(core.deflate.contexts.touched) {
                let context = unsafe core.deflate.contexts[index].pointee
                #expect(context.encoder == nil && context.decoder == nil)
            }
        }
        for reader in readers { subscribe(node, reader, "a") }
        readers[0].sendDeflated("P a \(ScriptedDeflateTests.text)")
        readers[1].sendDeflated("P a \(ScriptedDeflateTests.text)")
        #expect(node.settle())
        for reader in readers {
            #expect(reader.takeTexts() == [ScriptedDeflateTests.text, ScriptedDeflateTests.text])
            #expect(reader.deflatedCount == 2)
        }
        end(node, readers)
    }

    @Test func idleContextsGiveTheirEncoderBack() throws {
        let node = try node(.dedicated) { $0.limits.deflate.contextIdleSeconds = 5 }
        let reader = connect(node)
        subscribe(node, reader, "a")
        for _ in 0..<3 {
            reader.send("P a \(ScriptedDeflateTests.text)")
            #expect(node.settle())
            #expect(reader.takeTexts() == [ScriptedDeflateTests.text])
            #expect(unsafe node.cores[0].deflate.contexts[0].pointee.encoder != nil)
            node.pass(seconds: 6)
            #expect(unsafe node.cores[0].deflate.contexts[0].pointee.encoder == nil)
        }
        end(node, [reader])
    }

    // MARK: Long messages

    /// While a long message is compressed, others are served, and order holds on all channels.
    @Test func longMessagesAreCompressedInSlices() throws {
        let node = try node {
            $0.limits.deflate.sliceBytes = 1000
            $0.limits.logBytesMax = 1 << 20
        }
        let publisher = connect(node, nil)
        let both = connect(node)
        let other = connect(node)
        for name in ["a", "b"] { subscribe(node, both, name) }
        subscribe(node, other, "b")
        node.workers[0].router.messageBytesMax = 1 << 20
        let long = String(repeating: ScriptedDeflateTests.text, count: 120)
        publisher.send("P a \(long)")
        publisher.send("P a behind")
        publisher.send("P b \(ScriptedDeflateTests.text)")
        var turns = 0
        while node.cores[0].counters.deflateJobs == 0 && turns < 1000 {
            node.turnAll()
            turns += 1
        }
        for _ in 0..<4 { node.turnAll() }
        // The other channel does not wait; who reads both gets them in order.
        #expect(other.takeTexts() == [ScriptedDeflateTests.text])
        #expect(both.takeTexts() == [] && !node.cores[0].deflate.jobs.isEmpty)
        let late = ScriptedClient(node.workers[0].kernel.connect())
        late.upgrade(offering: "permessage-deflate")
        node.turnAll(3)
        late.read()
        late.send("S a")
        #expect(node.settle())
        #expect(both.takeTexts() == [long, "behind", ScriptedDeflateTests.text])
        #expect(late.takeTexts() == ["J a"])
        #expect(node.cores[0].counters.deflateJobs == 2)
        end(node, [publisher, both, other, late])
    }

    // MARK: What comes in

    @Test func bombsAndGarbageEndTheirConnection() throws {
        let node = try node(.dedicated)
        node.workers[0].router.messageBytesMax = 10_000
        let witness = connect(node)
        let core = node.cores[0]
        for (payload, code) in [
            ("bomb", 1009), ("garbage", 1007), ("rsv1 on a continuation", 1002), ("rsv2", 1002),
            ("rsv1 on a ping", 1002),
        ] {
            let client = connect(node)
            switch payload {
            case "bomb": client.sendDeflated("R " + String(repeating: " ", count: 60_000), cut: 20)
            case "garbage": client.peer.write(client.frame(0x41, [0x07, 0x07]))
            case "rsv2": client.peer.write(client.frame(0x21, [0x00]))
            case "rsv1 on a ping": client.peer.write(client.frame(0x49, []))
            default:
                client.send(opcode: 1, [0x41], isFinal: false)
                client.peer.write(client.frame(0x40, [0x41]))
            }
            #expect(node.settle())
            client.read()
            #expect(client.closeFrame?.closeCode == code, "\(payload)")
            client.answerClose()
            client.peer.end()
            #expect(node.settle())
        }
        #expect(core.counters.closed[Int(CloseReason.malformedDeflate.rawValue)] == 1)
        #expect(core.pool.outstandingBytes == 0)
        witness.sendDeflated("R still here")
        #expect(node.settle())
        #expect(witness.takeTexts() == ["R still here"])
        end(node, [witness])
    }

    @Test func rsv1WithoutAgreementIsRefused() throws {
        let node = try node()
        let client = connect(node, nil)
        client.peer.write(client.frame(0x41, [0x00]))
        #expect(node.settle())
        client.read()
        #expect(client.closeFrame?.closeCode == 1002)
        end(node, [client])
    }

    @Test func compressedTextMustBeUTF8() throws {
        let node = try node()
        let client = connect(node)
        let payload = try #require(client.deflate).deflate([0x52, 0x20, 0xFF, 0xFE])
        client.peer.write(client.frame(0x41, payload))
        #expect(node.settle())
        client.read()
        #expect(client.closeFrame?.closeCode == 1007)
        end(node, [client])
    }
}
