import ClarionBytes
import ClarionEngine

// What is published, and to whom: the channels with subscribers, and publishing by hand.

extension AdminService {
    /// Channels in one answer when the request does not say, and at most.
    private static let channelsUsual = 50
    private static let channelsMax = 10_000

    /// `channels`: those with subscribers, the fullest first. Members: `app`, `prefix`, `limit`.
    func channels(_ request: AdminValue, _ answer: @escaping @Sendable (AdminValue) -> Void) {
        let wanted: UInt16?
        switch scope(request) {
        case .all: wanted = nil
        case .space(let space): wanted = space
        case .unknown(let name): return answer(AdminService.unknown(name))
        }
        let prefix = Array((request["prefix"]?.text ?? "").utf8)
        let limit = min(max(request["limit"]?.integer ?? AdminService.channelsUsual, 0), AdminService.channelsMax)
        let names = applicationNames()
        walkAll(TopChannels(limit: limit)) { core, start, top in
            core.inspectHomes(from: start, slotCount: AdminService.slotsAtOnce) { space, name, count in
                guard unsafe count > 0 && (wanted == nil || wanted == space) && name.unsafeBuffer.starts(with: prefix)
                else { return }
                top.add(space, name, count)
            }
        } done: { parts in
            let list = TopChannels.fullest(parts.flatMap(\.channels), limit).map { channel -> AdminValue in
                [
                    "app": .text(names[channel.space] ?? "\(channel.space)"),
                    "channel": .text(String(decoding: channel.name, as: UTF8.self)),
                    "subscriptions": .integer(channel.count),
                ]
            }
            answer(["total": .integer(parts.reduce(0) { $0 + $1.total }), "channels": .list(list)])
        }
    }

    // MARK: publish

    /// Bytes of the data of an event that is published by hand.
    private static let dataBytesMax = 1 << 20

    /// `publish`: an event to a channel. Members: `app` (the first application when missing), `channel`, `event`,
    /// `data` (a text, or any JSON value).
    func publish(_ request: AdminValue, _ answer: @escaping @Sendable (AdminValue) -> Void) {
        let space: UInt16
        switch scope(request) {
        case .all:
            guard let first = host.applications().first else {
                return answer(AdminService.failure("there is no application"))
            }
            space = first.space
        case .space(let named): space = named
        case .unknown(let name): return answer(AdminService.unknown(name))
        }
        guard let channel = request["channel"]?.text, !channel.isEmpty else {
            return answer(AdminService.failure("the request names no channel"))
        }
        if space != AdminNames.realtimeSpace, let fault = host.fault(ofChannel: channel) {
            return answer(AdminService.failure(fault))
        }
        let data = request["data"].map { $0.text ?? $0.json } ?? ""
        if data.utf8.count > AdminService.dataBytesMax {
            return answer(
                AdminService.failure(
                    "the data has \(data.utf8.count) bytes, the limit is \(AdminService.dataBytesMax)"))
        }
        let event = request["event"]?.text ?? "message"
        let text = host.message(space: space, channel: channel, event: event, data: data)
        let name = Array(channel.utf8)
        let keeps = host.keepsLast(space: space, channel: channel)
        askAll { core in
            core.homeSubscriptionCount(space: space, named: name)
        } done: { [node] counts in
            node.call(worker: 0) { core in
                unsafe name.withUnsafeBufferPointer { name in
                    unsafe text.withUnsafeBufferPointer { text in
                        guard let nameBase = name.baseAddress, let textBase = text.baseAddress else { return }
                        core.publish(
                            space: space, name: unsafe ByteView(base: nameBase, count: name.count),
                            text: unsafe ByteView(base: textBase, count: text.count), keeps: keeps)
                    }
                }
                answer(["published": true, "subscriptions": .integer(counts.reduce(0, +))])
            }
        }
    }
}

extension Core {
    /// Subscriptions of a channel whose home is this worker; 0 elsewhere.
    fileprivate func homeSubscriptionCount(space: UInt16, named name: [UInt8]) -> Int {
        unsafe name.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return 0 }
            let view = unsafe ByteView(base: base, count: buffer.count)
            return homeWorker(space: space, name: view) == workerIndex
                ? homeSubscriptionCount(space: space, name: view) : 0
        }
    }
}

private struct ChannelCount: Sendable {
    let space: UInt16
    let name: [UInt8]
    let count: Int
}

/// The fullest channels of a worker, and how many there are.
private struct TopChannels: Sendable {
    let limit: Int
    var total = 0
    var channels: [ChannelCount] = []
    /// Nobody below this is among the fullest.
    private var countMin = 0

    init(limit: Int) { self.limit = limit }

    mutating func add(_ space: UInt16, _ name: ByteView, _ count: Int) {
        total += 1
        if count < countMin || limit == 0 { return }
        channels.append(ChannelCount(space: space, name: name.array, count: count))
        if channels.count >= 2 * limit + TopChannels.slack {
            channels = TopChannels.fullest(channels, limit)
            countMin = channels.last?.count ?? 0
        }
    }

    /// Kept beyond twice the limit before the list is sorted and cut.
    private static let slack = 64

    static func fullest(_ channels: [ChannelCount], _ limit: Int) -> [ChannelCount] {
        let sorted = channels.sorted {
            $0.count != $1.count ? $0.count > $1.count : $0.name.lexicographicallyPrecedes($1.name)
        }
        return Array(sorted.prefix(limit))
    }
}
