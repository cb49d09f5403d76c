import CBench

/// What the whole machine has done until a moment: what a measurement suffered that neither server nor wsbench did.
///
/// On a virtual machine the one below may keep the processors from it for tens of milliseconds at a time. No program
/// on it sees that as anything but messages that are late.
struct MachineMoment: Equatable, Sendable {
    /// Ticks of all processors so far, whatever they did.
    let processorTicks: UInt64
    /// Those that the machine below took (steal).
    let stolenTicks: UInt64
    /// How long the threads of the server, and wsbench's own, were ready to run and waited for a processor so far.
    let serverWait: UInt64?
    let ownWait: UInt64?

    /// Now; nil where the system does not tell.
    init?(server: ProcessProbe, own: ProcessProbe) {
        guard let text = ProcessProbe.read("/proc/stat"), let ticks = Self.ticks(inStat: text) else { return nil }
        (processorTicks, stolenTicks) = ticks
        serverWait = server.waitNanoseconds()
        ownWait = own.waitNanoseconds()
    }

    /// The first line of /proc/stat: all ticks, and the stolen ones. Guests' ticks are in user's and nice's already.
    static func ticks(inStat text: String) -> (all: UInt64, stolen: UInt64)? {
        guard let line = text.split(separator: "\n").first, line.hasPrefix("cpu ") else { return nil }
        let fields = line.split(separator: " ").dropFirst().prefix(8).map { UInt64($0) ?? 0 }
        guard fields.count == 8 else { return nil }
        return (fields.reduce(0, +), fields[7])
    }

    /// The stolen share of the processors' time since an earlier moment.
    func stolenShare(since earlier: MachineMoment) -> Double? {
        guard processorTicks > earlier.processorTicks, stolenTicks >= earlier.stolenTicks else { return nil }
        return Double(stolenTicks - earlier.stolenTicks) / Double(processorTicks - earlier.processorTicks)
    }
}
