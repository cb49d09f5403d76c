/// Why a connection ended. One reason for each connection; the same word in logs and in `/metrics`.
public enum CloseReason: UInt8, CaseIterable, Sendable {
    /// The peer sent a close frame, or ended an HTTP connection in order.
    case peerClosed
    /// The peer ended TCP without a close frame.
    case peerVanished
    /// The peer reset the connection, or the network failed.
    case peerReset
    /// An HTTP exchange that keeps nothing open is over.
    case httpDone
    /// An HTTP request that cannot be understood or is refused.
    case badRequest
    /// A frame against RFC 6455 (close code 1002).
    case protocolError
    /// Text that is not UTF-8 (1007).
    case invalidUTF8
    /// A compressed message that is no DEFLATE data (1007).
    case malformedDeflate
    /// A message over its bound, in bytes (1009).
    case messageTooBig
    /// A message of too many fragments (1009).
    case tooManyFragments
    /// A message that took too long to arrive (1008).
    case messageTimeout
    /// More control frames than the bucket holds (1008).
    case controlFlood
    /// A kind of message that the protocol does not speak (1003).
    case unsupportedData
    /// Too many messages in a time (as the application's limit says).
    case rateLimited
    /// The origin may not connect.
    case originRefused
    case unknownApplication
    /// It cannot be found out now whether the application exists.
    case applicationUndecided
    /// The application was taken away, or switched off.
    case applicationDisabled
    case applicationFull
    case badProtocolVersion
    /// The reader fell behind further than the channel's log reaches, or took nothing for too long.
    case slowConsumer
    /// Replies that wait for one connection are over their bound.
    case outboxFull
    /// No sign of life within the time after a ping.
    case pongTimeout
    /// The request head was not there in time.
    case headTimeout
    /// An HTTP connection without a request, or whose answer nobody took, for too long.
    case idle
    /// The node is at its most connections.
    case nodeFull
    /// An operator, or the application through the HTTP API, ended it.
    case kicked
    /// The node stops.
    case shutdown
    /// A PROXY header that is none, or did not come in time.
    case proxyHeader
    /// TLS did not come about: no hello, a wrong one, or no agreement.
    case handshakeFailed
    /// TLS did not come about in time.
    case handshakeTimeout
    /// Bytes that are not what TLS would have them be, on an open connection.
    case secureFault
    /// The address has as many connections as it may have.
    case addressFull
    /// The address has opened connections faster than it may.
    case addressRate
    /// It had not said what it wants when there were too many such connections, and was the oldest.
    case unidentified
    /// TLS: the kernel makes its records, and would need a new key for more, which it cannot take.
    case keysSpent
}
