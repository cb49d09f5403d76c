import ClarionBytes
import ScriptedBackend
import Testing

@testable import ClarionEngine

/// Subscribing, publishing, and the order of both, on a calm kernel.
struct ScriptedChannelsTests {
    @Test(arguments: [1, 2, 4])
    func everySubscriberIsToldOnceAndGetsEveryMessageInOrder(_ workerCount: Int) throws {
        let node = try ScriptedNode(ScriptedNode.Plan(workerCount: workerCount))
        let clients = (0..<8).map { node.connect($0 % workerCount) }
        for client in clients { client.send("S news") }
        #expect(node.settle())
        for client in clients { #expect(client.takeTexts() == ["J news"]) }
        for number in 0..<50 { clients[number % 2].send("P news \(number)") }
        #expect(node.settle())
        node.checkAgreement()
        let all = clients[0].takeTexts()
        #expect(Set(all) == Set((0..<50).map { "\($0)" }) && all.count == 50)
        for client in clients.dropFirst() { #expect(client.takeTexts() == all) }
        #expect(all.filter { Int($0)! % 2 == 0 } == (0..<25).map { "\($0 * 2)" })
        node.endAll(clients)
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    @Test
    func subscribingTwiceIsAnsweredTwiceAndCountsOnce() throws {
        let node = try ScriptedNode(ScriptedNode.Plan())
        let client = node.connect(0)
        client.send("S a")
        client.send("S a")
        client.send("P a x")
        #expect(node.settle())
        #expect(client.takeTexts().sorted() == ["J a", "J a", "x"])
        #expect(node.cores[0].homeSubscriptionCount(space: 0, name: ByteView("a")) == 1)
        client.send("U a")
        client.send("U a")
        client.send("P a y")
        #expect(node.settle())
        #expect(client.takeTexts() == ["L a"])
        #expect(node.cores[0].counters.unheard == 1)
    }

    /// Asked for again before the home has answered: each asking has its answer, unless it leaves on the first.
    @Test(arguments: [0, 1], [false, true])
    func subscribingAgainBeforeTheHomeAnswers(_ home: Int, _ leaves: Bool) throws {
        let node = try ScriptedNode(ScriptedNode.Plan(workerCount: 2))
        let name = node.names(homes: [home])[0]
        let clients = [node.connect(0), node.connect(0)]
        if leaves {
            node.workers[0].handler.whenJoined = { name, session in
                _ = session.unsubscribe(space: 0, name: ByteView(of: name))
            }
        }
        for _ in 0..<3 { clients[0].send("S \(name)") }
        clients[1].send("S \(name)")
        #expect(node.settle())
        // On the home's own worker each asking is answered at once, so leaving makes the next a new one.
        #expect(clients[0].takeTexts().count == (leaves && home == 1 ? 1 : 3))
        #expect(clients[1].takeTexts() == ["J \(name)"])
        #expect(node.cores[0].subscriptions.count == (leaves ? 0 : 2))
        node.checkAgreement()
    }

    @Test(arguments: [1, 3])
    func theSenderIsLeftOut(_ workerCount: Int) throws {
        let node = try ScriptedNode(ScriptedNode.Plan(workerCount: workerCount))
        let sender = node.connect(0)
        let other = node.connect(workerCount - 1)
        for client in [sender, other] {
            client.send("S a")
            client.send("S b")
        }
        #expect(node.settle())
        _ = sender.takeTexts()
        _ = other.takeTexts()
        for line in ["X a 1", "P a 2", "X b 3", "X a 4", "P b 5", "X a 6"] { sender.send(line) }
        #expect(node.settle())
        #expect(sender.takeTexts() == ["2", "5"])
        #expect(other.takeTexts() == ["1", "2", "3", "4", "5", "6"])
    }

    /// The socket is full just before the message that the sender must not get: nothing forgets that it must not.
    @Test(arguments: 1...12)
    func theSenderIsLeftOutAlsoBehindAFullSocket(_ messagesBefore: Int) throws {
        var plan = ScriptedNode.Plan()
        plan.socketBytes = 1024...1024
        let node = try ScriptedNode(plan)
        let sender = node.connect(0)
        let other = node.connect(0)
        for client in [sender, other] { client.send("S a") }
        #expect(node.settle())
        sender.read()
        sender.peer.readsAlways = false
        // 1 022 bytes a message: the socket ends between two messages, or inside one.
        let long = String(repeating: "x", count: 1020 / 4)
        for number in 0..<messagesBefore { sender.send("P a \(number % 10)\(long)") }
        sender.send("X a mine")
        sender.send("P a last")
        _ = node.settle()
        sender.peer.readsAlways = true
        #expect(node.settle())
        let texts = sender.takeTexts()
        #expect(!texts.contains("mine") && texts.last == "last" && texts.count == 1 + messagesBefore + 1)
        #expect(other.takeTexts().contains("mine"))
    }

    /// What one session publishes to channels with different homes arrives in that order at whoever follows several.
    @Test(arguments: [2, 4])
    func orderHoldsAcrossHomes(_ workerCount: Int) throws {
        for seed in 1...20 {
            let node = try ScriptedNode(ScriptedNode.Plan(workerCount: workerCount), seed: UInt64(seed))
            let publisher = node.connect(0)
            let readers = (0..<workerCount).map { node.connect($0) }
            for reader in readers { for name in "abcdefgh" { reader.send("S \(name)") } }
            #expect(node.settle())
            for reader in readers { _ = reader.takeTexts() }
            var expected: [String] = []
            for number in 0..<100 {
                let name = Array("abcdefgh")[node.random.below(8)]
                publisher.send("P \(name) \(number)")
                expected.append("\(number)")
                if node.random.below(4) == 0 { node.turnAny() }
            }
            #expect(node.settle())
            for reader in readers { #expect(reader.takeTexts() == expected, "seed \(seed)") }
            #expect(node.cores[0].counters.publishersHeld > 0)
            #expect(node.workers.allSatisfy { $0.kernel.violations.isEmpty })
        }
    }

    /// A held publisher that ends TCP: what it had sent is still published, and heard where it asks to be closed.
    @Test(arguments: [false, true])
    func heldInputIsPublishedThoughItsSenderHasGone(_ asksForClose: Bool) throws {
        let node = try ScriptedNode(ScriptedNode.Plan(workerCount: 2))
        let names = node.names(homes: [0, 1])
        let reader = node.connect(0)
        let publisher = node.connect(0)
        for name in names { reader.send("S \(name)") }
        #expect(node.settle())
        _ = reader.takeTexts()
        // In one read: the second message waits for the other worker, so the rest waits too.
        for number in 0..<10 { publisher.send("P \(names[(number + 1) % 2]) \(number)") }
        if asksForClose { publisher.send("C") }
        node.turn(0)
        #expect(node.cores[0].counters.publishersHeld == 1)
        publisher.peer.end()
        for _ in 0..<5 { node.turn(0) }
        #expect(node.settle())
        #expect(reader.takeTexts() == (0..<10).map { "\($0)" })
        #expect(publisher.peer.isClosed)
    }

    @Test
    func subscribingAndLeavingInsideJoined() throws {
        for workerCount in [1, 2] {
            let node = try ScriptedNode(ScriptedNode.Plan(workerCount: workerCount))
            let names = node.names(homes: [workerCount - 1])
            let clients = (0..<5).map { _ in node.connect(0) }
            var told = 0
            // Leaves and comes again, once; then each of the others hears of it once.
            node.workers[0].handler.whenJoined = { name, session in
                told += 1
                if told == 1 {
                    #expect(session.unsubscribe(space: 0, name: ByteView(of: name)))
                    #expect(session.subscribe(space: 0, name: ByteView(of: name)) == .joining)
                }
            }
            for client in clients { client.send("S \(names[0])") }
            #expect(node.settle())
            #expect(told == clients.count + 1)
            node.checkAgreement()
            clients[3].send("P \(names[0]) hello")
            #expect(node.settle())
            var joins = 0
            for client in clients {
                let texts = client.takeTexts()
                joins += texts.count { $0.hasPrefix("J") }
                #expect(texts.count { $0 == "hello" } == 1 && texts.last == "hello")
            }
            #expect(joins == clients.count + 1)
        }
    }

    @Test
    func leavingInsideJoinedEndsTheChannel() throws {
        for workerCount in [1, 2] {
            let node = try ScriptedNode(ScriptedNode.Plan(workerCount: workerCount))
            let names = node.names(homes: [workerCount - 1])
            let clients = (0..<3).map { _ in node.connect(0) }
            node.workers[0].handler.whenJoined = { name, session in
                #expect(session.unsubscribe(space: 0, name: ByteView(of: name)))
            }
            for client in clients { client.send("S \(names[0])") }
            #expect(node.settle())
            for client in clients { #expect(client.takeTexts() == ["J \(names[0])"]) }
            node.checkAgreement()
            #expect(node.cores.allSatisfy { $0.channels.count == 0 && $0.homes.count == 0 })
        }
    }

    @Test
    func closingInsideJoined() throws {
        for workerCount in [1, 2] {
            let node = try ScriptedNode(ScriptedNode.Plan(workerCount: workerCount))
            let names = node.names(homes: [workerCount - 1])
            let clients = (0..<3).map { _ in node.connect(0) }
            node.workers[0].handler.whenJoined = { _, session in session.close(.rateLimited, code: 4000) }
            for client in clients { client.send("S \(names[0])") }
            #expect(node.settle())
            for client in clients {
                client.read()
                #expect(client.closeFrame?.closeCode == 4000)
            }
            node.checkAgreement()
            #expect(node.cores.allSatisfy { $0.channels.count == 0 && $0.homes.count == 0 })
        }
    }

    @Test
    func limitsOfSubscriptionsAndChannels() throws {
        var plan = ScriptedNode.Plan()
        plan.limits.subscriptionsPerConnectionMax = 3
        plan.limits.channelsMax = 4
        let node = try ScriptedNode(plan)
        let clients = [node.connect(0), node.connect(0)]
        for name in ["a", "b", "c", "d"] { clients[0].send("S \(name)") }
        for name in ["e", "f", "a"] { clients[1].send("S \(name)") }
        #expect(node.settle())
        #expect(clients[0].takeTexts() == ["J a", "J b", "J c", "N d"])
        #expect(clients[1].takeTexts() == ["J e", "N f", "J a"])
        #expect(node.cores[0].counters.subscriptionsRefused == 2)
        node.checkAgreement()
    }

    /// A worker never sleeps on mail, however many batches came at once (`ScriptedNode.turn` looks).
    @Test(arguments: [63, 64, 65, 66, 129, 200])
    func noBatchOfMailIsSleptOn(_ batchCount: Int) throws {
        let node = try ScriptedNode(ScriptedNode.Plan(workerCount: 2))
        for _ in 0..<batchCount { node.exchange.post(Mail(.ordered), to: 1) }
        for _ in 0..<8 { node.turn(1) }
        #expect(node.cores[1].counters.mailReceived == UInt64(batchCount))
    }
}

extension ScriptedNode {
    /// A connection to worker `index` that has been upgraded.
    func connect(_ index: Int, socketBytesMax: Int? = nil) -> ScriptedClient {
        let client = ScriptedClient(workers[index].kernel.connect(socketBytesMax: socketBytesMax))
        client.upgrade()
        var turns = 0
        while !client.isUpgraded && turns < 1000 {
            turn(index)
            client.read()
            turns += 1
        }
        return client
    }

    /// All peers end TCP.
    func endAll(_ clients: [ScriptedClient]) {
        for client in clients where !client.peer.isClosed { client.peer.end() }
    }

    /// A channel name for each of the homes.
    func names(homes: [Int]) -> [String] {
        var number = 0
        return homes.map { home in
            while true {
                number += 1
                let name = "channel-\(number)"
                if cores[0].homeWorker(space: 0, name: ByteView(of: name)) == home { return name }
            }
        }
    }
}
