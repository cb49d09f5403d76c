import ClarionBytes
import ScriptedBackend
import Testing

@testable import ClarionEngine

/// How connections end, in every order.
struct ScriptedClosingTests {
    private func node(_ change: (inout ScriptedNode.Plan) -> Void = { _ in }) throws -> ScriptedNode {
        var plan = ScriptedNode.Plan()
        plan.limits.closeSeconds = 2
        change(&plan)
        return try ScriptedNode(plan)
    }

    private func closedCount(_ node: ScriptedNode, _ reason: CloseReason) -> UInt64 {
        node.cores.reduce(0) { $0 + $1.counters.closed[Int(reason.rawValue)] }
    }

    @Test
    func thePeerCloses() throws {
        let node = try node()
        let client = node.connect(0)
        client.send("R hello")
        client.send(opcode: 8, ScriptedClient.closePayload(1001, "away"))
        client.send("R behind")
        #expect(node.settle())
        client.read()
        #expect(client.texts == ["R hello"] && client.closeFrame?.closeCode == 1001)
        // The server ends TCP first and waits for the peer.
        #expect(client.peer.hasSeenEnd && !client.peer.isClosed)
        client.peer.end()
        #expect(node.settle() && client.peer.isClosed && !client.peer.isReset)
        #expect(node.leftovers == [] && closedCount(node, .peerClosed) == 1)
    }

    @Test
    func thePeerClosesWithoutACodeAndNeverEnds() throws {
        let node = try node()
        let client = node.connect(0)
        client.send(opcode: 8)
        #expect(node.settle())
        client.read()
        #expect(client.closeFrame?.payload == [])
        node.pass(seconds: 3)
        #expect(node.settle() && client.peer.isClosed && !client.peer.isReset)
        #expect(node.leftovers == [] && closedCount(node, .peerClosed) == 1)
    }

    @Test
    func thePeerClosesAndEndsAtOnce() throws {
        let node = try node()
        let client = node.connect(0)
        client.send(opcode: 8, ScriptedClient.closePayload(1000))
        client.peer.end()
        #expect(node.settle())
        client.read()
        #expect(client.closeFrame?.closeCode == 1000 && client.peer.isClosed)
        #expect(node.leftovers == [] && closedCount(node, .peerClosed) == 1)
    }

    @Test
    func theNodeClosesAndThePeerAnswers() throws {
        let node = try node()
        let client = node.connect(0)
        client.send("C")
        client.send("R behind")
        #expect(node.settle())
        client.read()
        #expect(client.texts == [] && client.closeFrame?.closeCode == 4000 && !client.peer.hasSeenEnd)
        // Messages on their way are read over, also long ones.
        client.send(String(repeating: "x", count: 5000))
        client.send(opcode: 8, ScriptedClient.closePayload(4000))
        #expect(node.settle() && client.peer.hasSeenEnd)
        client.peer.end()
        #expect(node.settle() && client.peer.isClosed && !client.peer.isReset)
        #expect(node.leftovers == [] && closedCount(node, .rateLimited) == 1)
    }

    @Test
    func theNodeClosesAndNobodyAnswers() throws {
        let node = try node()
        let client = node.connect(0)
        client.send("C")
        #expect(node.settle())
        node.pass(seconds: 3)
        // Without RST: a close frame that the peer's kernel has not got yet still comes.
        #expect(node.settle() && client.peer.isClosed && !client.peer.isReset)
        #expect(node.leftovers == [] && closedCount(node, .rateLimited) == 1)
    }

    @Test
    func theNodeClosesAndThePeerEndsWithoutAnswer() throws {
        let node = try node()
        let client = node.connect(0)
        client.send("C")
        #expect(node.settle())
        client.peer.end()
        #expect(node.settle() && client.peer.isClosed)
        #expect(node.leftovers == [] && closedCount(node, .rateLimited) == 1)
    }

    @Test
    func bothCloseAtOnce() throws {
        let node = try node()
        let client = node.connect(0)
        client.send("C")
        client.send(opcode: 8, ScriptedClient.closePayload(1000))
        #expect(node.settle())
        client.read()
        #expect(client.closeFrame?.closeCode == 4000 && client.peer.hasSeenEnd)
        client.peer.end()
        #expect(node.settle())
        #expect(node.leftovers == [] && closedCount(node, .rateLimited) == 1)
    }

    @Test
    func thePeerVanishes() throws {
        let node = try node()
        let clients = [node.connect(0), node.connect(0)]
        for client in clients { client.send("S a") }
        #expect(node.settle())
        clients[0].peer.end()
        clients[1].peer.reset()
        #expect(node.settle())
        #expect(node.leftovers == [])
        #expect(closedCount(node, .peerVanished) == 1 && closedCount(node, .peerReset) == 1)
    }

    /// A fault in the frames: a close frame with its code, everything behind it is dropped, the end.
    @Test
    func faultsInFramesEndTheConnection() throws {
        let node = try node { $0.limits.fragmentsMax = 4 }
        node.workers[0].router.messageBytesMax = 200
        let client = node.connect(0)
        let long = [UInt8](repeating: 0x61, count: 150)
        let cases: [(bytes: [UInt8], code: Int)] = [
            ([0x81, 0x01, 0x61], 1002), ([0xC1, 0x80, 0, 0, 0, 0], 1002), ([0x83, 0x80, 0, 0, 0, 0], 1002),
            (client.frame(0, [1]), 1002), (client.frame(9, [1], isFinal: false), 1002),
            (client.frame(1, [0xFF]), 1007), (client.frame(1, [0xC3], isFinal: false) + client.frame(0, []), 1007),
            (client.frame(1, Array(repeating: 0x61, count: 201)), 1009),
            (client.frame(1, long, isFinal: false) + client.frame(0, Array(long.prefix(51))), 1009),
            (client.frame(8, [0x03]), 1002), (client.frame(8, ScriptedClient.closePayload(1005)), 1002),
            (client.frame(8, [0x03, 0xE8, 0xFF]), 1007),
            (client.frame(1, [], isFinal: false) + (0..<4).flatMap { _ in client.frame(0, [], isFinal: false) }, 1009),
        ]
        for (bytes, code) in cases {
            let client = node.connect(0)
            client.peer.write(bytes)
            client.send("R behind")
            #expect(node.settle())
            client.read()
            #expect(client.closeFrame?.closeCode == code, "\(bytes.prefix(8))")
            #expect(client.texts == [] && client.peer.hasSeenEnd, "\(bytes.prefix(8))")
            client.peer.end()
            #expect(node.settle() && client.peer.isClosed)
        }
        client.peer.end()
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    /// A handler that closes, with frames behind in the same read, whole and cut.
    @Test
    func framesBehindAHandlersClose() throws {
        let node = try node()
        for cut in 0..<40 {
            let client = node.connect(0)
            let frames =
                client.frame(1, Array("R a".utf8)) + client.frame(1, Array("C".utf8))
                + client.frame(1, Array("R b".utf8))
                + client.frame(9, [1]) + client.frame(8, ScriptedClient.closePayload(1000))
            client.peer.write(Array(frames.prefix(cut)))
            #expect(node.settle())
            client.peer.write(Array(frames.dropFirst(cut)))
            #expect(node.settle())
            client.read()
            #expect(client.texts == ["R a"] && client.closeFrame?.closeCode == 4000 && client.peer.hasSeenEnd)
            client.peer.end()
            #expect(node.settle())
        }
        #expect(node.leftovers == [])
    }

    @Test
    func floodsOfControlFramesEnd() throws {
        let node = try node { $0.limits.controlFramesBurst = 10 }
        let client = node.connect(0)
        for _ in 0..<10 { client.send(opcode: 9, [1]) }
        #expect(node.settle())
        client.read()
        #expect(client.frames.count == 10 && client.closeFrame == nil)
        node.pass(seconds: 1)
        for _ in 0..<5 { client.send(opcode: 10) }
        #expect(node.settle())
        client.read()
        #expect(client.closeFrame == nil)
        client.send(opcode: 10)
        #expect(node.settle())
        client.read()
        #expect(client.closeFrame?.closeCode == 1008 && closedCount(node, .controlFlood) == 0)
        client.peer.end()
        #expect(node.settle() && closedCount(node, .controlFlood) == 1)
    }

    /// A message has a deadline from its first byte; a control frame that came in two parts leaves none behind.
    @Test
    func deadlinesOfMessages() throws {
        let node = try node { $0.limits.messageSeconds = 30 }
        let client = node.connect(0)
        let other = node.connect(0)
        for part in 1...6 {
            let pong = client.frame(10, [1])
            client.peer.write(Array(pong.prefix(part)))
            #expect(node.settle())
            client.peer.write(Array(pong.dropFirst(part)))
            #expect(node.settle())
        }
        node.pass(seconds: 40)
        #expect(node.settle())
        client.read()
        #expect(client.closeFrame == nil)
        // A deadline that was kept does not hide the next one.
        for _ in 0..<2 {
            other.send(opcode: 1, Array("R ".utf8), isFinal: false)
            #expect(node.settle())
            node.pass(seconds: 20)
            #expect(node.settle())
            other.send(opcode: 0, Array("x".utf8))
            #expect(node.settle())
            node.pass(seconds: 40)
            #expect(node.settle())
        }
        #expect(other.takeTexts() == ["R x", "R x"])
        other.send(opcode: 1, Array("R ".utf8), isFinal: false)
        #expect(node.settle())
        node.pass(seconds: 31)
        #expect(node.settle())
        other.read()
        #expect(other.closeFrame?.closeCode == 1008)
    }

    @Test
    func silenceIsAskedAboutAndThenEnds() throws {
        let node = try node()
        node.workers[0].router.liveness = Liveness(pingAfterSeconds: 10, answerWithinSeconds: 5)
        let quiet = node.connect(0)
        let lively = node.connect(0)
        node.pass(seconds: 11)
        #expect(node.settle())
        lively.read()
        #expect(lively.frames.map { $0.opcode } == [9])
        lively.send(opcode: 10)
        #expect(node.settle())
        node.pass(seconds: 6)
        #expect(node.settle())
        quiet.read()
        lively.read()
        #expect(quiet.closeFrame?.closeCode == 4001 && lively.closeFrame == nil)
        #expect(node.workers[0].handler.farewells == [.pongTimeout])
    }

    /// The node stops: what is queued leaves, everybody is told, and the last worker ends.
    @Test(arguments: [1, 2, 4])
    func stoppingLetsEverythingLeave(_ workerCount: Int) throws {
        for seed in 1...10 {
            var plan = ScriptedNode.Plan(workerCount: workerCount)
            plan.limits.closeSeconds = 2
            plan.socketBytes = 512...1024
            let node = try ScriptedNode(plan, seed: UInt64(seed))
            let names = node.names(homes: Array(0..<workerCount))
            // All on the first worker: the others are only homes.
            let publisher = node.connect(0)
            let reader = node.connect(0)
            for name in names { reader.send("S \(name)") }
            #expect(node.settle())
            _ = reader.takeTexts()
            let http = node.workers[0].kernel.connect()
            http.write("GET /")
            reader.peer.readsAlways = false
            let padding = String(repeating: "x", count: 90)
            for number in 0..<30 { publisher.send("P \(names[number % workerCount]) \(number) \(padding)") }
            for _ in 0..<3 { node.turn(0) }
            for index in 0..<workerCount { node.exchange.post(Mail(.stop), to: index) }
            var turns = 0
            while !node.workers.allSatisfy({ $0.isDone }) && turns < 20_000 {
                turns += 1
                node.turnAny()
                if turns == 200 { reader.peer.readsAlways = true }
                // The half of a request is refused when its grace is over.
                if turns == 10_000 { node.pass(seconds: 1) }
                http.drain()
                if http.hasSeenEnd { http.end() }
                for client in [publisher, reader] {
                    client.read()
                    if client.hasAnswered && client.peer.hasSeenEnd { client.peer.end() }
                    if client.closeFrame != nil && !client.hasAnswered && !client.peer.isClosed { client.answerClose() }
                }
            }
            #expect(node.workers.allSatisfy { $0.isDone }, "seed \(seed)")
            #expect(reader.texts.map { $0.prefix(2) } == (0..<30).map { "\($0) ".prefix(2) }, "seed \(seed)")
            #expect(reader.closeFrame?.closeCode == 4001 && publisher.closeFrame?.closeCode == 4001)
            #expect(http.isClosed && node.leftovers.isEmpty, "seed \(seed): \(node.leftovers)")
            #expect(closedCount(node, .shutdown) == 3, "seed \(seed)")
        }
    }

    /// What an application was told is published reaches every reader before the reader is told that the node stops,
    /// whichever worker took it in, ordered it, or has the reader. Requests that came too late are refused.
    @Test(arguments: 1...40)
    func stoppingLosesNothingThatWasAnswered(_ seed: Int) throws {
        let plan = ScriptedNode.Plan(workerCount: 4)
        let node = try ScriptedNode(plan, seed: UInt64(seed))
        let names = node.names(homes: [0, 1, 2, 3])
        let readers = (0..<4).map { node.connect($0) }
        for reader in readers { for name in names { reader.send("S \(name)") } }
        #expect(node.settle())
        for reader in readers { _ = reader.takeTexts() }
        var answers = [String](repeating: "", count: 4)
        let publishers = (0..<4).map { node.workers[$0].kernel.connect() }
        var hasStopped = [false, false, false, false]
        var turns = 0
        while !node.workers.allSatisfy({ $0.isDone }) && turns < 20_000 {
            if turns < 60 {
                let number = node.random.below(4)
                let body = "\(names[node.random.below(4)]) \(turns)"
                publishers[number].write(
                    "POST /publish HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            } else if turns % 3 == 0, let next = hasStopped.firstIndex(of: false) {
                hasStopped[next] = true
                node.exchange.post(Mail(.stop), to: next)
            }
            node.turnAny()
            turns += 1
            for (index, publisher) in publishers.enumerated() {
                answers[index] += String(decoding: publisher.takeReceived(), as: UTF8.self)
                if publisher.hasSeenEnd && !publisher.isClosed { publisher.end() }
            }
            for reader in readers {
                reader.read()
                if reader.hasAnswered && reader.peer.hasSeenEnd { reader.peer.end() }
                if reader.closeFrame != nil && !reader.hasAnswered && !reader.peer.isClosed { reader.answerClose() }
            }
        }
        #expect(node.workers.allSatisfy { $0.isDone } && node.leftovers == [])
        let taken = answers.reduce(0) { $0 + $1.components(of: "HTTP/1.1 200") }
        #expect(taken > 0)
        for reader in readers {
            #expect(reader.texts.count >= taken, "\(taken) were answered")
            #expect(Set(reader.texts).count == reader.texts.count && reader.closeFrame?.closeCode == 4001)
            #expect(reader.texts == readers[0].texts || Set(reader.texts) == Set(readers[0].texts))
        }
    }

    /// Row 4.1: a reader that was cut sees why when it reads again, also later than the time of an ordinary close.
    @Test(arguments: [true, false])
    func aReaderThatWasCutHasAsLongAsAnySlowOneToReadWhy(_ resumes: Bool) throws {
        let node = try node {
            $0.limits.logBytesMax = 4096
            $0.limits.slowConsumerSeconds = 20
            $0.socketBytes = 1024...1024
        }
        let publisher = node.connect(0)
        let slow = node.connect(0)
        slow.send("S a")
        #expect(node.settle())
        _ = slow.takeTexts()
        slow.peer.readsAlways = false
        for number in 0..<100 { publisher.send("P a \(number) \(String(repeating: "x", count: 100))") }
        _ = node.settle()
        #expect(node.workers[0].handler.farewells == [.slowConsumer])
        node.pass(seconds: 15)
        _ = node.settle()
        #expect(!slow.peer.isClosed)
        if resumes {
            slow.peer.readsAlways = true
            #expect(node.settle())
            slow.read()
            #expect(slow.closeFrame?.closeCode == 4001 && slow.rest == [] && slow.faults == [])
            node.pass(seconds: 3)
        } else {
            node.pass(seconds: 6)
        }
        #expect(node.settle() && slow.peer.isClosed && slow.peer.isReset == !resumes)
        #expect(closedCount(node, .slowConsumer) == 1)
    }
}

extension String {
    /// How often `part` stands in it.
    fileprivate func components(of part: String) -> Int {
        var count = 0
        var rest = self[...]
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
