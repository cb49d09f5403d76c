public import ClarionBytes

/// Sees what is said to single connections, for an operator who wants to read along. (What is published is seen by a
/// `MessageTap`, what comes by whoever wraps a handler.) One for each worker, called on its thread: it must not wait.
public protocol TrafficWatcher: AnyObject {
    /// A message that is for this connection only is on its way. `payload` is valid during the call.
    func replied(_ payload: ByteView, opcode: UInt8, to socketNumber: UInt64)

    /// An HTTP request is answered. `body` is valid during the call.
    func answered(status: Int, body: ByteView, to socketNumber: UInt64)
}

/// A handler that passes everything on to another one and looks at it on the way. `Core.handler` gives the other one.
public protocol HandlerWrapper: MessageHandler {
    var wrapped: any MessageHandler { get }
}
