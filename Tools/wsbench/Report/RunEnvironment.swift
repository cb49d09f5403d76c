/// Where and with what a run was made: what someone needs to know before they believe or repeat it.
public struct RunEnvironment: Codable, Equatable, Sendable {
    /// When it began: ISO 8601 in UTC, and seconds since 1970.
    public var startedAt: String = ""
    public var startedAtSeconds: Double = 0
    /// The command line; values of options that hold secrets are replaced by stars.
    public var command: [String] = []
    /// The commit of the work tree in which the program lies, `+changes` behind it when files differ; nil outside of
    /// one.
    public var commit: String?
    /// The kernel's release and the machine's architecture.
    public var kernel: String = ""
    public var architecture: String = ""
    /// The distribution.
    public var system: String?
    /// The processor's name, how many the machine has online, and on how many this process may run.
    public var processor: String?
    public var processorsOnline: Int = 0
    public var processorsUsable: Int = 0
    /// Processors that the control group allows, where it sets a bound.
    public var processorsQuota: Double?
    /// Memory of the machine.
    public var memoryBytes: Int64?
    /// How many descriptors this process was started with, and how many it may give itself, which it does.
    public var descriptorsSoft: UInt64?
    public var descriptorsHard: UInt64?
    /// What the kernel says of TCP.
    public var congestionControl: String?
    public var ephemeralPorts: String?
    public var listenBacklogMax: Int?
    /// Load of the machine over the minute before the run.
    public var loadBefore: Double?
    /// The server, as far as it tells.
    public var server: ServerIdentity?

    /// Nothing known.
    public init() {}
}

/// What a server says of itself.
public struct ServerIdentity: Codable, Equatable, Sendable {
    /// Its name, its version, its backend and its workers.
    public var name: String?
    public var version: String?
    public var backend: String?
    public var workers: Int?
    /// Processes whose CPU and memory were read, and the program of the first.
    public var processes: [Int32] = []
    public var program: String?

    /// Nothing known.
    public init() {}

    /// Whether anything is known.
    var isEmpty: Bool { self == ServerIdentity() }
}
