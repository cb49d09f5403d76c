public import ClarionBytes
public import ClarionEngine
import ClarionWire

/// Answers each message with itself: for conformance tests and benchmarks.
public final class EchoHandler: MessageHandler {
    /// Bytes of one message: Autobahn's cases 9.* send 16 MiB.
    public static let messageBytesMaxDefault = 16 << 20

    public init() {}

    /// What the router answers to an upgrade of the echo path.
    ///
    /// - Parameters:
    ///   - handler: the number of an `EchoHandler` among the worker's handlers.
    ///   - messageBytesMax: the largest message; up to twice as much waits for a connection that does not read.
    public static func upgrade(
        handler: UInt8, messageBytesMax: Int = EchoHandler.messageBytesMaxDefault
    ) -> UpgradeDecision {
        .accept(
            handler: handler, state: SessionState(), messageBytesMax: messageBytesMax,
            liveness: Liveness(pingAfterSeconds: pingAfterSeconds, answerWithinSeconds: answerWithinSeconds))
    }

    private static let pingAfterSeconds = 60
    private static let answerWithinSeconds = 30

    public func opened(_ session: Session) {}

    public func received(_ payload: ByteView, opcode: UInt8, _ session: Session) {
        session.reply(opcode: opcode, payload)
    }

    public func joined(space: UInt16, name: ByteView, _ session: Session) {}

    public func ping(_ session: Session) { session.reply(opcode: Opcode.ping, ByteView("")) }

    public func farewell(_ reason: CloseReason, _ session: Session) -> Farewell? {
        switch reason {
        case .protocolError: return Farewell(1002, "Protocol error")
        case .unsupportedData: return Farewell(1003, "Unsupported data")
        case .invalidUTF8: return Farewell(1007, "Invalid UTF-8")
        case .controlFlood, .messageTimeout: return Farewell(1008, "Against the rules of this server")
        case .messageTooBig, .tooManyFragments: return Farewell(1009, "Message too big")
        case .shutdown, .keysSpent: return Farewell(1012, "Server is restarting")
        case .slowConsumer, .outboxFull, .nodeFull: return Farewell(1013, "Over capacity")
        case .pongTimeout, .idle: return Farewell(1001, "No sign of life")
        default: return nil
        }
    }

    public func closed(_ session: Session) {}
}
