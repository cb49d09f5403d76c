import ClarionBytes

/// Somebody who has asked to be let in and is told at the end of the turn.
struct Newcomer: BitwiseCopyable {
    var worker: UInt8
    /// Slot and generation of the channel there, and of the connection.
    var channelSlot: UInt32
    var channelGeneration: UInt32
    var connectionSlot: UInt32
    var connectionGeneration: UInt32
    /// Number of the request.
    var serial: UInt64
    /// It wants the channel's last message, or word that there is none.
    var wantsKept: Bool
}

/// What only some channels have at their home: members, a last message for newcomers, newcomers.
final class HomeExtras {
    var roster: Roster?
    /// The last message to keep; one reference. Not older than `EngineLimits.keptSeconds` when given out.
    var kept: SharedFrame?
    var keptTick: UInt32 = 0
    /// In the worker's list of kept messages.
    var isListed = false
    var newcomers: [Newcomer] = []

    deinit { kept?.release() }

    /// Nothing here that the home must stay for.
    var isEmpty: Bool { kept == nil && newcomers.isEmpty && roster?.isEmpty ?? true }
}

/// A home with a kept message, in the order in which messages were first kept.
struct KeptPlace: BitwiseCopyable {
    var slot: UInt32
    var generation: UInt32
    /// Its message does not end before this tick and the time for which messages are kept.
    var tick: UInt32
}
