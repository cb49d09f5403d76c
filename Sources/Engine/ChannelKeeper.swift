public import ClarionBytes

/// What a protocol says in the name of a channel's home: to newcomers, and to all when members come and go. One
/// instance for each worker, used on its thread. Everything appended is the payload of one text message.
public protocol ChannelKeeper: AnyObject {
    /// How many members a channel of this name space may have.
    func membersMax(space: UInt16) -> Int

    /// Above how many members a channel does not tell all of each who comes and goes; 0: it always does. At half of
    /// that it does again, and begins by telling all who is there (`appendWelcome`).
    func quietMembers(space: UInt16) -> Int

    /// One member's entry in column 0 or 1 of a roster. The engine puts commas between the entries, keeps them, and
    /// asks anew only for what has changed.
    func appendRosterEntry(_ member: Member, column: Int, to buffer: inout ByteBuffer)

    /// What a newcomer is told first: that it is in, and who is there (itself included) when the channel has a roster.
    func appendWelcome(space: UInt16, name: ByteView, roster: Roster?, to buffer: inout ByteBuffer)

    /// What a newcomer is told when the channel keeps its last message but has none.
    func appendNothingKept(space: UInt16, name: ByteView, to buffer: inout ByteBuffer)

    /// What all are told when the first connection of a member has come, or the last one has gone.
    func appendArrival(_ member: Member, space: UInt16, name: ByteView, to buffer: inout ByteBuffer)
    func appendDeparture(_ member: Member, space: UInt16, name: ByteView, to buffer: inout ByteBuffer)

    /// Whether subscribers of this channel are told how many they are.
    func tellsCount(space: UInt16, name: ByteView) -> Bool
    func appendCount(_ count: Int, space: UInt16, name: ByteView, to buffer: inout ByteBuffer)
}

extension ChannelKeeper {
    public func quietMembers(space: UInt16) -> Int { 0 }
}

/// Why a home does not let somebody in.
public enum EntryRefusal: UInt8, BitwiseCopyable, Sendable {
    /// The channel has as many members as it may.
    case membersMax
    /// The home has no room for another channel.
    case nodeFull
}
