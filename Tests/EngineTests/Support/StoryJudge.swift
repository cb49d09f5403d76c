import ClarionBytes
import ScriptedBackend

@testable import ClarionEngine

/// What the clients of a story must have seen.
struct StoryJudge {
    private let story: Story
    /// Place of each message in its channel's order, as the recorder saw it; nil: it did not.
    private var places: [Int?]
    /// The order of each channel.
    private var orders: [[Int]]
    /// The recorder saw everything.
    private let isComplete: Bool
    /// The recorder saw everything but what a policy may leave out.
    private let isFollowed: Bool

    init(_ story: Story) {
        self.story = story
        places = Array(repeating: nil, count: story.messages.count)
        orders = Array(repeating: [], count: story.kind.channelCount)
        for subscription in story.recorder.subscriptions {
            for id in subscription.received where places[id] == nil {
                places[id] = orders[subscription.channel].count
                orders[subscription.channel].append(id)
            }
        }
        isFollowed = story.recorder.isAlive && story.recorder.subscriptions.count == story.kind.channelCount
        isComplete = isFollowed && story.node.cores.allSatisfy { $0.counters.skipped == 0 }
    }

    func judge() -> [String] {
        var faults: [String] = []
        for client in story.clients {
            faults += client.faults
            if let fault = judge(client) { faults.append("client \(client.number): \(fault)") }
            if faults.count > 8 { break }
        }
        return faults
    }

    private func judge(_ client: StoryClient) -> String? {
        if Set(client.received).count != client.received.count { return "a message twice" }
        if let fault = judgePublisherOrder(client) ?? judgeConfirmedOrder(client) { return fault }
        let isAlive = client.isAlive
        if isAlive && !client.client.rest.isEmpty { return "half a frame" }
        if isAlive && !client.expectedReplies.isEmpty { return "\(client.expectedReplies.count) replies are missing" }
        if isAlive && !client.unconfirmed.isEmpty { return "an answer is missing" }
        if isAlive && !client.asked.isEmpty { return "joined is missing for \(client.asked)" }
        if client.peer.isClosed && !client.peer.isReset && !client.isRude && !client.client.rest.isEmpty
            && client.kind != .publisher
        {
            return "half a frame before the end"
        }
        if isFollowed, let fault = judgeNewest(client) { return fault }
        if isFollowed && story.recorder.subscriptions.allSatisfy({ $0.gaps.isEmpty }) {
            for subscription in client.subscriptions {
                if let fault = judgeGaps(subscription, client) { return "channel \(subscription.channel): \(fault)" }
            }
        }
        if !isComplete { return nil }
        if isAlive, let fault = judgePublishing(client) { return fault }
        for subscription in client.subscriptions {
            if let fault = judge(subscription, client) { return "channel \(subscription.channel): \(fault)" }
        }
        return nil
    }

    /// What a publisher sent in order arrives in order, whatever the channels.
    private func judgePublisherOrder(_ client: StoryClient) -> String? {
        var last: [Int: Int] = [:]
        for id in client.received {
            let message = story.messages[id]
            if let before = last[message.publisher], before >= message.number {
                return "message \(message.number) of \(message.publisher) behind \(before)"
            }
            last[message.publisher] = message.number
        }
        return nil
    }

    /// What was written after a publisher had its answer comes behind what was answered.
    private func judgeConfirmedOrder(_ client: StoryClient) -> String? {
        var latest = Int.min
        for id in client.received {
            let message = story.messages[id]
            if message.confirmedStep < latest { return "message \(id), which was answered before, comes late" }
            latest = max(latest, message.writtenStep)
        }
        return nil
    }

    /// Nothing that a living client published is lost.
    private func judgePublishing(_ client: StoryClient) -> String? {
        for (id, message) in story.messages.enumerated() where message.publisher == client.number && places[id] == nil {
            return "its message \(id) is lost"
        }
        return nil
    }

    /// Whatever a policy leaves out, the newest message of a channel arrives.
    private func judgeNewest(_ client: StoryClient) -> String? {
        if !client.isAlive { return nil }
        for subscription in client.subscriptions where !subscription.isOver && subscription.leftStep == Int.max {
            guard let newest = orders[subscription.channel].last else { continue }
            let message = story.messages[newest]
            if message.writtenStep <= subscription.joinedStep { continue }
            if message.excludesPublisher && message.publisher == client.number { continue }
            if subscription.received.last == newest { continue }
            return "the newest of channel \(subscription.channel) is missing"
        }
        return nil
    }

    /// Never a hidden gap: between two messages that came, exactly as many are missing as the reader was told of there.
    private func judgeGaps(_ subscription: StorySubscription, _ client: StoryClient) -> String? {
        let order = orders[subscription.channel].filter {
            !(story.messages[$0].excludesPublisher && story.messages[$0].publisher == client.number)
        }
        var before: Int?
        for (index, id) in subscription.received.enumerated() {
            guard let position = order.firstIndex(of: id) else { return "got \(id), which it must not" }
            let told = subscription.gaps.filter { $0.receivedCount == index }.reduce(0) { $0 + $1.lost }
            if let before, position - before - 1 != told {
                return "\(position - before - 1) are missing before \(id), told of \(told)"
            }
            before = position
        }
        return nil
    }

    private func judge(_ subscription: StorySubscription, _ client: StoryClient) -> String? {
        let order = orders[subscription.channel].filter {
            !(story.messages[$0].excludesPublisher && story.messages[$0].publisher == client.number)
        }
        let isInForce = !subscription.isOver && client.isAlive
        guard let first = subscription.received.first else {
            if !isInForce || subscription.leftStep != Int.max { return nil }
            let missed = order.first { story.messages[$0].writtenStep > subscription.joinedStep }
            return missed.map { "missed \($0) and all behind it" }
        }
        guard var position = order.firstIndex(of: first) else { return "got \(first), which it must not" }
        // Everything that was written after it had joined.
        let missed = order[..<position].first { story.messages[$0].writtenStep > subscription.joinedStep }
        if let missed { return "missed \(missed) at the beginning" }
        for id in subscription.received {
            if position == order.count || order[position] != id { return "a gap before \(id), or out of order" }
            position += 1
        }
        if isInForce && subscription.leftStep == Int.max && position != order.count {
            return "the last messages are missing, from \(order[position]) on"
        }
        return nil
    }
}
