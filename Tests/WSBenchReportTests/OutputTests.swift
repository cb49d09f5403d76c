import Foundation
import Testing

@testable import WSBenchReport

@Suite struct OutputTests {
    @Test func aLogOfHistograms() throws {
        let result = SampleRuns.result(seed: 1, intervals: 3)
        let lines = HistogramLog.text(result).split(separator: "\n")
        #expect(lines[1] == "#[Histogram log format version 1.3]")
        #expect(lines[2].hasPrefix("#[StartTime: 1767323045.000 (seconds since epoch)"))
        let intervals = lines.filter { $0.hasPrefix("Tag=") }
        #expect(intervals.count == 1 + 3 * 2)
        var sums = ["intended": HistogramSnapshot(nanoseconds: []), "service": HistogramSnapshot(nanoseconds: [])]
        for line in intervals {
            let fields = line.split(separator: ",")
            #expect(fields.count == 5)
            let histogram = try HistogramCodec.decode(String(fields[4]))
            sums[String(fields[0].dropFirst(4))]?.add(histogram)
            #expect(abs(try #require(Double(fields[3])) - Double(histogram.maximum) / 1e6) < 0.001)
        }
        #expect(sums["intended"] == result.latency.intended?.histogram)
        #expect(sums["service"] == result.latency.service?.histogram)
        #expect(intervals.last?.contains(",2.000,1.000,") == true)
    }

    @Test func withoutIntervalsTheWholeRunIsOneLine() throws {
        var result = SampleRuns.result(seed: 1, intervals: 3)
        for index in result.intervals.indices { result.intervals[index].intended = nil }
        let lines = HistogramLog.text(result).split(separator: "\n")
        #expect(lines.count { $0.hasPrefix("Tag=intended,0.000,3.000,") } == 1)
        #expect(lines.count { $0.hasPrefix("Tag=service,") } == 3)
    }

    @Test func coarserIntervalsAddUp() {
        let fine = SampleRuns.result(seed: 1, intervals: 21)
        var coarse = fine
        coarse.coarsen(intervalsMax: 6)
        #expect(coarse.intervals.count == 6)
        #expect(coarse.intervals.map(\.delivered).reduce(0, +) == fine.delivered)
        #expect(coarse.intervals.map(\.seconds).reduce(0, +) == 21)
        #expect(coarse.intervals[1].atSeconds == 4)
        var sum = HistogramSnapshot(nanoseconds: [])
        for interval in coarse.intervals { interval.intended.map { sum.add($0) } }
        #expect(sum == fine.latency.intended?.histogram)
        let cpu = fine.intervals.reduce(0) { $0 + ($1.serverCPUShare ?? 0) * $1.seconds }
        #expect(abs(coarse.intervals.reduce(0) { $0 + ($1.serverCPUShare ?? 0) * $1.seconds } - cpu) < 1e-9)
    }

    @Test func figures() {
        #expect(Figure.count(1_234_567) == "1\u{202F}234\u{202F}567")
        #expect(Figure.count(-12_345) == "-12\u{202F}345")
        #expect(Figure.count(1_234) == "1234")
        #expect(Figure.time(microseconds: 12.34) == "12.3 µs")
        #expect(Figure.time(microseconds: 1_234) == "1.23 ms")
        #expect(Figure.time(microseconds: 2_500_000) == "2.50 s")
        #expect(Figure.bytes(500) == "500 bytes")
        #expect(Figure.bytes(3_145_728) == "3.00 MiB")
        #expect(Figure.change(0.0321) == "+3.21 %")
        #expect(Figure.change(-0.5) == "-50.0 %")
        #expect(Figure.fixed(-0.004, decimals: 2) == "-0.00" || Figure.fixed(-0.004, decimals: 2) == "0.00")
        #expect(Figure.fixed(.nan, decimals: 2) == "-")
        #expect(Figure.trimmed(2.5) == "2.5" && Figure.trimmed(10) == "10")
    }

    @Test func theTableSaysWhatMatters() {
        var result = SampleRuns.result(seed: 1)
        let good = TextReport.text(result)
        for part in [
            "fanout", "open loop at 500 messages/s", "intended", "p99.9", "lost", "verdict", "good",
            "bytes resident per connection",
        ] {
            #expect(good.contains(part), "\(part)")
        }
        result.checks.lost = 3
        result.verdict.isGood = false
        result.verdict.reasons = ["3 messages never came"]
        result.steps = [Step(perSecond: 1_000, deliveredPerSecond: 10_000, latency: 200, isKept: false, reason: nil)]
        result.details = [Detail(name: "reconnected after", value: 1.5, unit: "s")]
        let bad = TextReport.text(result)
        for part in ["3 messages never came", "broken", "reconnected after", "1.50 s"] {
            #expect(bad.contains(part), "\(part)")
        }
    }

    @Test func progressOnATerminalAndInALog() throws {
        let moment = ProgressMoment(
            phase: "measuring", elapsedSeconds: 3.2, totalSeconds: 10, deliveredPerSecond: 123_456, connections: 900,
            connectionsWanted: 1_000,
            p50: 250, p99: 1_900, errors: 2)
        let text = "measuring 3/10 s · 123\u{202F}456/s · p50 250 µs p99 1.90 ms · 900 of 1000 connections · 2 errors"
        #expect(moment.line == text)
        func written(_ style: ProgressDisplay.Style, _ show: (inout ProgressDisplay) -> Void) throws -> String {
            let pipe = Pipe()
            var display = ProgressDisplay(style: style, descriptor: pipe.fileHandleForWriting.fileDescriptor)
            show(&display)
            try pipe.fileHandleForWriting.close()
            return String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        }
        let seconds: UInt64 = 1_000_000_000
        let plain = try written(.auto) { display in
            for second in 0...6 { display.show(moment, now: .max / 2 + UInt64(second) * seconds) }
            display.clear()
        }
        #expect(plain == "wsbench: \(text)\nwsbench: \(text)\n")
        let line = try written(.line) { display in
            display.show(moment, now: seconds)
            display.show(moment, now: seconds + 1)
            display.show(moment, now: 2 * seconds)
            display.clear()
        }
        #expect(line == "\r\u{1B}[2K\(text)\r\u{1B}[2K\(text)\r\u{1B}[2K")
        #expect(try written(.off) { $0.show(moment) } == "")
    }

    @Test func theEnvironment() {
        let here = EnvironmentProbe.collect(
            arguments: ["wsbench", "--secret", "s3", "--app-key=k", "--rate", "5"])
        #expect(here.command == ["wsbench", "--secret", "***", "--app-key=***", "--rate", "5"])
        #expect(!here.kernel.isEmpty && here.processorsOnline > 0 && here.processorsUsable > 0)
        #expect((here.memoryBytes ?? 0) > 0 && (here.descriptorsHard ?? 0) > 0)
        #expect(here.startedAt.hasSuffix("Z") && here.startedAtSeconds > 1.7e9)
        #expect(here.server == nil)
        #expect(ServerProbe.ask(host: "127.0.0.1", port: 1, processes: []) == nil)
        #expect(EnvironmentProbe.processors(inList: "0-3,8") == 5)
        #expect(EnvironmentProbe.quota(inCPUMax: "150000 100000") == 1.5)
        #expect(EnvironmentProbe.quota(inCPUMax: "max 100000") == nil)
        #expect(EnvironmentProbe.processorName(inCPUInfo: "x\t: 1\nmodel name\t:  A  B \n") == "A B")
        #expect(EnvironmentProbe.value(of: "PRETTY_NAME", in: "A=1\nPRETTY_NAME=\"Debian 12\"\n") == "Debian 12")
    }

    @Test func whatServersSayOfThemselves() {
        let answer =
            "HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n# HELP x\nclarion_info{version=\"0.2\",backend=\"io_uring\",workers=\"4\"} 1\n"
        #expect(ServerProbe.header("server", in: answer) == "nginx")
        #expect(ServerProbe.header("date", in: answer) == nil)
        let labels = ServerProbe.labels(of: "clarion_info", in: answer)
        #expect(labels == ["version": "0.2", "backend": "io_uring", "workers": "4"])
        #expect(ServerProbe.labels(of: "other", in: answer) == nil)
    }
}
