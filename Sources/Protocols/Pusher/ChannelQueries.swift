import ClarionBytes
import ClarionEngine
import ClarionWire

/// Questions about channels. Only a channel's home worker knows its subscribers, so the question goes to the workers
/// concerned and the answers come together on the worker that was asked. A cold path: closures and copies.
enum ChannelQueries {
    /// Collects the answers of several workers; made, filled and read on the asking worker only.
    private final class Gathering<Answer>: @unchecked Sendable {
        var answers: [Answer]
        var missing: Int

        init(answers: [Answer], missing: Int) {
            self.answers = answers
            self.missing = missing
        }
    }

    /// What a channel's home tells of it.
    struct Facts: Sendable, Equatable {
        var name: [UInt8]
        /// Connections that are subscribed.
        var subscriptionCount = 0
        /// Users on a presence channel, each counted once.
        var userCount = 0
        /// The last event of a cache channel as the home keeps it, and for how many seconds more. Only when asked for.
        var kept: [UInt8]?
        var keptSeconds = 0
    }

    /// Answers the request behind `ticket` with what `render` makes of the facts about `names`, which it gets in the
    /// same order.
    static func answer(
        _ ticket: SessionTicket, space: UInt16, about names: [[UInt8]], _ attributes: ChannelAttributes, _ core: Core,
        render: @escaping @Sendable ([Facts]) -> Answer
    ) {
        var questions: [Int: [Int]] = [:]
        for (index, name) in names.enumerated() {
            let home = unsafe name.withUnsafeBufferPointer { unsafe core.homeWorker(space: space, name: view($0)) }
            questions[home, default: []].append(index)
        }
        let gathering = Gathering(answers: names.map { Facts(name: $0) }, missing: questions.count)
        if questions.isEmpty { return send(render([]), to: ticket, core) }
        for (worker, indices) in questions {
            core.call(worker: worker) { home in
                let answers = indices.map { facts(names[$0], space: space, attributes, home) }
                home.call(worker: ticket.worker) { asker in
                    for (index, answer) in zip(indices, answers) { gathering.answers[index] = answer }
                    gathering.missing -= 1
                    if gathering.missing == 0 { send(render(gathering.answers), to: ticket, asker) }
                }
            }
        }
    }

    private static func facts(
        _ name: [UInt8], space: UInt16, _ attributes: ChannelAttributes, _ home: Core
    ) -> Facts {
        unsafe name.withUnsafeBufferPointer { bytes in
            let view = unsafe view(bytes)
            var facts = Facts(name: name, subscriptionCount: home.homeSubscriptionCount(space: space, name: view))
            if attributes.contains(.userCount) { facts.userCount = home.homeMemberCount(space: space, name: view) }
            if attributes.contains(.cache) {
                _ = home.withHomeKept(space: space, name: view) { message, secondsLeft in
                    facts.kept = message.array
                    facts.keptSeconds = secondsLeft
                }
            }
            return facts
        }
    }

    /// As above, for all channels with subscribers whose name begins with `prefix`, in the order of their names.
    static func answer(
        _ ticket: SessionTicket, space: UInt16, listing prefix: [UInt8], _ attributes: ChannelAttributes, _ core: Core,
        render: @escaping @Sendable ([Facts]) -> Answer
    ) {
        let gathering = Gathering<Facts>(answers: [], missing: core.workerCount)
        for worker in 0..<core.workerCount {
            core.call(worker: worker) { home in
                var found: [Facts] = []
                home.forEachHomeChannel(space: space) { name, subscriptionCount in
                    if unsafe subscriptionCount > 0 && name.unsafeBuffer.starts(with: prefix) {
                        var facts = Facts(name: name.array, subscriptionCount: subscriptionCount)
                        if attributes.contains(.userCount) {
                            facts.userCount = home.homeMemberCount(space: space, name: name)
                        }
                        found.append(facts)
                    }
                }
                let answers = found
                home.call(worker: ticket.worker) { asker in
                    gathering.answers += answers
                    gathering.missing -= 1
                    if gathering.missing > 0 { return }
                    gathering.answers.sort { $0.name.lexicographicallyPrecedes($1.name) }
                    send(render(gathering.answers), to: ticket, asker)
                }
            }
        }
    }

    /// Answers with what `render` makes of the users of a channel, in the order in which they came; nil: nobody is
    /// subscribed.
    static func answer(
        _ ticket: SessionTicket, space: UInt16, usersOf name: [UInt8], _ core: Core,
        render: @escaping @Sendable ([[UInt8]]?) -> Answer
    ) {
        let home = unsafe name.withUnsafeBufferPointer { unsafe core.homeWorker(space: space, name: view($0)) }
        core.call(worker: home) { home in
            let users: [[UInt8]]? = unsafe name.withUnsafeBufferPointer { bytes in
                let view = unsafe view(bytes)
                if home.homeSubscriptionCount(space: space, name: view) == 0 { return nil }
                var users: [[UInt8]] = []
                home.forEachHomeMember(space: space, name: view) { users.append($0.id.array) }
                return users
            }
            let answer = render(users)
            home.call(worker: ticket.worker) { send(answer, to: ticket, $0) }
        }
    }

    /// Ends the connections of a user on all workers, then answers the request behind `ticket` with `body`.
    static func end(
        _ ticket: SessionTicket, space: UInt16, connectionsOf user: [UInt8], _ core: Core, body: [UInt8]
    ) {
        let gathering = Gathering<Int>(answers: [], missing: core.workerCount)
        for worker in 0..<core.workerCount {
            core.call(worker: worker) { home in
                _ = unsafe user.withUnsafeBufferPointer { unsafe home.endConnections(ofUser: view($0), space: space) }
                home.call(worker: ticket.worker) { asker in
                    gathering.missing -= 1
                    if gathering.missing == 0 { send(Answer(body: body), to: ticket, asker) }
                }
            }
        }
    }

    /// An answer in JSON.
    struct Answer: Sendable {
        var status = 200
        let body: [UInt8]
    }

    private static func send(_ answer: Answer, to ticket: SessionTicket, _ core: Core) {
        core.respond(to: ticket, status: answer.status, contentType: "application/json", body: answer.body)
    }

    private static func view(_ bytes: UnsafeBufferPointer<UInt8>) -> ByteView {
        unsafe bytes.baseAddress.map { unsafe ByteView(base: $0, count: bytes.count) } ?? ByteView("")
    }
}
