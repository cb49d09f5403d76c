import CBench
import Synchronization

/// Who joins and leaves the presence channels of one loop.
///
/// In each channel one thing happens at a time: a member leaves; when another has been told of it, one joins; when that
/// is confirmed and everybody has been told, the next may leave. So it is known who must be told of what. A member is
/// named by a marker whose sequence is the number of its arrival, so notices of arrivals are checked like messages of a
/// fan-out.
struct PresenceTurns {
    /// What a channel waits for.
    enum Stage: Equatable {
        /// For the next turn.
        case none
        /// For the notice that a member has left.
        case leaving
        /// For the confirmation that one has joined.
        case joining
    }

    struct Channel {
        var stage = Stage.none
        /// The member that joins next, as a place among the channel's, and those that are in.
        var nextJoin = 0
        var nextLeave = 0
        var inside = 0
        /// Notices that are still to come, and when the latest change began that causes some.
        var missing = 0
        var changedAt: UInt64 = 0
    }

    /// Notices that have not come after so long are lost, and not waited for any more.
    static let noticeNanosecondsMax: UInt64 = 3_000_000_000

    let members: Int
    /// The first channel of the loop.
    let first: Int
    var channels: [Channel]
    private var schedule = Schedule()
    private let rate: Double

    init(plan: BenchPlan, loops: Int, connections: Range<Int>) {
        members = plan.membersPerChannel
        first = connections.lowerBound / members
        let count = plan.shape == .presence ? connections.count / members : 0
        channels = [Channel](repeating: Channel(), count: count)
        rate = plan.churnRate * Double(count) / Double(plan.channels)
    }

    /// Notices that are still to come, over all channels.
    var missing: Int { channels.reduce(0) { $0 + $1.missing } }

    /// Whether all members are in and have been told of everything, so that one may leave. A channel that waits in
    /// vain goes on after a while.
    mutating func isQuiet(_ place: Int, now: UInt64) -> Bool {
        let isOverdue = now > channels[place].changedAt + Self.noticeNanosecondsMax
        if isOverdue, channels[place].stage != .joining {
            channels[place].missing = 0
            channels[place].stage = .none
        }
        return channels[place].stage == .none && channels[place].missing == 0 && channels[place].inside == members
    }

    mutating func sawAdded(channel: Int, _ board: LoopBoard) {
        channels[channel - first].missing = max(0, channels[channel - first].missing - 1)
        board.add(.added)
    }

    mutating func sawRemoved(channel: Int, _ board: LoopBoard) {
        channels[channel - first].missing = max(0, channels[channel - first].missing - 1)
        board.add(.removed)
        if channels[channel - first].stage == .leaving { channels[channel - first].stage = .none }
    }

    mutating func confirmed(channel: Int) {
        channels[channel - first].inside += 1
        channels[channel - first].stage = .none
    }

    /// A connection is gone: what it was waited for does not come.
    mutating func lost(channel: Int) {
        channels[channel - first].inside = max(0, channels[channel - first].inside - 1)
        channels[channel - first].stage = .none
    }

    /// The channel whose turn it is, as a place among the loop's; or how long to wait.
    enum Turn {
        case now(Int)
        case later(Int64)
    }

    mutating func next(now: UInt64) -> Turn {
        guard !channels.isEmpty else { return .later(-1) }
        let due = schedule.due(rate: rate, now: now)
        if due > now { return .later(Int64(due - now)) }
        defer { schedule.take() }
        return .now(Int(schedule.taken) % channels.count)
    }
}

extension BenchLoop {
    /// How often channels are looked at while they fill.
    private static let fillNanoseconds: Int64 = 1_000_000

    /// Lets members join and leave; the nanoseconds until more is due.
    mutating func turnMembers(now: UInt64) -> Int64 {
        switch phase {
        case .probing:
            for place in presence.channels.indices where presence.channels[place].stage == .none {
                join(place)
            }
            return opening.isIdle ? -1 : Self.fillNanoseconds
        case .running:
            for place in presence.channels.indices
            where presence.channels[place].stage == .none && presence.channels[place].inside < presence.members {
                join(place)
            }
            while true {
                switch presence.next(now: now) {
                case .later(let pause): return pause
                case .now(let place): leave(place)
                }
            }
        case .draining, .stopped: return -1
        }
    }

    /// The member at a place of a channel, as an index of the loop.
    private func member(_ place: Int, _ number: Int) -> Int { place * presence.members + number % presence.members }

    /// Members of a channel that are in: those who are told of what happens to another one.
    private func present(_ place: Int) -> Int {
        (0..<presence.members).reduce(0) { $0 + (unsafe subscribers[member(place, $1)].isReady ? 1 : 0) }
    }

    private mutating func join(_ place: Int) {
        let index = member(place, presence.channels[place].nextJoin)
        guard presence.channels[place].inside < presence.members else { return }
        guard unsafe subscribers[index].stage == .idle else {
            // Not open yet, or gone for good.
            if unsafe subscribers[index].stage == .absent, opening.isIdle { presence.channels[place].nextJoin += 1 }
            return
        }
        let channel = presence.first + place
        let sequence = unsafe board.published[channel].load(ordering: .relaxed) + 1
        unsafe board.published[channel].store(sequence, ordering: .releasing)
        let now = board.now
        let others = present(place)
        presence.channels[place].nextJoin += 1
        presence.channels[place].stage = .joining
        presence.channels[place].missing += others
        presence.channels[place].changedAt = now
        mine.add(.addedExpected, UInt64(others))
        mine.add(.joined)
        unsafe subscribers[index].stage = .subscribed
        unsafe subscribers[index].expected = sequence + 1
        unsafe since[index] = now
        let name = plan.channelName(channel)
        let data = "{\"user_id\":\"\(Marker.text(sequence: sequence, time: now))\"}"
        let auth = plan.application.authorization(socket: socketNames[index], channel: name, channelData: data)
        let text = plan.dialect.subscription(channel: name, auth: auth, channelData: data) ?? ""
        if !sendWhole(ClientFrame.text(text), index) { lose(index) }
    }

    private mutating func leave(_ place: Int) {
        guard presence.isQuiet(place, now: board.now) else { return }
        let index = member(place, presence.channels[place].nextLeave)
        presence.channels[place].nextLeave += 1
        guard unsafe subscribers[index].isReady else { return }
        forgetSubscription(index)
        unsafe subscribers[index].stage = .idle
        unsafe subscribers[index].expected = Subscriber.unproved
        let others = present(place)
        presence.channels[place].inside -= 1
        presence.channels[place].nextJoin = presence.channels[place].nextLeave - 1
        presence.channels[place].stage = others > 0 ? .leaving : .none
        presence.channels[place].missing += others
        presence.channels[place].changedAt = board.now
        mine.add(.removedExpected, UInt64(others))
        mine.add(.left)
        let text = plan.dialect.unsubscription(channel: plan.channelName(presence.first + place)) ?? ""
        if !sendWhole(ClientFrame.text(text), index) { lose(index) }
    }
}
