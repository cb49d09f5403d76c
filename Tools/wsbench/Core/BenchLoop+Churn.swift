import CBench
import Synchronization

/// Which subscription ends and which begins next: in circles over the connections, the beginning some places behind the
/// end, so that always the same share is without a subscription.
struct ChurnTurns {
    /// Messages published so long after the end of a subscription must not come any more.
    static let graceNanoseconds: UInt64 = 1_000_000_000

    private let rate: Double
    private let distance: Int
    private let count: Int
    private var schedule = Schedule()

    init(plan: BenchPlan, loops: Int, count: Int) {
        rate = plan.churnRate / Double(loops)
        self.count = count
        distance = min(max(1, Int(Double(count) * plan.churnShare)), max(1, count - 1))
    }

    /// Whose subscription ends now, and whose begins; or how long to wait.
    enum Turn {
        case now(ending: Int, beginning: Int?)
        case later(Int64)
    }

    mutating func next(now: UInt64) -> Turn {
        guard count > 1 else { return .later(-1) }
        let due = schedule.due(rate: rate, now: now)
        if due > now { return .later(Int64(due - now)) }
        let number = Int(schedule.taken)
        schedule.take()
        return .now(
            ending: number % count, beginning: number >= distance ? (number - distance) % count : nil)
    }
}

extension BenchLoop {
    /// Ends and begins subscriptions that are due; the nanoseconds until more are.
    mutating func turnSubscriptions(now: UInt64) -> Int64 {
        guard phase == .running else { return -1 }
        while true {
            switch churn.next(now: now) {
            case .later(let pause): return pause
            case .now(let ending, let beginning):
                if let beginning, unsafe subscribers[beginning].stage == .idle {
                    mine.add(.subscribed)
                    subscribe(beginning)
                }
                if unsafe subscribers[ending].isReady { unsubscribe(ending) }
            }
        }
    }

    private mutating func unsubscribe(_ index: Int) {
        let channel = unsafe Int(subscribers[index].channel)
        forgetSubscription(index)
        unsafe subscribers[index].stage = .idle
        unsafe subscribers[index].expected = Subscriber.unproved
        unsafe since[index] = board.now
        mine.add(.unsubscribed)
        let text = plan.dialect.unsubscription(channel: plan.channelName(channel)) ?? ""
        if !sendWhole(ClientFrame.text(text), index) { lose(index) }
    }
}
