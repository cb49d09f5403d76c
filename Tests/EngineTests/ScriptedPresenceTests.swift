import ClarionBytes
import ScriptedBackend
import Testing

@testable import ClarionEngine

/// Members, kept messages and counts: short cases on a calm kernel, and stories from seeds.
struct ScriptedPresenceTests {
    @Test(arguments: [1, 3])
    func aNewcomerGetsTheRosterAndThenTheChanges(_ workerCount: Int) throws {
        let node = try ScriptedNode(ScriptedNode.Plan(workerCount: workerCount))
        let clients = (0..<4).map { node.connect($0 % workerCount) }
        for (number, client) in clients.enumerated() {
            client.send("E p u\(number)")
            #expect(node.settle())
        }
        #expect(clients[0].takeTexts() == ["W p u0", "+ p u1", "+ p u2", "+ p u3"])
        #expect(clients[2].takeTexts() == ["W p u0,u1,u2", "+ p u3"])
        clients[1].send("U p")
        #expect(node.settle())
        #expect(clients[1].takeTexts() == ["W p u0,u1", "+ p u2", "+ p u3", "L p"])
        #expect(clients[3].takeTexts() == ["W p u0,u1,u2,u3", "- p u1"])
        node.checkAgreement()
        node.endAll(clients)
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    @Test(arguments: [1, 3])
    func aUserIsThereFromTheFirstConnectionToTheLast(_ workerCount: Int) throws {
        let node = try ScriptedNode(ScriptedNode.Plan(workerCount: workerCount))
        let watcher = node.connect(0)
        watcher.send("E p me")
        #expect(node.settle())
        let tabs = (0..<50).map { node.connect($0 % workerCount) }
        for tab in tabs { tab.send("E p you") }
        #expect(node.settle())
        for tab in tabs.dropLast() { tab.peer.reset() }
        #expect(node.settle())
        #expect(watcher.takeTexts() == ["W p me", "+ p you"])
        tabs[49].send("U p")
        #expect(node.settle())
        #expect(watcher.takeTexts() == ["- p you"])
    }

    @Test
    func enteringTwiceIsRefusedAndChangesNothing() throws {
        let node = try ScriptedNode(ScriptedNode.Plan())
        let client = node.connect(0)
        client.send("E p a")
        client.send("E p b")
        #expect(node.settle())
        #expect(client.takeTexts() == ["W p a"])
        client.send("E p b")
        #expect(node.settle())
        #expect(client.takeTexts() == ["N p"])
    }

    @Test(arguments: [1, 3])
    func aFullChannelTurnsAwayAndForgets(_ workerCount: Int) throws {
        let node = try ScriptedNode(ScriptedNode.Plan(workerCount: workerCount))
        for worker in node.workers { worker.keeper.membersMax = 2 }
        let clients = (0..<4).map { node.connect($0 % workerCount) }
        for (number, id) in ["a", "b", "c", "a"].enumerated() {
            clients[number].send("E p \(id)")
            #expect(node.settle())
        }
        #expect(clients[2].takeTexts() == ["F p"])
        #expect(clients[3].takeTexts() == ["W p a,b"])
        clients[1].send("U p")
        #expect(node.settle())
        clients[2].send("E p c")
        #expect(node.settle())
        #expect(clients[2].takeTexts() == ["W p a,c"])
        node.checkAgreement()
    }

    @Test(arguments: [1, 3])
    func theLastMessageIsKeptWhileNobodyIsThere(_ workerCount: Int) throws {
        let node = try ScriptedNode(ScriptedNode.Plan(workerCount: workerCount))
        let client = node.connect(0)
        client.send("V k 1")
        client.send("V k 2")
        #expect(node.settle())
        client.send("E k ")
        client.send("P k not-kept")
        #expect(node.settle())
        let texts = client.takeTexts()
        #expect(texts == ["W k ", "2", "not-kept"] || texts == ["W k ", "2"])
        client.send("U k")
        client.send("E k ")
        #expect(node.settle())
        #expect(client.takeTexts() == ["L k", "W k ", "2"])
        client.send("U k")
        #expect(node.settle())
        node.pass(seconds: 1800)
        client.send("E k ")
        #expect(node.settle())
        #expect(client.takeTexts() == ["L k", "W k ", "K k"])
        #expect(node.cores.allSatisfy { $0.counters.keptMessages == 0 && $0.counters.keptBytes == 0 })
    }

    @Test
    func keptMessagesAreBoundedAndTheOldestGoes() throws {
        var plan = ScriptedNode.Plan()
        plan.limits.keptMessagesMax = 3
        let node = try ScriptedNode(plan)
        let client = node.connect(0)
        for number in 0..<5 { client.send("V k\(number) m") }
        #expect(node.settle())
        #expect(node.cores[0].counters.keptMessages == 3 && node.cores[0].counters.keptEvicted == 2)
        client.send("E k0 ")
        client.send("E k4 ")
        #expect(node.settle())
        #expect(client.takeTexts().sorted() == ["K k0", "W k0 ", "W k4 ", "m"])
        node.cores[0].checkInvariants()
    }

    @Test
    func countsAreToldAtOnceWhenFewAndRarelyWhenMany() throws {
        var plan = ScriptedNode.Plan()
        plan.limits.connectionsMax = 256
        let node = try ScriptedNode(plan)
        let first = node.connect(0)
        first.send("S count")
        #expect(node.settle())
        #expect(first.takeTexts() == ["J count", "# count 1"])
        let others = (0..<110).map { _ in node.connect(0) }
        for other in others {
            other.send("S count")
            #expect(node.settle())
        }
        let told = first.takeTexts()
        #expect(told.first == "# count 2" && told.last == "# count 100" && told.count == 99)
        node.pass(seconds: 5)
        #expect(node.settle())
        #expect(first.takeTexts() == ["# count 111"])
        node.endAll(others)
        #expect(node.settle())
        #expect(first.takeTexts().last == "# count 1" || !node.cores[0].countsDue.isEmpty)
    }

    private static let seedsDefault = 60

    private static func tell(_ kind: PresenceStory.Kind) throws {
        let one = ScriptedStoriesTests.number("CLARION_SEED").map { [UInt64($0)] }
        for seed in one ?? Array(0..<UInt64(seedsDefault)) {
            try Invariants.$story.withValue("seed \(seed), \(kind)") {
                let faults = try PresenceStory(seed: seed, kind).run()
                #expect(faults == [])
            }
        }
    }

    @Test(arguments: [1, 2, 4])
    func everyRosterIsTheModelAfterRandomJoinsLeavesAndAborts(_ workerCount: Int) throws {
        try ScriptedPresenceTests.tell(PresenceStory.Kind(workerCount: workerCount))
    }

    @Test(arguments: [1, 3])
    func soItIsWithSlowReadersAndSmallLogs(_ workerCount: Int) throws {
        try ScriptedPresenceTests.tell(PresenceStory.Kind(workerCount: workerCount, isSlow: true))
    }

    @Test(arguments: [1, 3])
    func soItIsWhenChannelsAreFull(_ workerCount: Int) throws {
        try ScriptedPresenceTests.tell(PresenceStory.Kind(workerCount: workerCount, membersMax: 3))
    }
}
