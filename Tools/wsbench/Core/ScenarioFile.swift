/// A mix of loads, as a file in JSON says it. Every key but `parts` may be left out.
public struct ScenarioFile: Sendable {
    /// What the mix is called, the server, and what holds for all parts.
    public var name: String?
    public var url: String?
    public var seed: UInt64?
    public var warmup: Double?
    public var duration: Double?
    public var appID: String?
    public var appKey: String?
    public var appSecret: String?
    /// The loads.
    public var parts: [Part]

    /// One load. The keys have the names of the options of the commands, without dashes.
    public struct Part: Sendable {
        public var scenario: BenchShape
        public var name: String?
        public var url: String?
        public var dialect: Dialect?
        public var kind: ChannelKind?
        public var connections: Int?
        public var channels: Int?
        public var size: Int?
        public var window: Int?
        public var rate: Double?
        public var threads: Int?
        public var processes: Int?
        public var connectRate: Double?
        public var jitter: Double?
        public var publishers: Int?
        public var churnRate: Double?
        public var out: Double?
        public var drop: Double?
        public var after: Double?
        public var slow: Double?
        public var readRate: Int?
    }

    /// The plans of the parts.
    /// - Parameter url: the server where neither the file nor a part names one.
    public func plans(url usual: String) throws(BenchPlanError) -> [BenchPlan] {
        var plans: [BenchPlan] = []
        for (index, part) in parts.enumerated() { plans.append(try plan(part, index: index, usual: usual)) }
        return plans
    }

    private func plan(_ part: Part, index: Int, usual: String) throws(BenchPlanError) -> BenchPlan {
        let isPusher = [BenchShape.publish, .presence, .storm, .churn].contains(part.scenario)
        let dialect = part.dialect ?? (part.scenario == .echo ? .raw : isPusher ? .pusher : .json)
        let key = appKey ?? "app-key"
        let place = try splitURL(part.url ?? url ?? usual, usualPath: dialect.usualPath(key: key))
        var plan = BenchPlan(
            shape: part.scenario, dialect: dialect, host: place.host, port: place.port, path: place.path)
        plan.isSecure = place.isSecure
        plan.name = part.name ?? "\(index + 1) \(part.scenario)"
        plan.application = PusherApplication(id: appID ?? "app-id", key: key, secret: appSecret ?? "app-secret")
        plan.channelKind = part.kind ?? (part.scenario == .presence ? .presence : .public)
        // Parts share the server: none may hear what another one publishes.
        plan.channelName = "part\(index)-"
        plan.seed = (seed ?? 1) &+ UInt64(index)
        plan.warmupNanoseconds = try Self.nanoseconds(warmup ?? 1, "warmup")
        plan.durationNanoseconds = try Self.nanoseconds(duration ?? 5, "duration")
        plan.connections = part.connections ?? plan.connections
        plan.publishers = part.publishers ?? 1
        plan.channels = part.channels ?? (part.scenario == .publish ? plan.publishers : 1)
        plan.textBytes = part.size ?? plan.textBytes
        plan.threads = part.threads ?? 1
        plan.processes = part.processes ?? 0
        plan.connectRate = part.connectRate ?? 0
        plan.connectJitter = part.jitter ?? 0
        if part.window != nil, part.rate != nil {
            throw BenchPlanError(description: "part \(plan.name ?? ""): window and rate exclude each other")
        }
        plan.pace = part.rate.map { .rate($0) } ?? part.window.map { .window($0) } ?? plan.shape.usualPace
        plan.churnRate = part.churnRate ?? plan.churnRate
        plan.churnShare = (part.out ?? plan.churnShare * 100) / 100
        plan.stormShare = (part.drop ?? plan.stormShare * 100) / 100
        if let after = part.after { plan.stormAfterNanoseconds = try Self.nanoseconds(after, "after") }
        plan.slowShare = (part.slow ?? plan.slowShare * 100) / 100
        plan.slowBytesPerSecond = part.readRate ?? plan.slowBytesPerSecond
        return plan
    }

    private static func nanoseconds(_ seconds: Double, _ what: String) throws(BenchPlanError) -> UInt64 {
        guard (0...86_400).contains(seconds) else {
            throw BenchPlanError(description: "\(what) must be 0 to 86400 seconds")
        }
        return UInt64(seconds * 1e9)
    }
}

extension BenchShape {
    /// How it is paced unless told otherwise.
    public var usualPace: BenchPace { takesWindow || self == .idle ? .window(1) : .rate(10) }
}

extension ScenarioFile: Decodable {
    enum Key: String, CodingKey, CaseIterable {
        case name, url, seed, warmup, duration, parts
        case appID = "app-id"
        case appKey = "app-key"
        case appSecret = "app-secret"
    }

    /// Refuses keys that it does not know: a typing error must not change a measurement in silence.
    public init(from decoder: any Decoder) throws {
        try AnyKey.check(decoder, Key.allCases.map(\.rawValue))
        let keys = try decoder.container(keyedBy: Key.self)
        name = try keys.decodeIfPresent(String.self, forKey: .name)
        url = try keys.decodeIfPresent(String.self, forKey: .url)
        seed = try keys.decodeIfPresent(UInt64.self, forKey: .seed)
        warmup = try keys.decodeIfPresent(Double.self, forKey: .warmup)
        duration = try keys.decodeIfPresent(Double.self, forKey: .duration)
        appID = try keys.decodeIfPresent(String.self, forKey: .appID)
        appKey = try keys.decodeIfPresent(String.self, forKey: .appKey)
        appSecret = try keys.decodeIfPresent(String.self, forKey: .appSecret)
        parts = try keys.decode([Part].self, forKey: .parts)
    }
}

extension ScenarioFile.Part: Decodable {
    enum Key: String, CodingKey, CaseIterable {
        case scenario, name, url, kind, connections, channels, size, window, rate, threads, processes, jitter
        case publishers, out, drop, after, slow
        case dialect = "protocol"
        case connectRate = "connect-rate"
        case churnRate = "churn-rate"
        case readRate = "read-rate"
    }

    /// Refuses keys that it does not know.
    public init(from decoder: any Decoder) throws {
        try AnyKey.check(decoder, Key.allCases.map(\.rawValue))
        let keys = try decoder.container(keyedBy: Key.self)
        scenario = try keys.decode(BenchShape.self, forKey: .scenario)
        name = try keys.decodeIfPresent(String.self, forKey: .name)
        url = try keys.decodeIfPresent(String.self, forKey: .url)
        dialect = try keys.decodeIfPresent(Dialect.self, forKey: .dialect)
        kind = try keys.decodeIfPresent(ChannelKind.self, forKey: .kind)
        connections = try keys.decodeIfPresent(Int.self, forKey: .connections)
        channels = try keys.decodeIfPresent(Int.self, forKey: .channels)
        size = try keys.decodeIfPresent(Int.self, forKey: .size)
        window = try keys.decodeIfPresent(Int.self, forKey: .window)
        rate = try keys.decodeIfPresent(Double.self, forKey: .rate)
        threads = try keys.decodeIfPresent(Int.self, forKey: .threads)
        processes = try keys.decodeIfPresent(Int.self, forKey: .processes)
        connectRate = try keys.decodeIfPresent(Double.self, forKey: .connectRate)
        jitter = try keys.decodeIfPresent(Double.self, forKey: .jitter)
        publishers = try keys.decodeIfPresent(Int.self, forKey: .publishers)
        churnRate = try keys.decodeIfPresent(Double.self, forKey: .churnRate)
        out = try keys.decodeIfPresent(Double.self, forKey: .out)
        drop = try keys.decodeIfPresent(Double.self, forKey: .drop)
        after = try keys.decodeIfPresent(Double.self, forKey: .after)
        slow = try keys.decodeIfPresent(Double.self, forKey: .slow)
        readRate = try keys.decodeIfPresent(Int.self, forKey: .readRate)
    }
}

/// Any key of a JSON object.
private struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init?(stringValue: String) { self.stringValue = stringValue }

    init?(intValue: Int) { nil }

    static func check(_ decoder: any Decoder, _ known: [String]) throws {
        let container = try decoder.container(keyedBy: AnyKey.self)
        for key in container.allKeys where !known.contains(key.stringValue) {
            throw DecodingError.dataCorruptedError(
                forKey: key, in: container,
                debugDescription:
                    "there is no key \(key.stringValue); there are \(known.sorted().joined(separator: ", "))")
        }
    }
}
