public import ClarionBytes
public import ClarionEngine
import ClarionWire

/// What homes of channels say in the Pusher protocol. One for each worker.
///
/// Labels and infos of members are JSON escaped for standing inside a string: see `PresenceData`. Channel names are
/// valid and need no escapes.
public final class PusherKeeper: ChannelKeeper {
    private let node: PusherNode
    /// Keys of publishing requests whose home is this worker.
    var keys = IdempotencyTable(ticksPerSecond: Clock.ticksPerSecond)

    public init(_ node: PusherNode) { self.node = node }

    private func rules(_ space: UInt16) -> ApplicationRules? {
        let application = Int(space) - 1
        return application >= 0 && application < node.rules.count ? node.rules[application] : nil
    }

    public func membersMax(space: UInt16) -> Int { rules(space)?.channels.presenceMembersMax ?? 0 }

    public func quietMembers(space: UInt16) -> Int { rules(space)?.channels.presenceQuietMembers ?? 0 }

    /// Column 0: `"10"`, for `ids`. Column 1: `"10":{"name":"Ann"}`, for `hash`.
    public func appendRosterEntry(_ member: Member, column: Int, to buffer: inout ByteBuffer) {
        buffer.append(member.label)
        if column == 0 { return }
        buffer.append(":")
        if member.info.isEmpty { buffer.append("{}") } else { buffer.append(member.info) }
    }

    public func appendWelcome(space: UInt16, name: ByteView, roster: Roster?, to buffer: inout ByteBuffer) {
        buffer.append(#"{"event":"pusher_internal:subscription_succeeded","data":""#)
        if let roster {
            buffer.append(#"{\"presence\":{\"count\":"#)
            buffer.append(decimal: UInt64(roster.count))
            buffer.append(#",\"ids\":["#)
            roster.append(column: 0, to: &buffer)
            buffer.append(#"],\"hash\":{"#)
            roster.append(column: 1, to: &buffer)
            buffer.append("}}}")
        } else {
            buffer.append("{}")
        }
        PusherKeeper.appendEnd(name, to: &buffer)
    }

    public func appendNothingKept(space: UInt16, name: ByteView, to buffer: inout ByteBuffer) {
        node.noteCacheMiss(space: space, channel: name)
        buffer.append(#"{"event":"pusher:cache_miss","channel":""#)
        buffer.append(name)
        buffer.append(#""}"#)
    }

    public func appendArrival(_ member: Member, space: UInt16, name: ByteView, to buffer: inout ByteBuffer) {
        node.noteMemberAdded(space: space, channel: name, user: member.id)
        buffer.append(#"{"event":"pusher_internal:member_added","data":"{\"user_id\":"#)
        buffer.append(member.label)
        if !member.info.isEmpty {
            buffer.append(#",\"user_info\":"#)
            buffer.append(member.info)
        }
        buffer.append("}")
        PusherKeeper.appendEnd(name, to: &buffer)
    }

    public func appendDeparture(_ member: Member, space: UInt16, name: ByteView, to buffer: inout ByteBuffer) {
        node.noteMemberRemoved(space: space, channel: name, user: member.id)
        buffer.append(#"{"event":"pusher_internal:member_removed","data":"{\"user_id\":"#)
        buffer.append(member.label)
        buffer.append("}")
        PusherKeeper.appendEnd(name, to: &buffer)
    }

    public func tellsCount(space: UInt16, name: ByteView) -> Bool {
        rules(space)?.features.contains(.subscriptionCount) ?? false && !ChannelKind(name).isPresence
    }

    public func appendCount(_ count: Int, space: UInt16, name: ByteView, to buffer: inout ByteBuffer) {
        buffer.append(#"{"event":"pusher_internal:subscription_count","data":"{\"subscription_count\":"#)
        buffer.append(decimal: UInt64(max(count, 0)))
        buffer.append("}")
        PusherKeeper.appendEnd(name, to: &buffer)
    }

    /// The end of `data`, and the channel.
    private static func appendEnd(_ name: ByteView, to buffer: inout ByteBuffer) {
        buffer.append(#"","channel":""#)
        buffer.append(name)
        buffer.append(#""}"#)
    }
}
