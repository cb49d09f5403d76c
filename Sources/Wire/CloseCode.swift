public import ClarionBytes

/// Why a connection closes (RFC 6455 section 7.4 and the registry it opened).
@frozen
public struct CloseCode: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt16

    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let normal = CloseCode(rawValue: 1000)
    public static let goingAway = CloseCode(rawValue: 1001)
    public static let protocolError = CloseCode(rawValue: 1002)
    public static let unsupportedData = CloseCode(rawValue: 1003)
    public static let invalidPayload = CloseCode(rawValue: 1007)
    public static let policyViolation = CloseCode(rawValue: 1008)
    public static let messageTooBig = CloseCode(rawValue: 1009)
    public static let internalError = CloseCode(rawValue: 1011)
    public static let serviceRestart = CloseCode(rawValue: 1012)
    public static let tryAgainLater = CloseCode(rawValue: 1013)

    /// Whether a peer may put `code` into a close frame: 1000–1003, 1007–1014, 3000–4999.
    ///
    /// 1004, 1005, 1006 and 1015 are reserved for saying locally how a connection ended (RFC 6455 section 7.4.1).
    @inlinable
    public static func isAllowedOnWire(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: return true
        default: return false
        }
    }
}

/// What the payload of a close frame says (RFC 6455 section 5.5.1).
public enum ClosePayload {
    /// The payload is empty: no code, no reason.
    case empty
    /// An allowed code, and a reason in valid UTF-8 (a view into the payload, maybe empty).
    case code(UInt16, reason: ByteView)
    /// One byte, a forbidden code (close with 1002), or a reason that is not UTF-8 (close with 1007).
    case refused(CloseCode)

    /// Reads an unmasked payload. The reason is valid as long as `payload` is.
    public static func parse(_ payload: ByteView) -> ClosePayload {
        if payload.isEmpty { return .empty }
        if payload.count < ClosePayload.codeByteCount { return .refused(.protocolError) }
        let code = UInt16(payload[0]) << 8 | UInt16(payload[1])
        if !CloseCode.isAllowedOnWire(code) { return .refused(.protocolError) }
        let reason = payload.slice(from: ClosePayload.codeByteCount)
        if unsafe !UTF8Stream.isValid(reason.base, count: reason.count) { return .refused(.invalidPayload) }
        return .code(code, reason: reason)
    }

    static let codeByteCount = 2
}
