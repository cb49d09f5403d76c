import ClarionBytes
import ScriptedBackend
import Testing

@testable import ClarionEngine

/// Requests, answers and upgrades on scripted kernels.
struct ScriptedHTTPTests {
    static func request(_ method: String, _ path: String, _ body: String? = nil, fields: String = "") -> String {
        let length = body.map { "Content-Length: \($0.utf8.count)\r\n" } ?? ""
        return "\(method) \(path) HTTP/1.1\r\nHost: a\r\n\(length)\(fields)\r\n\(body ?? "")"
    }

    /// The bodies of the answers in `bytes`, in order, each with its status.
    static func answers(_ bytes: [UInt8]) -> [String] {
        var rest = bytes
        var found: [String] = []
        while let end = rest.firstIndex(ofSequence: Array("\r\n\r\n".utf8)) {
            let lines = String(decoding: rest[..<end], as: UTF8.self).split(separator: "\r\n")
            let status = lines.first?.dropFirst(9).prefix(3) ?? "none"
            let field = lines.first { $0.lowercased().hasPrefix("content-length: ") }
            let length = field.flatMap { Int($0.dropFirst(16)) } ?? 0
            rest.removeFirst(end + 4)
            let body = String(decoding: rest.prefix(length), as: UTF8.self)
            found.append(length == 0 ? "\(status)" : "\(status) \(body)")
            rest = Array(rest.dropFirst(length))
        }
        if !rest.isEmpty { found.append("rest: \(rest)") }
        return found
    }

    @Test
    func pipelinedRequestsAreAnsweredInOrder() throws {
        let node = try ScriptedNode(ScriptedNode.Plan())
        let peer = node.workers[0].kernel.connect()
        for number in 0..<20 { peer.write(ScriptedHTTPTests.request("POST", "/echo", "body \(number)")) }
        #expect(node.settle())
        #expect(ScriptedHTTPTests.answers(peer.received) == (0..<20).map { "200 body \($0)" })
        #expect(node.cores[0].counters.requests == 20 && !peer.isClosed)
        peer.end()
        #expect(node.settle())
        #expect(node.leftovers == [] && node.cores[0].counters.closed[Int(CloseReason.httpDone.rawValue)] == 1)
    }

    /// More than may wait behind one answer: reading rests, and goes on.
    @Test
    func pipeliningHasABound() throws {
        let node = try ScriptedNode(ScriptedNode.Plan())
        let worker = node.workers[0]
        let peer = worker.kernel.connect()
        let body = String(repeating: "x", count: 1000)
        peer.write(ScriptedHTTPTests.request("GET", "/late"))
        for _ in 0..<60 { peer.write(ScriptedHTTPTests.request("POST", "/echo", body)) }
        _ = node.settle()
        #expect(peer.received.isEmpty && worker.router.late.count == 1)
        #expect(worker.core.counters.readingPaused == 1 && worker.core.pool.outstandingBytes < 64 << 10)
        let ticket = worker.router.late[0]
        worker.core.respond(to: ticket, status: 200, contentType: "text/plain", body: Array("late".utf8))
        #expect(node.settle())
        #expect(ScriptedHTTPTests.answers(peer.received) == ["200 late"] + (0..<60).map { _ in "200 \(body)" })
        // An answer to a request that has one already changes nothing.
        worker.core.respond(to: ticket, status: 200, contentType: "text/plain", body: Array("later".utf8))
        #expect(node.settle() && ScriptedHTTPTests.answers(peer.received).count == 61)
        peer.end()
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    @Test
    func chunkedBodiesCutAtEveryByte() throws {
        let node = try ScriptedNode(ScriptedNode.Plan())
        let body = "4\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nTrailer: x\r\n\r\n"
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        let whole = Array((head + body + ScriptedHTTPTests.request("GET", "/next")).utf8)
        for cut in 1..<whole.count {
            let peer = node.workers[0].kernel.connect()
            peer.write(Array(whole[..<cut]))
            #expect(node.settle())
            peer.write(Array(whole[cut...]))
            #expect(node.settle())
            let answers = ScriptedHTTPTests.answers(peer.received)
            #expect(answers == ["200 Wikipedia in \r\n\r\nchunks.", "200 /next"], "cut at \(cut)")
            peer.end()
            #expect(node.settle())
        }
        #expect(node.leftovers == [])
    }

    /// What one connection had sent of a chunked body is not part of the next one's.
    @Test
    func halfABodyEndsWithItsConnection() throws {
        let node = try ScriptedNode(ScriptedNode.Plan())
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        let first = node.workers[0].kernel.connect()
        first.write(head + "3\r\nabc\r\n")
        #expect(node.settle())
        first.reset()
        #expect(node.settle())
        let second = node.workers[0].kernel.connect()
        second.write(head + "3\r\nxyz\r\n0\r\n\r\n")
        #expect(node.settle())
        #expect(ScriptedHTTPTests.answers(second.received) == ["200 xyz"])
        second.end()
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    @Test
    func continueIsSentOnceAndOnlyWhenAskedFor() throws {
        let node = try ScriptedNode(ScriptedNode.Plan())
        let peer = node.workers[0].kernel.connect()
        let expect = "Expect: 100-continue\r\n"
        peer.write("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\(expect)\r\n")
        #expect(node.settle())
        #expect(ScriptedHTTPTests.answers(peer.received) == ["100"])
        peer.write("bo")
        #expect(node.settle())
        peer.write("dy")
        #expect(node.settle())
        #expect(ScriptedHTTPTests.answers(peer.received) == ["100", "200 body"])
        // With the body at hand none is owed.
        peer.write(ScriptedHTTPTests.request("POST", "/echo", "more", fields: expect))
        #expect(node.settle())
        #expect(ScriptedHTTPTests.answers(peer.received) == ["100", "200 body", "200 more"])
    }

    /// A body that turns out wrong behind 100 Continue: an answer, and the end.
    @Test(arguments: ["zz\r\n", "FFFFFF\r\n"])
    func aRefusalBehindContinueCloses(_ chunk: String) throws {
        let node = try ScriptedNode(ScriptedNode.Plan())
        let peer = node.workers[0].kernel.connect()
        peer.write("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        #expect(node.settle())
        peer.write(chunk)
        #expect(node.settle())
        let statuses = ScriptedHTTPTests.answers(peer.received).map { $0.prefix(3) }
        #expect(statuses == ["100", chunk == "zz\r\n" ? "400" : "413"])
        #expect(peer.hasSeenEnd)
        peer.end()
        #expect(node.settle())
        #expect(node.leftovers == [])
    }

    @Test
    func refusalsAnswerAndClose() throws {
        let node = try ScriptedNode(ScriptedNode.Plan())
        let cases: [(request: String, answer: String)] = [
            ("GARBAGE\r\n\r\n", "400"), ("GET / HTTP/3.7\r\nHost: a\r\n\r\n", "505"),
            (ScriptedClient.request.replacing("/line", with: "/forbidden"), "403"),
            (ScriptedClient.request.replacing("Version: 13", with: "Version: 8"), "426"),
            ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", "413"),
        ]
        for (request, answer) in cases {
            let peer = node.workers[0].kernel.connect()
            peer.write(request)
            peer.write(ScriptedHTTPTests.request("GET", "/never"))
            #expect(node.settle())
            let answers = ScriptedHTTPTests.answers(peer.received)
            #expect(answers.count == 1 && answers[0].hasPrefix(answer) && peer.hasSeenEnd, "\(request): \(answers)")
            peer.end()
            #expect(node.settle() && peer.isClosed)
        }
        let aborted = node.workers[0].kernel.connect()
        aborted.write(ScriptedClient.request.replacing("/line", with: "/abort"))
        #expect(node.settle())
        #expect(aborted.isClosed && aborted.received.isEmpty)
        #expect(node.leftovers == [] && !node.workers[0].router.requests.contains { $0.contains("never") })
    }

    /// Frames behind the upgrade, cut at every byte of both.
    @Test
    func framesGluedToTheUpgrade() throws {
        let node = try ScriptedNode(ScriptedNode.Plan())
        let client = ScriptedClient(node.workers[0].kernel.connect())
        let frames = client.frame(1, Array("R one".utf8)) + client.frame(9, [7]) + client.frame(1, Array("R two".utf8))
        let whole = Array(ScriptedClient.request.utf8) + frames
        for cut in 1..<whole.count {
            let client = ScriptedClient(node.workers[0].kernel.connect())
            client.peer.write(Array(whole[..<cut]))
            #expect(node.settle())
            client.peer.write(Array(whole[cut...]))
            #expect(node.settle())
            client.read()
            let expected = [
                ReceivedFrame(opcode: 1, payload: Array("R one".utf8)), ReceivedFrame(opcode: 10, payload: [7]),
                ReceivedFrame(opcode: 1, payload: Array("R two".utf8)),
            ]
            #expect(client.frames == expected && client.faults == [])
            client.peer.end()
            #expect(node.settle())
        }
    }

    /// The answer to a request that published waits until the other worker has taken it.
    @Test
    func anAnswerWaitsForItsPublishesToBeOrdered() throws {
        let node = try ScriptedNode(ScriptedNode.Plan(workerCount: 2))
        let names = node.names(homes: [0, 1])
        let reader = node.connect(0)
        for name in names { reader.send("S \(name)") }
        #expect(node.settle())
        _ = reader.takeTexts()
        let bodies = [
            "\(names[1]) a", "\(names[1]) b\n\(names[0]) c",
            "\(names[0]) d\n\(names[1]) e\n\(names[0]) f\n\(names[1]) g",
        ]
        for body in bodies {
            let peer = node.workers[0].kernel.connect()
            peer.write(ScriptedHTTPTests.request("POST", "/publish", body))
            for _ in 0..<5 { node.turn(0) }
            // The other worker has not had a turn.
            #expect(peer.received.isEmpty)
            #expect(node.settle())
            #expect(ScriptedHTTPTests.answers(peer.received) == ["200 published"])
        }
        #expect(reader.takeTexts() == ["a", "b", "c", "d", "e", "f", "g"])
        // A publish whose home is here needs no waiting.
        let peer = node.workers[0].kernel.connect()
        peer.write(ScriptedHTTPTests.request("POST", "/publish", "\(names[0]) h"))
        for _ in 0..<5 { node.turn(0) }
        #expect(ScriptedHTTPTests.answers(peer.received) == ["200 published"])
    }

    /// A publisher that is gone before its turn: what was taken is published, and its place is free for others.
    @Test
    func heldPublishesOutliveTheirConnection() throws {
        let node = try ScriptedNode(ScriptedNode.Plan(workerCount: 2))
        let names = node.names(homes: [0, 1])
        let reader = node.connect(0)
        for name in names { reader.send("S \(name)") }
        #expect(node.settle())
        _ = reader.takeTexts()
        let peer = node.workers[0].kernel.connect()
        peer.write(ScriptedHTTPTests.request("POST", "/publish", "\(names[1]) a\n\(names[0]) b\n\(names[1]) c"))
        for _ in 0..<3 { node.turn(0) }
        peer.reset()
        for _ in 0..<5 { node.turn(0) }
        #expect(peer.isClosed)
        let other = node.workers[0].kernel.connect()
        other.write(ScriptedHTTPTests.request("GET", "/other"))
        #expect(node.settle())
        #expect(reader.takeTexts() == ["a", "b", "c"])
        #expect(ScriptedHTTPTests.answers(other.received) == ["200 /other"])
    }

    @Test
    func deadlinesOfRequests() throws {
        var plan = ScriptedNode.Plan()
        plan.limits.headSeconds = 5
        plan.limits.idleSeconds = 30
        plan.limits.closeSeconds = 2
        let node = try ScriptedNode(plan)
        let kernel = node.workers[0].kernel
        let silent = kernel.connect()
        let slow = kernel.connect()
        let idle = kernel.connect()
        slow.write("GET / HT")
        idle.write(ScriptedHTTPTests.request("GET", "/a"))
        #expect(node.settle())
        node.pass(seconds: 6)
        node.turnAll(3)
        #expect(silent.isClosed && silent.received.isEmpty)
        #expect(ScriptedHTTPTests.answers(slow.received).first?.hasPrefix("408") == true && slow.hasSeenEnd)
        #expect(!idle.isClosed)
        // Its next request has its own deadline.
        node.pass(seconds: 20)
        idle.write("GET /b HTTP/1.1\r\n")
        #expect(node.settle() && slow.isClosed && !idle.isClosed)
        node.pass(seconds: 6)
        node.turnAll(3)
        #expect(ScriptedHTTPTests.answers(idle.received).last?.hasPrefix("408") == true)
        idle.end()
        #expect(node.settle())
        #expect(node.leftovers == [])
    }
}
