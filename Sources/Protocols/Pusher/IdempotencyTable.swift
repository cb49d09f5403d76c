import ClarionBytes

/// Answers to publishing requests that carried a key, so that a repeated request is answered again and publishes
/// nothing. One for each worker, for the keys whose home it is. Bounded for each application; used on its worker's
/// thread.
struct IdempotencyTable {
    /// What is known of a key.
    enum Finding: Equatable {
        /// Nothing: the request may publish. It is under way from now on.
        case new
        case underWay
        case answered(Answer)
        /// The key belongs to a request with another body.
        case ofOther
    }

    struct Answer: Sendable, Equatable {
        var status: Int
        var body: [UInt8]
    }

    /// For how long a key is remembered, and how many keys and bytes of answers of one application are.
    static let seconds: UInt32 = 120
    static let keysMax = 20_000
    static let bytesMax = 8 << 20
    /// Bytes of a key.
    static let keyBytesMax = 128

    private struct Entry {
        var tick: UInt32
        /// Of the request's body.
        var hash: UInt64
        var answer: Answer?
    }

    private struct Application {
        var entries: [[UInt8]: Entry] = [:]
        /// Keys in the order in which they came, from number `next` on; one that came again later stands twice.
        var order: [(key: [UInt8], tick: UInt32)] = []
        var next = 0
        var byteCount = 0
    }

    private var applications: [UInt16: Application] = [:]
    private let secret = SipHash(
        key0: UInt64.random(in: 0...UInt64.max), key1: UInt64.random(in: 0...UInt64.max))
    private let ticksPerSecond: UInt32

    init(ticksPerSecond: UInt32) { self.ticksPerSecond = ticksPerSecond }

    /// Keys that are remembered, of all applications.
    var count: Int { applications.values.reduce(0) { $0 + $1.entries.count } }

    /// What tells requests apart: the body, and to which of the two addresses it goes.
    func hash(_ body: [UInt8], isBatch: Bool) -> UInt64 { body.withView { secret.hash($0, seed: isBatch ? 1 : 0) } }

    /// Looks up a key, and notes that its request is under way when it is new.
    /// `hash` is that of what it asks for.
    mutating func begin(_ key: [UInt8], hash: UInt64, space: UInt16, nowTick: UInt32) -> Finding {
        forgetOld(space, nowTick: nowTick)
        if let entry = applications[space]?.entries[key] {
            if entry.hash != hash { return .ofOther }
            return entry.answer.map { .answered($0) } ?? .underWay
        }
        applications[space, default: Application()].entries[key] = Entry(tick: nowTick, hash: hash, answer: nil)
        applications[space]?.order.append((key, nowTick))
        applications[space]?.byteCount += key.count
        makeRoom(space)
        return .new
    }

    /// The request of a key was answered.
    mutating func finish(_ key: [UInt8], space: UInt16, _ answer: Answer) {
        guard applications[space]?.entries[key] != nil else { return }
        applications[space]?.entries[key]?.answer = answer
        applications[space]?.byteCount += answer.body.count
        makeRoom(space)
    }

    /// The request of a key was not carried out: the next one may be.
    mutating func forget(_ key: [UInt8], space: UInt16) {
        guard let entry = applications[space]?.entries.removeValue(forKey: key) else { return }
        applications[space]?.byteCount -= key.count + (entry.answer?.body.count ?? 0)
    }

    private mutating func forgetOld(_ space: UInt16, nowTick: UInt32) {
        while let oldest = applications[space].flatMap({ $0.next < $0.order.count ? $0.order[$0.next] : nil }),
            nowTick &- oldest.tick >= IdempotencyTable.seconds * ticksPerSecond
        {
            forgetOldest(space)
        }
    }

    private mutating func makeRoom(_ space: UInt16) {
        while let application = applications[space], application.next < application.order.count,
            application.entries.count > IdempotencyTable.keysMax || application.byteCount > IdempotencyTable.bytesMax
        {
            forgetOldest(space)
        }
    }

    private mutating func forgetOldest(_ space: UInt16) {
        guard let application = applications[space] else { return }
        let oldest = application.order[application.next]
        applications[space]?.next += 1
        if application.entries[oldest.key]?.tick == oldest.tick { forget(oldest.key, space: space) }
        if application.next * 2 >= application.order.count {
            applications[space]?.order.removeFirst(application.next + 1)
            applications[space]?.next = 0
        }
        if applications[space]?.entries.isEmpty ?? false { applications[space] = nil }
    }
}
