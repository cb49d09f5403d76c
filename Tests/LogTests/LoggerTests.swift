import Glibc
import Testing

@testable import ClarionLog

/// A pipe whose reading end the test owns.
private struct Pipe {
    let reader: Int32
    let writer: Int32

    init() throws {
        var ends: [Int32] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        reader = ends[0]
        writer = ends[1]
    }

    func makeNonBlocking(_ end: Int32) { _ = fcntl(end, F_SETFL, O_NONBLOCK) }

    /// All that can be read until the writing end is closed.
    func readToEnd() -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe read(reader, &chunk, chunk.count)
            if count <= 0 { break }
            bytes.append(contentsOf: chunk[0..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

@Suite struct LoggerTests {
    @Test func linesBelowTheLevelAreNotBuilt() throws {
        let pipe = try Pipe()
        let sink = try LogSink(descriptor: pipe.writer)
        let logger = Logger(level: .warning, format: .auto, sink: sink, terminal: false)
        func costly() -> LogValue {
            Issue.record("built a field of a line that is not written")
            return "no"
        }
        logger.info("quiet", ["field": costly()])
        logger.error("loud", ["secret": "none"])
        #expect(logger.flush(withinMilliseconds: 5_000))
        sink.close()
        close(pipe.writer)
        let text = pipe.readToEnd()
        #expect(text.hasSuffix(#""level":"error","event":"loud","secret":"none"}"# + "\n"))
        #expect(!text.contains("quiet"))
    }

    @Test func sampledLinesTellHowManyWereLeftOut() throws {
        let pipe = try Pipe()
        let sink = try LogSink(descriptor: pipe.writer)
        let logger = Logger(level: .debug, format: .json, sink: sink, terminal: true)
        for _ in 0..<5 { logger.sampled(.warning, reason: "origin", "refused", ["peer": "::1"]) }
        usleep(1_050_000)
        logger.sampled(.warning, reason: "origin", "refused")
        #expect(logger.flush(withinMilliseconds: 5_000))
        close(pipe.writer)
        sink.close()
        let lines = pipe.readToEnd().split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.first?.hasSuffix(#""peer":"::1","reason":"origin"}"#) == true)
        #expect(lines.last?.hasSuffix(#""reason":"origin","left_out":4}"#) == true)
    }
}

@Suite struct LogSinkTests {
    @Test func aBlockedTargetHoldsUpNobody() throws {
        let pipe = try Pipe()
        let sink = try LogSink(descriptor: pipe.writer, bounds: LogSinkBounds(linesMax: 100, bytesMax: 128 * 1024)) {
            "dropped \($0)"
        }
        let line = String(repeating: "x", count: 1_000)
        let start = ContinuousClock.now
        for _ in 0..<2_000 { sink.put(line) }
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect(!sink.flush(withinMilliseconds: 10), "nobody reads, so not everything can be written")
        let dropped = sink.droppedCount
        #expect(dropped > 1_000)
        // Now somebody reads: the rest arrives, and the report of what is missing.
        pipe.makeNonBlocking(pipe.reader)
        var text = ""
        for _ in 0..<5_000 {
            text += pipe.readToEnd()
            if text.hasSuffix("dropped \(dropped)\n") { break }
            usleep(1_000)
        }
        #expect(sink.flush(withinMilliseconds: 5_000))
        text += pipe.readToEnd()
        let lines = text.split(separator: "\n")
        #expect(lines.filter { $0 == line }.count == 2_000 - Int(dropped))
        let told = lines.compactMap { $0.hasPrefix("dropped ") ? Int($0.dropFirst(8)) : nil }
        #expect(told.reduce(0, +) == Int(dropped))
        sink.put("after")
        #expect(sink.flush(withinMilliseconds: 5_000))
        #expect(pipe.readToEnd() == "after\n")
        sink.close()
    }

    @Test func aNonBlockingTargetLosesNothing() throws {
        let pipe = try Pipe()
        pipe.makeNonBlocking(pipe.writer)
        let sink = try LogSink(descriptor: pipe.writer)
        let line = String(repeating: "y", count: 999)
        for _ in 0..<200 { sink.put(line) }
        pipe.makeNonBlocking(pipe.reader)
        var byteCount = 0
        for _ in 0..<5_000 {
            byteCount += pipe.readToEnd().utf8.count
            if byteCount >= 200_000 { break }
            usleep(1_000)
        }
        #expect(byteCount == 200_000)
        #expect(sink.droppedCount == 0)
        sink.close()
    }

    @Test func aClosedTargetEndsNothingButTheLines() throws {
        let pipe = try Pipe()
        close(pipe.reader)
        let sink = try LogSink(descriptor: pipe.writer)
        sink.put("nobody hears this")
        #expect(sink.flush(withinMilliseconds: 5_000))
        #expect(sink.droppedCount == 1)
        sink.close()
    }

    @Test func manyThreadsWriteWholeLines() async throws {
        let pipe = try Pipe()
        let sink = try LogSink(descriptor: pipe.writer, bounds: LogSinkBounds(linesMax: 10_000, bytesMax: 1 << 20))
        let reading = Task.detached { pipe.readToEnd() }
        await withTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask { for index in 0..<200 { sink.put("\(writer) \(index) end") } }
            }
        }
        #expect(sink.flush(withinMilliseconds: 5_000))
        sink.close()
        close(pipe.writer)
        let lines = await reading.value.split(separator: "\n")
        #expect(lines.count == 1_600)
        #expect(lines.allSatisfy { $0.hasSuffix(" end") })
    }
}
