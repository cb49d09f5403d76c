import ClarionBytes
import ScriptedBackend
import Testing

@testable import ClarionEngine

/// Readers that are slow, publishers that are fast, workers that are behind.
struct ScriptedPressureTests {
    private func node(_ workerCount: Int = 1, _ change: (inout ScriptedNode.Plan) -> Void = { _ in }) throws
        -> ScriptedNode
    {
        var plan = ScriptedNode.Plan(workerCount: workerCount)
        plan.limits.logBytesMax = 4096
        plan.socketBytes = 1024...1024
        change(&plan)
        return try ScriptedNode(plan)
    }

    private static let padding = String(repeating: "x", count: 100)

    private func publish(_ client: ScriptedClient, _ name: String, _ numbers: Range<Int>) {
        for number in numbers { client.send("P \(name) \(number) \(ScriptedPressureTests.padding)") }
    }

    private func numbers(_ client: ScriptedClient) -> [Int] {
        client.takeTexts().compactMap { $0.split(separator: " ").first.flatMap { Int($0) } }
    }

    /// More readers of several channels than a flush can serve, and a publisher that never rests: nobody who reads is
    /// cut.
    @Test
    func aFastPublisherCutsNoReaderWhoReads() throws {
        let node = try node {
            $0.limits.connectionsMax = 800
            $0.limits.logBytesMax = 32 << 10
            $0.socketBytes = 1 << 20...1 << 20
            $0.receiveBufferBytes = 4096
        }
        node.checkEvery = 20
        let publisher = node.connect(0)
        let readers = (0..<700).map { _ in ScriptedClient(node.workers[0].kernel.connect()) }
        for reader in readers {
            reader.upgrade()
            reader.send("S a")
            reader.send("S b")
        }
        #expect(node.settle())
        for reader in readers { _ = reader.takeTexts() }
        publish(publisher, "a", 0..<1000)
        #expect(node.settle())
        #expect(node.cores[0].counters.closed[Int(CloseReason.slowConsumer.rawValue)] == 0)
        let complete = readers.count { numbers($0) == Array(0..<1000) }
        #expect(complete == readers.count && node.workers[0].handler.farewells == [])
    }

    @Test
    func aReaderTheLogHasPassedIsClosed() throws {
        let node = try node()
        let publisher = node.connect(0)
        let slow = node.connect(0)
        let good = node.connect(0, socketBytesMax: 1 << 20)
        for client in [slow, good] { client.send("S a") }
        #expect(node.settle())
        for client in [slow, good] { _ = client.takeTexts() }
        slow.peer.readsAlways = false
        publish(publisher, "a", 0..<100)
        _ = node.settle()
        #expect(node.workers[0].handler.farewells == [.slowConsumer])
        slow.peer.readsAlways = true
        #expect(node.settle())
        #expect(numbers(good) == Array(0..<100))
        // What it got is a beginning without gaps, whole frames, and a close frame that says why.
        let got = numbers(slow)
        #expect(got == Array(0..<got.count) && got.count < 100 && slow.rest == [] && slow.faults == [])
        #expect(slow.closeFrame?.closeCode == 4001)
        node.endAll([publisher, slow, good])
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    @Test
    func aReaderThatTakesNothingForLongIsClosed() throws {
        let node = try node { $0.limits.slowConsumerSeconds = 10 }
        let publisher = node.connect(0)
        let slow = node.connect(0)
        slow.send("S a")
        #expect(node.settle())
        slow.peer.readsAlways = false
        publish(publisher, "a", 0..<12)
        _ = node.settle()
        node.pass(seconds: 9)
        #expect(node.workers[0].handler.farewells == [])
        slow.peer.drain()
        _ = node.settle()
        node.pass(seconds: 9)
        // It took something: its time began anew, and was over while all was sent.
        #expect(node.workers[0].handler.farewells == [])
        publish(publisher, "a", 12..<40)
        _ = node.settle()
        node.pass(seconds: 11)
        #expect(node.workers[0].handler.farewells == [.slowConsumer])
    }

    @Test(arguments: [SlowConsumerPolicy.skip, .conflate])
    func aSlowReaderGoesOnWithTheNewest(_ policy: SlowConsumerPolicy) throws {
        let node = try node { $0.limits.slowConsumerPolicy = policy }
        let publisher = node.connect(0)
        let slow = node.connect(0)
        slow.send("S a")
        #expect(node.settle())
        _ = slow.takeTexts()
        slow.peer.readsAlways = false
        publish(publisher, "a", 0..<100)
        _ = node.settle()
        slow.peer.readsAlways = true
        #expect(node.settle())
        slow.read()
        let gaps = slow.texts.filter { $0.hasPrefix("G") }
        let before = slow.texts.prefix { !$0.hasPrefix("G") }
            .compactMap { $0.split(separator: " ").first.flatMap { Int($0) } }
        let got = numbers(slow)
        #expect(got.last == 99 && got == got.sorted() && Set(got).count == got.count && got.count < 100)
        #expect(slow.closeFrame == nil && slow.faults == [] && slow.rest == [])
        // Row 4.1: it was told how many it lost, once, where they are missing.
        let lost = 100 - got.count
        #expect(lost > 0 && node.cores[0].counters.skipped == UInt64(lost))
        #expect(gaps == ["G a \(lost)"] && before == Array(0..<before.count))
        #expect(Array(got.dropFirst(before.count)) == Array((before.count + lost)..<100))
        if policy == .conflate {
            // Behind what was in the socket comes one message only.
            let jumps = zip(got, got.dropFirst()).filter { $1 != $0 + 1 }
            #expect(jumps.count == 1 && jumps[0].1 == 99)
        }
        publish(publisher, "a", 100..<110)
        #expect(node.settle())
        #expect(numbers(slow) == Array(100..<110))
    }

    /// A farewell that publishes to the channel whose message cut the reader; the reader may be the home's last.
    @Test(arguments: [1, 2, 3])
    func aFarewellMayPublishAndMayEndTheChannel(_ workerCount: Int) throws {
        let node = try node(workerCount)
        let names = node.names(homes: [0])
        let name = names[0]
        let publisher = node.connect(0)
        let slow = node.connect(0)
        let others = (1..<max(workerCount, 2)).map { node.connect($0 % workerCount, socketBytesMax: 1 << 20) }
        for client in [slow] + others { client.send("S \(name)") }
        #expect(node.settle())
        for client in others { _ = client.takeTexts() }
        node.workers[0].handler.whenFarewell = { _, session in
            session.publish(space: 0, name: ByteView(of: name), text: ByteView("-1 farewell"))
            session.publish(space: 0, name: ByteView(of: name), text: ByteView("-2 farewell"))
        }
        slow.peer.readsAlways = false
        publish(publisher, name, 0..<100)
        _ = node.settle()
        for client in others {
            let got = numbers(client)
            #expect(got.filter { $0 >= 0 } == Array(0..<100) && got.filter { $0 < 0 } == [-1, -2])
        }
        node.checkAgreement()
        slow.peer.readsAlways = true
        node.endAll([publisher, slow] + others)
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    /// Replies that nobody reads have a bound; the peer gets those up to it and the reason, if it reads in time.
    @Test(arguments: [true, false])
    func repliesThatNobodyReadsEndTheConnection(_ resumes: Bool) throws {
        let node = try node {
            $0.limits.outboxBytesMax = 4096
            $0.limits.slowConsumerSeconds = 10
            $0.limits.closeSeconds = 2
        }
        node.workers[0].router.messageBytesMax = 1024
        let client = node.connect(0)
        client.peer.readsAlways = false
        for _ in 0..<20 { client.send("B 500") }
        _ = node.settle()
        #expect(node.workers[0].handler.farewells == [.outboxFull] && !client.peer.isClosed)
        if resumes {
            client.peer.readsAlways = true
            #expect(node.settle())
            client.read()
            #expect(client.closeFrame?.closeCode == 4001 && client.faults == [] && client.rest == [])
            #expect((4096 / 504...(4096 + 1024) / 504 + 1).contains(client.texts.count))
            client.answerClose()
            client.peer.end()
        } else {
            node.pass(seconds: 11)
        }
        #expect(node.settle())
        #expect(client.peer.isClosed && client.peer.isReset == !resumes && node.workers[0].handler.closedCount == 1)
        #expect(node.cores[0].counters.closed[Int(CloseReason.outboxFull.rawValue)] == 1)
        #expect(node.leftovers == [])
    }

    /// Row 4.1: each channel's gap is told, in its place, and who is told may close or leave.
    @Test(arguments: [0, 1, 2])
    func gapsOfSeveralChannels(_ reaction: Int) throws {
        let node = try node { $0.limits.slowConsumerPolicy = .skip }
        let publisher = node.connect(0)
        let slow = node.connect(0)
        for name in ["a", "b", "c"] { slow.send("S \(name)") }
        #expect(node.settle())
        _ = slow.takeTexts()
        node.workers[0].handler.whenMissed = { session in
            if reaction == 1 { session.close(.rateLimited, code: 4000) }
            if reaction == 2 { _ = session.unsubscribe(space: 0, name: ByteView("a")) }
        }
        slow.peer.readsAlways = false
        publish(publisher, "a", 0..<100)
        publish(publisher, "b", 100..<200)
        _ = node.settle()
        // Told when it reads again, not before: notices of somebody who does not read would pile up.
        #expect(node.cores[0].counters.skipped > 0 && node.workers[0].handler.farewells == [])
        slow.peer.readsAlways = true
        #expect(node.settle())
        slow.read()
        let gaps = slow.texts.filter { $0.hasPrefix("G") }
        #expect(gaps.count == (reaction == 0 ? 2 : 1))
        if reaction == 0 {
            let got = Set(numbers(slow))
            let lostOfA = (0..<100).count { !got.contains($0) }
            let lostOfB = (100..<200).count { !got.contains($0) }
            #expect(Set(gaps) == ["G a \(lostOfA)", "G b \(lostOfB)"])
        }
        #expect((slow.closeFrame != nil) == (reaction == 1) && slow.faults == [] && slow.rest == [])
        node.endAll([publisher, slow])
        #expect(node.settle() && node.leftovers == [])
    }

    /// Messages that a reader was not to get anyway are none that it lost.
    @Test
    func ownMessagesAreNotLost() throws {
        let node = try node { $0.limits.slowConsumerPolicy = .skip }
        let other = node.connect(0)
        let slow = node.connect(0)
        slow.send("S a")
        #expect(node.settle())
        _ = slow.takeTexts()
        slow.peer.readsAlways = false
        for number in 0..<100 {
            (number % 2 == 0 ? other : slow).send("X a \(number) \(ScriptedPressureTests.padding)")
            node.turnAll()
        }
        publish(other, "a", 100..<101)
        _ = node.settle()
        slow.peer.readsAlways = true
        #expect(node.settle())
        slow.read()
        let gaps = slow.texts.filter { $0.hasPrefix("G") }
        let got = numbers(slow)
        #expect(got.allSatisfy { $0 % 2 == 0 } && gaps == ["G a \(51 - got.count)"])
    }

    /// Sockets far smaller than a message: what is left of a cut frame goes before everything else.
    @Test(arguments: [1, 7, 64, 100])
    func cutFramesAreFinishedFirst(_ socketBytes: Int) throws {
        var plan = ScriptedNode.Plan()
        let node = try ScriptedNode(plan)
        plan.socketBytes = socketBytes...socketBytes
        let publisher = node.connect(0)
        let reader = ScriptedClient(node.workers[0].kernel.connect(socketBytesMax: socketBytes))
        reader.upgrade()
        for name in ["a", "b"] { reader.send("S \(name)") }
        #expect(node.settle())
        _ = reader.takeTexts()
        for number in 0..<20 {
            publisher.send("P \(number % 2 == 0 ? "a" : "b") \(number) \(ScriptedPressureTests.padding)")
            if number % 5 == 0 { reader.send("R reply") }
            node.turnAll()
        }
        #expect(node.settle())
        reader.read()
        #expect(reader.texts.count { $0 == "R reply" } == 4 && reader.faults == [] && reader.rest == [])
        #expect(numbers(reader) == Array(0..<20))
    }

    /// A worker that does not come to its mail: who publishes to it rests, and nothing is lost or turned round.
    @Test
    func inputIsPutOffWhileAnotherWorkerIsBehind() throws {
        let node = try node(2) {
            $0.limits.mailBatchesMax = 2
            $0.limits.logBytesMax = 1 << 20
        }
        let names = node.names(homes: [1])
        let publisher = node.connect(0)
        let reader = node.connect(1)
        reader.send("S \(names[0])")
        #expect(node.settle())
        _ = reader.takeTexts()
        publish(publisher, names[0], 0..<200)
        for _ in 0..<50 { node.turn(0) }
        #expect(node.cores[0].counters.inputDeferred > 0)
        #expect(unsafe node.exchange.mailbox(1).pointee.pendingCount <= 4)
        #expect(node.settle())
        #expect(numbers(reader) == Array(0..<200))
    }
}
