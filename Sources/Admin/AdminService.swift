import ClarionBytes
public import ClarionEngine
import ClarionLoop
import Synchronization

/// Answers an operator's requests: asks the workers by mail and puts their answers together. Behind the admin socket
/// and the dashboard alike; both only carry its values.
///
/// A request is an object with `command`, and the command's own members. An answer is an object; it has `error`, a
/// sentence, when the request could not be carried out.
public final class AdminService: Sendable {
    let node: Node
    let host: any AdminHost

    public init(node: Node, host: any AdminHost) {
        self.node = node
        self.host = host
    }

    /// Carries out one request. `answer` is called once, on any thread; never when the node ends meanwhile.
    public func perform(_ request: AdminValue, answer: @escaping @Sendable (AdminValue) -> Void) {
        switch request["command"]?.text {
        case "status": status(answer)
        case "channels": channels(request, answer)
        case "connections": connections(request, answer)
        case "connection": connection(request, answer)
        case "kick": kick(request, answer)
        case "publish": publish(request, answer)
        case "reload": host.reload(answer)
        case "restart": host.restart(answer)
        case "drain":
            host.drain()
            answer(["draining": true])
        case let name?: answer(AdminService.failure("there is no command \(name)"))
        case nil: answer(AdminService.failure("the request names no command"))
        }
    }

    static func failure(_ sentence: String) -> AdminValue { ["error": .text(sentence)] }

    // MARK: Asking the workers

    /// What several workers said, by worker; whole when all have.
    private final class Gathering<Answer: Sendable>: Sendable {
        let answers: Mutex<[Answer?]>

        init(_ count: Int) { answers = Mutex(Array(repeating: nil, count: count)) }

        func add(_ answer: Answer, _ worker: Int) -> [Answer]? {
            answers.withLock { list in
                list[worker] = answer
                let known = list.compactMap { $0 }
                return known.count == list.count ? known : nil
            }
        }
    }

    /// Asks every worker; `done` is called on the one that answers last.
    func askAll<Answer: Sendable>(
        _ question: @escaping @Sendable (Core) -> Answer, done: @escaping @Sendable ([Answer]) -> Void
    ) {
        let gathering = Gathering<Answer>(node.workerCount)
        for worker in 0..<node.workerCount {
            node.call(worker: worker) { core in
                if let all = gathering.add(question(core), worker) { done(all) }
            }
        }
    }

    /// Slots that a worker looks at before it does other work.
    static let slotsAtOnce = 4_096

    /// Lets every worker walk through a table in pieces, with other work between them. `step` looks at one piece from a
    /// slot on, adds to what was found, and returns where to go on.
    func walkAll<Found: Sendable>(
        _ initial: Found, step: @escaping @Sendable (Core, UInt32, inout Found) -> UInt32?,
        done: @escaping @Sendable ([Found]) -> Void
    ) {
        let gathering = Gathering<Found>(node.workerCount)
        for worker in 0..<node.workerCount {
            walk(worker, from: 0, initial, step) { found in
                if let all = gathering.add(found, worker) { done(all) }
            }
        }
    }

    private func walk<Found: Sendable>(
        _ worker: Int, from start: UInt32, _ found: Found,
        _ step: @escaping @Sendable (Core, UInt32, inout Found) -> UInt32?, done: @escaping @Sendable (Found) -> Void
    ) {
        node.call(worker: worker) { [self] core in
            var found = found
            if let next = step(core, start, &found) {
                walk(worker, from: next, found, step, done: done)
            } else {
                done(found)
            }
        }
    }

    // MARK: Applications

    enum Scope {
        case all
        case space(UInt16)
        case unknown(String)
    }

    /// The application that a request names by id or key, or `realtime` for the JSON protocol.
    func scope(_ request: AdminValue) -> Scope {
        guard let name = request["app"]?.text else { return .all }
        if name == AdminNames.realtime { return .space(AdminNames.realtimeSpace) }
        for app in host.applications() where app.id == name || app.key == name { return .space(app.space) }
        return .unknown(name)
    }

    static func unknown(_ name: String) -> AdminValue {
        failure("there is no application \(name); \(AdminNames.realtime) names the channels of /ws")
    }

    /// Names of applications by name space.
    func applicationNames() -> [UInt16: String] {
        var names = [AdminNames.realtimeSpace: AdminNames.realtime]
        for app in host.applications() { names[app.space] = app.id }
        return names
    }

    // MARK: status

    private struct WorkerReport: Sendable {
        let core: CoreCounters
        let loop: BackendCounters
        let mailWaiting: Int
    }

    private func status(_ answer: @escaping @Sendable (AdminValue) -> Void) {
        askAll {
            WorkerReport(core: $0.counters, loop: $0.backendCounters, mailWaiting: $0.mailWaiting)
        } done: {
            [self] reports in
            var members = host.facts()
            let total = AdminService.sums(reports)
            members.append(("totals", .object(total)))
            members.append(("workers", .list(reports.map { .object(AdminService.sums([$0])) })))
            members.append(("closed", AdminService.closed(reports)))
            let apps = host.applications().map { app -> AdminValue in
                ["id": .text(app.id), "key": .text(app.key), "connections": .integer(app.connectionCount)]
            }
            members.append(("apps", .list(apps)))
            answer(.object(members))
        }
    }

    private static func sums(_ reports: [WorkerReport]) -> [(name: String, value: AdminValue)] {
        func sum(_ field: (WorkerReport) -> UInt64) -> AdminValue { AdminValue(reports.reduce(0) { $0 &+ field($1) }) }
        return [
            ("connections", sum { $0.core.connectionsOpen }), ("sockets", sum { $0.core.socketsOpen }),
            ("subscriptions", sum { $0.core.subscriptions }), ("channels", sum { $0.core.homeChannels }),
            ("accepted", sum { $0.core.connectionsAccepted }), ("requests", sum { $0.core.requests }),
            ("messagesIn", sum { $0.core.messagesIn }), ("publishes", sum { $0.core.publishes }),
            ("deliveries", sum { $0.core.deliveries }), ("skipped", sum { $0.core.skipped }),
            ("bytesIn", sum { $0.core.bytesIn }), ("bytesOut", sum { $0.core.bytesOut }),
            ("readersBlocked", sum { $0.core.readersBlocked }), ("blockBytes", sum { $0.core.blockBytes }),
            ("turns", sum { $0.core.turns }), ("systemCalls", sum { $0.loop.systemCalls }),
            ("mailWaiting", .integer(reports.reduce(0) { $0 + $1.mailWaiting })),
            ("turnMicrosecondsMax", AdminValue(reports.map { $0.core.turnMicrosecondsMax }.max() ?? 0)),
        ]
    }

    private static func closed(_ reports: [WorkerReport]) -> AdminValue {
        .object(
            CloseReason.allCases.compactMap { reason in
                let sum = reports.reduce(0) { $0 &+ $1.core.closed[Int(reason.rawValue)] }
                return sum > 0 ? ("\(reason)", AdminValue(sum)) : nil
            })
    }
}

extension AdminService {
    /// Answers a request that came over HTTP, wherever its connection is.
    public func answer(_ ticket: SessionTicket, _ body: [UInt8]) {
        node.call(worker: ticket.worker) { core in
            core.respond(to: ticket, status: 200, contentType: "application/json", body: body)
        }
    }
}
