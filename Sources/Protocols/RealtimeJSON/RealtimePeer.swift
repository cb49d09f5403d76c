import ClarionBytes
import ClarionEngine

/// What the protocol needs of a connection: a `Session`, or what stands for one in a test.
protocol RealtimePeer {
    func reply(_ text: ByteView)
    func subscribe(space: UInt16, name: ByteView) -> SubscribeOutcome
    func unsubscribe(space: UInt16, name: ByteView) -> Bool
    func publish(space: UInt16, name: ByteView, text: ByteView, excluding: UInt64?)
    func respond(status: Int, contentType: StaticString, body: ByteView, fields: StaticString)
}

extension Session: RealtimePeer {}
