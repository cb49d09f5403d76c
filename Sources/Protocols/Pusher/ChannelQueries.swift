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

    /// A channel and how many connections are subscribed to it.
    struct Occupancy: Sendable {
        let name: [UInt8]
        let subscriptionCount: Int
    }

    /// Answers the request behind `ticket` with what `render` makes of the subscription counts of `names`, which it
    /// gets in the same order; 0 where nobody is.
    static func answer(
        _ ticket: SessionTicket, space: UInt16, counting names: [[UInt8]], _ core: Core,
        render: @escaping @Sendable ([Int]) -> Answer
    ) {
        var questions: [Int: [Int]] = [:]
        for (index, name) in names.enumerated() {
            let home = unsafe name.withUnsafeBufferPointer { unsafe core.homeWorker(space: space, name: view($0)) }
            questions[home, default: []].append(index)
        }
        let gathering = Gathering(answers: names.map { _ in 0 }, missing: questions.count)
        if questions.isEmpty { return send(render([]), to: ticket, core) }
        for (worker, indices) in questions {
            core.call(worker: worker) { home in
                let counts = indices.map { index in
                    unsafe names[index].withUnsafeBufferPointer {
                        unsafe home.homeSubscriptionCount(space: space, name: view($0))
                    }
                }
                home.call(worker: ticket.worker) { asker in
                    for (index, count) in zip(indices, counts) { gathering.answers[index] = count }
                    gathering.missing -= 1
                    if gathering.missing == 0 { send(render(gathering.answers), to: ticket, asker) }
                }
            }
        }
    }

    /// As above, for all channels with subscribers whose name begins with `prefix`, in the order of their names.
    static func answer(
        _ ticket: SessionTicket, space: UInt16, listing prefix: [UInt8], _ core: Core,
        render: @escaping @Sendable ([Occupancy]) -> Answer
    ) {
        let gathering = Gathering<Occupancy>(answers: [], missing: core.workerCount)
        for worker in 0..<core.workerCount {
            core.call(worker: worker) { home in
                var found: [Occupancy] = []
                home.forEachHomeChannel(space: space) { name, subscriptionCount in
                    if unsafe subscriptionCount > 0 && name.unsafeBuffer.starts(with: prefix) {
                        found.append(Occupancy(name: name.array, subscriptionCount: subscriptionCount))
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
