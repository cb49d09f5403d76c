/// Whether the numbers are the server's or wsbench's own.
enum SelfCheck {
    /// A loop that is busy for more than this share of the time adds its own waiting to what it measures.
    static let busyShareMax = 0.95
    /// Open loop: messages may leave so much later than intended on wsbench's own account, at the 99th percentile: an
    /// absolute bound, and a share of the measured 99th percentile of latency. Both must be exceeded.
    static let sendLagMicrosecondsMax = 1_000.0
    static let sendLagShareMax = 0.5
    /// The same for the length of a turn, by which arrivals are seen too late at most.
    static let turnMicrosecondsMax = 10_000.0
    static let turnShareMax = 0.9
    /// Open loop: the share of the intended messages that must have been sent.
    static let sentRatioMin = 0.99
    /// The machine below may have taken this share of the processors' time before it is mentioned: beyond it more than
    /// one message in a hundred met a processor that was not there.
    static let stolenShareMax = 0.01

    /// How wsbench did in the measured interval.
    static func measure(
        _ part: BenchPart, from start: BenchMoment, to end: BenchMoment, index: Int
    ) -> BenchReport.SelfMeasure {
        var measure = BenchReport.SelfMeasure()
        let time = Double(end.time - start.time)
        for (before, after) in zip(start.busy[index], end.busy[index]) {
            measure.busyShare = max(measure.busyShare, Double(after - before) / time)
        }
        if let before = start.machine, let after = end.machine {
            func waited(_ before: UInt64?, _ after: UInt64?) -> Double? {
                guard let before, let after, after >= before else { return nil }
                return Double(after - before) / time
            }
            measure.stolenShare = after.stolenShare(since: before)
            measure.serverWaitShare = waited(before.serverWait, after.serverWait)
            measure.ownWaitShare = waited(before.ownWait, after.ownWait)
        }
        measure.turn = BenchReport.Latency(part.board, .turn, since: part.baseline)
        measure.sendLag = BenchReport.Latency(part.board, .sendLag, since: part.baseline)
        if case .rate(let rate) = part.plan.pace, part.plan.shape != .idle, part.plan.shape != .presence {
            let sent = Double(end.published[index] - start.published[index])
            // One message may fall on either side of each end.
            measure.sentRatio = min(1, (sent + 1) / max(1, (rate * time / 1e9).rounded(.down)))
        }
        return measure
    }

    /// Why the result does not stand, and what to keep in mind.
    static func judge(_ report: BenchReport, _ plan: BenchPlan) -> (refusals: [String], caveats: [String]) {
        var refusals: [String] = []
        var caveats: [String] = []
        let own = report.selfMeasure
        let isOpenLoop = if case .rate = plan.pace { true } else { false }
        let remedy = "add --threads or --processes, or lower the load"
        func milliseconds(_ microseconds: Double) -> String { "\((microseconds / 100).rounded() / 10) ms" }
        if own.busyShare > busyShareMax {
            let share = Int((own.busyShare * 100).rounded())
            let text = "wsbench's busiest thread was at work \(share) % of the time, so the numbers are partly its own"
            if isOpenLoop { refusals.append("\(text); \(remedy)") } else { caveats.append("\(text); \(remedy)") }
        }
        if let compression = report.compression, compression.connections == 0 {
            caveats.append("no connection agreed to permessage-deflate; check --deflate and the server's settings")
        }
        if let stolen = own.stolenShare, stolen > stolenShareMax {
            caveats.append(
                "the machine below this virtual one took \((stolen * 1_000).rounded() / 10) % of the processors' time, "
                    + "so latencies and rates are partly its own; measure again when it is quieter")
        }
        let p99 = report.latency?.p99 ?? 0
        if isOpenLoop, let lag = own.sendLag?.p99, lag > sendLagMicrosecondsMax, lag > sendLagShareMax * p99 {
            refusals.append(
                "one message in a hundred left wsbench more than \(milliseconds(lag)) late on its own account; "
                    + remedy
            )
        }
        if isOpenLoop, let turn = own.turn?.p99, turn > turnMicrosecondsMax, turn > turnShareMax * p99 {
            refusals.append(
                "wsbench's turns took more than \(milliseconds(turn)) at the 99th percentile, about as long as the "
                    + "latency it measured; \(remedy)")
        }
        if own.sentRatio < sentRatioMin, report.seconds > 0 {
            let share = Int((own.sentRatio * 100).rounded(.down))
            let text = "only \(share) % of the messages asked for could be sent"
            if report.heldBack > 0 {
                caveats.append("\(text): the slowest subscriber was too far behind")
            } else if own.busyShare > busyShareMax {
                refusals.append("\(text), because wsbench was too busy; \(remedy)")
            } else {
                caveats.append("\(text): the server did not take more")
            }
        }
        return (refusals, caveats)
    }
}
