import ClarionBytes
import ClarionEngine

// Publishing requests with a key. The key has a home worker, which knows whether its request was seen: it is asked
// before anything is published, and told what was answered.

extension Session {
    func publishOnce(_ key: [UInt8], _ body: [UInt8], isBatch: Bool, space: UInt16, _ api: PusherAPI) {
        let ticket = ticket
        let own = OwnWorker(api)
        let home = key.withView { core.homeWorker(space: space, name: $0) }
        core.call(worker: home) { home in
            guard let keeper = home.keeper as? PusherKeeper else { return }
            let homeIndex = home.workerIndex
            let finding = keeper.keys.begin(
                key, hash: keeper.keys.hash(body, isBatch: isBatch), space: space, nowTick: home.nowTick)
            home.call(worker: ticket.worker) { asker in
                guard let session = asker.session(for: ticket) else {
                    // It is gone, and nothing was published: who asks again publishes.
                    if finding == .new { KeyedCaller.tell(key, space, at: homeIndex, nil, asker) }
                    return
                }
                switch finding {
                case .new:
                    let caller = KeyedCaller(session: session, key: key, home: homeIndex, space: space)
                    body.withView { own.value.publish($0, isBatch: isBatch, space: space, caller) }
                case .ofOther: PusherAPI.refuseOtherRequest(session)
                case .underWay: PusherAPI.refuseRepetition(session)
                case .answered(let answer):
                    answer.body.withView {
                        session.respond(status: answer.status, contentType: "application/json", body: $0)
                    }
                }
            }
        }
    }
}

/// Something that is touched on one worker only, carried through closures of others.
private struct OwnWorker<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}

/// A session whose answer is remembered under a key.
private struct KeyedCaller: PusherCaller {
    let session: Session
    let key: [UInt8]
    /// The worker that remembers it.
    let home: Int
    let space: UInt16

    /// Tells the key's home what was answered; nil: nothing was published.
    static func tell(
        _ key: [UInt8], _ space: UInt16, at home: Int, _ answer: IdempotencyTable.Answer?, _ core: Core
    ) {
        core.call(worker: home) { home in
            guard let keeper = home.keeper as? PusherKeeper else { return }
            if let answer {
                keeper.keys.finish(key, space: space, answer)
            } else {
                keeper.keys.forget(key, space: space)
            }
        }
    }

    var inputDelaySeconds: Int { session.inputDelaySeconds }

    func publish(space: UInt16, name: ByteView, text: ByteView, excluding: UInt64?, keeps: Bool) {
        session.publish(space: space, name: name, text: text, excluding: excluding, keeps: keeps)
    }

    func respond(status: Int, contentType: StaticString, body: ByteView, fields: StaticString) {
        let answer = status == 200 ? IdempotencyTable.Answer(status: status, body: body.array) : nil
        session.respond(status: status, contentType: contentType, body: body, fields: fields)
        KeyedCaller.tell(key, space, at: home, answer, session.core)
    }

    func answer(
        space: UInt16, about names: [[UInt8]], _ attributes: ChannelAttributes,
        render: @escaping @Sendable ([ChannelQueries.Facts]) -> ChannelQueries.Answer
    ) {
        let (key, home, core) = (key, home, OwnWorker(session.core))
        session.answer(space: space, about: names, attributes) { facts in
            let answer = render(facts)
            let remembered = IdempotencyTable.Answer(status: answer.status, body: answer.body)
            KeyedCaller.tell(key, space, at: home, remembered, core.value)
            return answer
        }
    }

    func answer(
        space: UInt16, listing prefix: [UInt8], _ attributes: ChannelAttributes,
        render: @escaping @Sendable ([ChannelQueries.Facts]) -> ChannelQueries.Answer
    ) {
        session.answer(space: space, listing: prefix, attributes, render: render)
    }

    func answer(
        space: UInt16, usersOf name: [UInt8], render: @escaping @Sendable ([[UInt8]]?) -> ChannelQueries.Answer
    ) {
        session.answer(space: space, usersOf: name, render: render)
    }

    func end(connectionsOf user: [UInt8], space: UInt16, body: [UInt8]) {
        session.end(connectionsOf: user, space: space, body: body)
    }

    func publishOnce(_ key: [UInt8], _ body: [UInt8], isBatch: Bool, space: UInt16, _ api: PusherAPI) {
        session.publishOnce(key, body, isBatch: isBatch, space: space, api)
    }
}
