import ClarionBytes
import ClarionEngine

/// What the protocol needs of a connection: a `Session`, or what stands for one in a test.
protocol PusherPeer {
    /// The connection's own words; see `PusherState`.
    var state: UnsafeMutablePointer<SessionState> { get }
    var socketNumber: UInt64 { get }
    /// Now, in ticks of `Clock.ticksPerSecond`; wraps around.
    var nowTick: UInt32 { get }

    func reply(_ text: ByteView)
    func subscribe(space: UInt16, name: ByteView) -> SubscribeOutcome
    func enter(space: UInt16, name: ByteView, as member: Member?, wantsKept: Bool) -> SubscribeOutcome
    func withMember(space: UInt16, name: ByteView, _ body: (Member) -> Void) -> Bool
    func signIn(space: UInt16, user: ByteView, info: ByteView, watching: [[UInt8]]) -> Bool
    func withUser(_ body: (_ id: ByteView, _ info: ByteView) -> Void) -> Bool
    func unsubscribe(space: UInt16, name: ByteView) -> Bool
    func isSubscribed(space: UInt16, name: ByteView) -> Bool
    func publish(space: UInt16, name: ByteView, text: ByteView, excluding: UInt64?, keeps: Bool)
    func close(_ reason: CloseReason, code: UInt16?, text: StaticString)
}

extension Session: PusherPeer {
    var nowTick: UInt32 { core.nowTick }
}
