import ClarionBytes

// What a worker gives up when the process comes near its bound of memory, in the published order: contexts of
// compression, logs, slow readers, new clients. Each step holds until memory has come back; the steps before it go on.

/// How near the process is to its bound of memory.
public enum MemoryLevel: UInt8, Sendable, Comparable, CaseIterable {
    case ample
    /// Contexts are given back, and new connections get none.
    case contexts
    /// Logs and waiting replies have a quarter of their bound: readers that are behind meet the policy for slow ones
    /// earlier.
    case logs
    /// Readers whose socket is full are closed.
    case readers
    /// Nothing new is let in or published over HTTP.
    case connections

    public static func < (left: MemoryLevel, right: MemoryLevel) -> Bool { left.rawValue < right.rawValue }
}

extension Core {
    /// A reader with more than this waiting is cut without a close frame, for that would come behind it.
    private static let shedOutboxBytesMax: UInt32 = 64 << 10
    private static let logsFraction = 4

    /// The bound of logs and waiting replies as it holds now.
    var blockBytesMaxNow: Int {
        memoryLevel < .logs ? limits.blockBytesMax : limits.blockBytesMax / Core.logsFraction
    }

    /// Takes the level for what is done from now on, and gives up at once what that level says. Called again and again
    /// while the level is not `ample`.
    public func shed(_ level: MemoryLevel) {
        memoryLevel = level
        counters.memoryLevel = UInt64(level.rawValue)
        if level >= .contexts { counters.shedContexts += UInt64(releaseContexts(idleTicks: 0, atMost: Int.max)) }
        if level >= .readers { closeBlockedReaders() }
    }

    private func closeBlockedReaders() {
        for slot in 0..<UInt32(connections.touched) where connections.isInUse(slot) {
            let connection = unsafe connections[slot]
            guard unsafe connection.pointee.flags.contains(.blocked) else { continue }
            let waiting = unsafe connection.pointee.outboxEnd - connection.pointee.outboxStart
            switch unsafe connection.pointee.phase {
            case .joining: continue
            case .http, .open, .closing, .lingering:
                if waiting > Core.shedOutboxBytesMax {
                    counters.shedReaders += 1
                    terminate(slot, reason: .slowConsumer, reset: true)
                } else if unsafe connection.pointee.phase == .open {
                    counters.shedReaders += 1
                    closeSlowConsumer(slot)
                }
            }
        }
    }

    /// Whether somebody new is turned away, who is counted then.
    func turnsAwayForMemory() -> Bool {
        if memoryLevel < .connections { return false }
        counters.shedConnections += 1
        return true
    }
}
