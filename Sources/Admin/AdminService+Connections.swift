import ClarionBytes
import ClarionEngine

// Who is connected: lists, one connection in detail, and ending connections.

extension AdminService {
    /// Connections in one answer when the request does not say, and at most.
    private static let connectionsUsual = 50
    private static let connectionsMax = 10_000

    /// `connections`: those furthest behind first. Members: `app`, `slow` (only readers that are behind), `limit`.
    func connections(_ request: AdminValue, _ answer: @escaping @Sendable (AdminValue) -> Void) {
        let wanted: UInt16?
        switch scope(request) {
        case .all: wanted = nil
        case .space(let space): wanted = space
        case .unknown(let name): return answer(AdminService.unknown(name))
        }
        let limit = min(
            max(request["limit"]?.integer ?? AdminService.connectionsUsual, 0), AdminService.connectionsMax)
        let onlySlow = request["slow"]?.bool ?? false
        walkAll(WorstReaders(limit: limit)) { [host] core, start, worst in
            core.inspectConnections(from: start, slotCount: AdminService.slotsAtOnce) { facts in
                guard facts.isSocket, !onlySlow || facts.isBehind else { return }
                if let wanted, host.describe(facts).space != wanted { return }
                worst.add(facts)
            }
        } done: { [self] parts in
            let names = applicationNames()
            let list = WorstReaders.worst(parts.flatMap(\.readers), limit).map { describe($0, names) }
            answer(["total": .integer(parts.reduce(0) { $0 + $1.total }), "connections": .list(list)])
        }
    }

    private func describe(_ facts: ConnectionFacts, _ names: [UInt16: String]) -> AdminValue {
        let described = host.describe(facts)
        return [
            "socket": .text(SocketText.of(facts.socketNumber)), "worker": .integer(facts.worker),
            "protocol": .text(described.protocolName),
            "app": described.space.flatMap { names[$0] }.map { .text($0) } ?? .null,
            "subscriptions": .integer(facts.subscriptionCount), "outboxBytes": .integer(facts.outboxBytes),
            "lagBytes": .integer(facts.lagBytes), "blockedSeconds": .integer(facts.blockedSeconds),
            "silentSeconds": .integer(facts.silentSeconds), "closing": .bool(facts.isClosing),
        ]
    }

    /// `connection`: one, with its channels. Member: `socket`.
    func connection(_ request: AdminValue, _ answer: @escaping @Sendable (AdminValue) -> Void) {
        guard let number = request["socket"]?.text.flatMap(SocketText.number) else {
            return answer(AdminService.failure("socket must be a socket id, such as 123.456"))
        }
        onWorker(of: number, answer) { [self] core in
            let names = applicationNames()
            guard let facts = core.inspect(socketNumber: number), case .object(var members) = describe(facts, names)
            else { return answer(AdminService.gone) }
            var channels: [AdminValue] = []
            core.forEachChannel(ofSocket: number) { space, name in
                channels.append(["app": .text(names[space] ?? "\(space)"), "channel": .text(name.string)])
            }
            members.append(("channels", .list(channels)))
            answer(.object(members))
        }
    }

    /// `kick`: ends one connection (`socket`), or all of an application (`app`), as its protocol does when the
    /// application asks for it.
    func kick(_ request: AdminValue, _ answer: @escaping @Sendable (AdminValue) -> Void) {
        if let text = request["socket"]?.text {
            guard let number = SocketText.number(text) else {
                return answer(AdminService.failure("socket must be a socket id, such as 123.456"))
            }
            return onWorker(of: number, answer) { core in
                answer(core.close(socketNumber: number, reason: .kicked) ? ["kicked": 1] : AdminService.gone)
            }
        }
        switch scope(request) {
        case .all: answer(AdminService.failure("name a socket, or an app whose connections are to end"))
        case .unknown(let name): answer(AdminService.unknown(name))
        case .space(let space):
            walkAll(0) { [host] core, start, count in
                var numbers: [UInt64] = []
                let next = core.inspectConnections(from: start, slotCount: AdminService.slotsAtOnce) { facts in
                    guard facts.isSocket, !facts.isClosing else { return }
                    if host.describe(facts).space == space { numbers.append(facts.socketNumber) }
                }
                for number in numbers where core.close(socketNumber: number, reason: .kicked) { count += 1 }
                return next
            } done: { counts in
                answer(["kicked": .integer(counts.reduce(0, +))])
            }
        }
    }

    private static var gone: AdminValue { failure("there is no such connection on this node") }

    private func onWorker(
        of number: UInt64, _ answer: @escaping @Sendable (AdminValue) -> Void,
        _ body: @escaping @Sendable (Core) -> Void
    ) {
        node.call(worker: 0) { [node] core in
            guard let worker = core.worker(ofSocket: number) else { return answer(AdminService.gone) }
            node.call(worker: worker, body)
        }
    }
}

extension ConnectionFacts {
    /// Whether it has not taken everything that was for it.
    fileprivate var isBehind: Bool { blockedSeconds > 0 || outboxBytes > 0 || lagBytes > 0 }
}

/// The connections of a worker that are furthest behind, and how many were looked for.
private struct WorstReaders: Sendable {
    let limit: Int
    var total = 0
    var readers: [ConnectionFacts] = []

    init(limit: Int) { self.limit = limit }

    mutating func add(_ facts: ConnectionFacts) {
        total += 1
        if limit == 0 { return }
        if let last = readers.last, readers.count >= limit, !WorstReaders.isWorse(facts, last) { return }
        readers.append(facts)
        if readers.count >= 2 * limit { readers = WorstReaders.worst(readers, limit) }
    }

    static func worst(_ readers: [ConnectionFacts], _ limit: Int) -> [ConnectionFacts] {
        Array(readers.sorted(by: isWorse).prefix(limit))
    }

    private static func isWorse(_ left: ConnectionFacts, _ right: ConnectionFacts) -> Bool {
        let leftBytes = left.lagBytes + left.outboxBytes
        let rightBytes = right.lagBytes + right.outboxBytes
        return leftBytes != rightBytes ? leftBytes > rightBytes : left.blockedSeconds > right.blockedSeconds
    }
}

/// Socket ids as the Pusher protocol writes them: the two halves of a connection's number.
enum SocketText {
    private static let halfBits: UInt64 = 30

    static func of(_ number: UInt64) -> String { "\(number >> halfBits).\(number & (1 << halfBits - 1))" }

    static func number(_ text: String) -> UInt64? {
        let halves = text.split(separator: ".", omittingEmptySubsequences: false)
        guard halves.count == 2, let left = UInt64(halves[0]), let right = UInt64(halves[1]),
            left < 1 << halfBits, right < 1 << halfBits
        else { return nil }
        return left << halfBits | right
    }
}
