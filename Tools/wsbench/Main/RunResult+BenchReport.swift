import WSBenchCore
import WSBenchReport

extension RunResult {
    /// What a run reported, in the form that all outputs take.
    init(_ report: BenchReport, plan: BenchPlan, environment: RunEnvironment) {
        var scenario = Scenario(
            name: report.shape, dialect: report.dialect,
            url: "\(plan.isSecure ? "wss" : "ws")://\(plan.host):\(plan.port)\(plan.path)",
            connections: report.connections,
            channels: report.channels, messageBytes: report.textBytes, threads: report.threads)
        scenario.window = report.window
        scenario.perSecond = report.rate
        scenario.seed = plan.seed
        scenario.warmupSeconds = Double(plan.warmupNanoseconds) / 1e9
        scenario.label = report.name
        self.init(scenario: scenario, environment: environment)
        seconds = report.seconds
        published = report.published
        delivered = report.delivered
        publishedPerSecond = report.publishedPerSecond
        deliveredPerSecond = report.deliveredPerSecond
        expected = report.delivered > 0 ? report.delivered + report.lost : nil
        latency = Latencies(
            intended: report.latency.flatMap(Self.latency), service: report.serviceLatency.flatMap(Self.latency))
        connects = report.connectLatency.flatMap(Self.latency)
        timings = Self.timings(report)
        cost.serverMicrosecondsPerDelivery = report.serverMicrosecondsPerDelivery
        cost.ownMicrosecondsPerDelivery = report.ownMicrosecondsPerDelivery
        cost.serverCPUShare = report.serverCPUShare
        cost.ownCPUShare = report.ownMicrosecondsPerDelivery.map { $0 / 1e6 * report.deliveredPerSecond }
        memory = report.memory.map { memory in
            Memory(
                beforeBytes: memory.beforeBytes, connectedBytes: memory.connectedBytes, endBytes: memory.endBytes,
                residentBytesPerConnection: memory.residentBytesPerConnection,
                proportionalBytesPerConnection: memory.proportionalBytesPerConnection)
        }
        checks = Self.checks(report)
        own = OwnMeasure(
            busyShare: report.selfMeasure.busyShare, sentRatio: report.selfMeasure.sentRatio,
            turn: report.selfMeasure.turn.flatMap(Self.latency),
            sendLag: report.selfMeasure.sendLag.flatMap(Self.latency))
        machine = MachineMeasure(
            stolenShare: report.selfMeasure.stolenShare, serverWaitShare: report.selfMeasure.serverWaitShare,
            ownWaitShare: report.selfMeasure.ownWaitShare)
        // A search tries many rates, and its result is that of the last: the intervals have all of them.
        intervals = Self.intervals(report.samples, haveHistograms: report.maximum == nil)
        marks = Self.marks(report.storm)
        steps = Self.steps(report)
        details = Self.details(report)
        parts = report.parts.map { part in
            RunResult(part, plan: plan, environment: RunEnvironment())
        }
        verdict.isGood = report.isGood && report.refusals.isEmpty && parts.allSatisfy(\.verdict.isGood)
        verdict.reasons = report.refusals + Self.faults(report)
        verdict.notes = report.caveats
        for part in parts where !part.verdict.isGood {
            let name = part.scenario.label ?? part.scenario.name
            verdict.reasons += part.verdict.reasons.map { "\(name): \($0)" }
        }
    }

    private static func latency(_ latency: BenchReport.Latency) -> Latency? { Latency(histogram(latency.distribution)) }

    private static func histogram(_ distribution: LatencyDistribution) -> HistogramSnapshot {
        HistogramSnapshot(zip(distribution.nanoseconds, distribution.counts).map { (nanoseconds: $0, count: $1) })
    }

    private static func marks(_ storm: BenchReport.Storm?) -> [Mark] {
        guard let storm, let start = storm.atSeconds else { return [] }
        let back = storm.secondsUntilAllBack.map { Mark(atSeconds: start + $0, text: "all back") }
        return [Mark(atSeconds: start, text: "\(Figure.count(Double(storm.dropped))) dropped")]
            + [back].compactMap { $0 }
    }

    private static func timings(_ report: BenchReport) -> [Timing] {
        let named: [(String, BenchReport.Latency?)] = [
            ("publish", report.publishLatency), ("subscribe", report.churn?.subscribe),
            ("/up in storm", report.storm?.up),
        ]
        return named.compactMap { name, measured in
            measured.flatMap(latency).map { Timing(name: name, latency: $0) }
        }
    }

    private static func checks(_ report: BenchReport) -> Checks {
        var checks = Checks()
        checks.lost = report.lost
        checks.doubled = report.doubled
        checks.reordered = report.reordered
        checks.late = report.late
        checks.invalidFrames = report.invalidFrames
        checks.foreign = report.foreign
        checks.connectFailures = UInt64(max(0, report.connectFailures + report.unopened))
        checks.unsubscribed = UInt64(max(0, report.unsubscribed))
        checks.disconnected = report.disconnected
        checks.refused = report.publishFailures
        return checks
    }

    private static func intervals(_ samples: [BenchReport.Sample], haveHistograms: Bool) -> [Interval] {
        var start = 0.0
        var errors: UInt64 = 0
        return samples.map { sample in
            let seconds = max(0, sample.seconds - start)
            var interval = Interval(
                atSeconds: start, seconds: seconds, phase: sample.phase,
                published: UInt64(max(0, (sample.publishedPerSecond * seconds).rounded())),
                delivered: UInt64(max(0, (sample.deliveredPerSecond * seconds).rounded())),
                connections: sample.connections, errors: sample.errors >= errors ? sample.errors - errors : 0)
            start = sample.seconds
            errors = sample.errors
            interval.serverCPUShare = sample.serverCPUShare
            interval.ownCPUShare = sample.ownCPUShare
            interval.stolenShare = sample.stolenShare
            interval.serverResidentBytes = sample.serverResidentBytes
            interval.serverDescriptors = sample.serverDescriptors
            interval.p50 = sample.p50 > 0 ? sample.p50 : nil
            interval.p99 = sample.p99 > 0 ? sample.p99 : nil
            if haveHistograms {
                interval.intended = sample.latency.map(histogram)
                interval.service = sample.service.map(histogram)
            }
            return interval
        }
    }

    private static func steps(_ report: BenchReport) -> [Step] {
        (report.maximum?.steps ?? []).map { step in
            Step(
                perSecond: step.rate, deliveredPerSecond: step.deliveredPerSecond, latency: step.latency,
                isKept: step.holds, reason: step.reason)
        }
    }

    // MARK: Numbers of single scenarios

    private static func details(_ report: BenchReport) -> [Detail] {
        var details: [Detail] = []
        func add(_ name: String, _ value: Double?, _ unit: String = "") {
            if let value { details.append(Detail(name: name, value: value, unit: unit)) }
        }
        if let maximum = report.maximum {
            add("highest rate that keeps the bound", maximum.rate, "/s")
            add("deliveries at it", maximum.deliveredPerSecond, "/s")
            add("bound", maximum.bound, "µs")
            add("percentile that is bound", maximum.percentile, "%")
        }
        if report.rampSeconds > 0 {
            add("all connected after", report.rampSeconds, "s")
            add("handshakes", report.handshakesPerSecond, "/s")
        }
        if let storm = report.storm {
            add("dropped at once", Double(storm.dropped))
            add("came back", Double(storm.returned))
            add("all back after", storm.secondsUntilAllBack, "s")
            add("handshakes in the storm", storm.handshakesPerSecond, "/s")
            add("failed attempts", Double(storm.failedAttempts))
            add("unanswered requests for /up", Double(storm.upFailures))
        }
        if let slow = report.slow {
            add("slow readers", Double(slow.readers))
            add("given up by the server", Double(slow.closedByServer))
            add("delivered to them", Double(slow.delivered))
            add("passed over for them", Double(slow.lost))
        }
        if let churn = report.churn {
            add("subscribed", churn.subscribedPerSecond, "/s")
            add("subscriptions begun", Double(churn.subscribed))
            add("subscriptions ended", Double(churn.unsubscribed))
            add("messages after an end", Double(churn.afterEnd))
        }
        if let presence = report.presence {
            add("members that joined", Double(presence.joined))
            add("members that left", Double(presence.left))
            add("notices of arrivals", Double(presence.added))
            add("expected", Double(presence.addedExpected))
            add("notices of departures", Double(presence.removed))
            add("expected of those", Double(presence.removedExpected))
        }
        if let resumed = report.resumedHandshakes { add("TLS sessions resumed", Double(resumed)) }
        if let compression = report.compression {
            add("connections that compress", Double(compression.connections))
            add("bytes of frames", Double(compression.wireBytes), "B")
            add("bytes of messages in them", Double(compression.payloadBytes), "B")
        }
        if report.heldBack > 0 { add("held back by wsbench", Double(report.heldBack)) }
        if report.processes > 1 { add("processes of wsbench", Double(report.processes)) }
        return details
    }

    /// What went wrong, a sentence each.
    private static func faults(_ report: BenchReport) -> [String] {
        var sentences: [String] = []
        func add(_ count: UInt64, _ one: String, _ many: String) {
            if count > 0 { sentences.append(count == 1 ? "1 \(one)" : "\(Figure.count(Double(count))) \(many)") }
        }
        add(report.lost, "message never reached a subscriber", "messages never reached a subscriber")
        add(report.doubled, "message came twice", "messages came twice")
        add(report.reordered, "message came after a later one", "messages came after later ones")
        add(
            UInt64(max(0, report.connectFailures + report.unopened)), "connection could not be opened",
            "connections could not be opened")
        add(UInt64(max(0, report.unsubscribed)), "subscription was not in force", "subscriptions were not in force")
        add(report.disconnected, "connection ended before its time", "connections ended before their time")
        add(report.invalidFrames, "frame was no valid frame", "frames were no valid frames")
        add(report.foreign, "message was sent by nobody", "messages were sent by nobody")
        add(report.publishFailures, "request to publish was refused", "requests to publish were refused")
        if report.stalled { sentences.append("nothing arrived for so long that the run was ended early") }
        if let failure = report.failure, !report.isGood { sentences.append(failure) }
        return sentences
    }
}

extension BenchReport {
    /// Without the samples, which a result has as its intervals.
    var withoutSamples: BenchReport {
        var report = self
        report.samples = []
        report.parts = parts.map(\.withoutSamples)
        return report
    }
}
