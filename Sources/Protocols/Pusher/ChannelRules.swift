/// What an application's channels beyond the public ones are held to.
public struct ChannelRules: Sendable, Equatable {
    /// Members of one presence channel.
    public var presenceMembersMax = 100
    /// Members above which subscribers of a presence channel are not told who comes and goes; 0: always told.
    public var presenceQuietMembers = 0
    /// Bytes of a member's `user_info`, as sent.
    public var presenceMemberBytesMax = 1024
    /// Client events of one connection in a second; 0: no limit.
    public var clientEventsPerSecond = 0
    /// A refused subscription is told by `pusher:subscription_error` too, behind the `pusher:error`: it names the
    /// channel. (Where a bound is reached, it comes alone and always.)
    public var sendsSubscriptionErrors = false

    public init() {}
}
