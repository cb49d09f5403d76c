/// What is wrong with a frame header (RFC 6455 sections 5.1, 5.2, 5.5).
public enum FrameFault: UInt8, Sendable {
    /// A client's frame without a mask.
    case unmasked
    /// A server's frame with a mask.
    case masked
    /// RSV2, RSV3, or RSV1 where no extension gives it a meaning.
    case reservedBits
    /// An opcode RFC 6455 does not define.
    case unknownOpcode
    /// A control frame with more than 125 bytes.
    case controlTooLong
    /// A control frame without FIN.
    case controlFragmented
    /// A length that would fit a shorter form.
    case lengthNotMinimal
    /// A 64-bit length with its top bit set.
    case lengthTopBit
    /// A length beyond `FrameHeader.payloadCountMax`.
    case lengthTooLarge

    /// The code to close with: 1009 for a frame that is only too large, 1002 for all others.
    public var closeCode: CloseCode { self == .lengthTooLarge ? .messageTooBig : .protocolError }
}

/// What the bytes at the start of a frame say.
@frozen
public enum FrameHeaderResult: Equatable, Sendable {
    /// Right so far, and not whole: call again with more bytes.
    case needMore
    case header(FrameHeader)
    case fault(FrameFault)
}

/// The header of a WebSocket frame (RFC 6455 section 5.2).
@frozen
public struct FrameHeader: Equatable, Sendable {
    /// One of `Opcode`'s values.
    public var opcode: UInt8
    public var isFinal: Bool
    /// RSV1, RSV2, RSV3 from the highest to the lowest of three bits.
    public var rsv: UInt8
    public var isMasked: Bool
    /// Bytes of payload behind the header; 0 ... payloadCountMax.
    public var payloadCount: Int
    /// The four bytes of the key, loaded in memory order; 0 when the frame is not masked.
    public var maskKey: UInt32
    /// Bytes of the header itself; 2 ... 14.
    public var headerCount: Int

    @inlinable
    public init(
        opcode: UInt8, isFinal: Bool, rsv: UInt8, isMasked: Bool, payloadCount: Int, maskKey: UInt32, headerCount: Int
    ) {
        self.opcode = opcode
        self.isFinal = isFinal
        self.rsv = rsv
        self.isMasked = isMasked
        self.payloadCount = payloadCount
        self.maskKey = maskKey
        self.headerCount = headerCount
    }

    /// The longest header: two bytes, a 64-bit length, a key.
    @inlinable public static var headerCountMax: Int { 14 }
    /// The largest payload of a control frame (RFC 6455 section 5.5).
    @inlinable public static var controlPayloadCountMax: Int { 125 }
    /// Frames beyond this are refused by their header. It leaves room so that adding a header, or the lengths of
    /// thousands of fragments, cannot overflow; what a message may really have is the caller's (far lower) limit.
    @inlinable public static var payloadCountMax: Int { 1 << 48 - 1 }
    /// RSV1 as it stands in `rsv`.
    @inlinable public static var rsv1: UInt8 { 0b100 }

    @inlinable public var isControl: Bool { Opcode.isControl(opcode) }

    /// Reads a header from `count` readable bytes.
    ///
    /// A fault is told as soon as the bytes that prove it are there, so the verdict does not depend on how the bytes
    /// were cut. What needs memory of earlier frames (a continuation without a start) is the caller's to check.
    ///
    /// - Parameters:
    ///   - fromClient: true where frames must be masked (a server reads), false where they must not be.
    ///   - rsv1Allowed: true where permessage-deflate was agreed; RSV1 may then stand on the first frame of a message.
    @inlinable
    public static func parse(
        _ bytes: UnsafePointer<UInt8>, count: Int, fromClient: Bool, rsv1Allowed: Bool
    ) -> FrameHeaderResult {
        if count < 1 { return .needMore }
        let first = unsafe bytes[0]
        let opcode = first & 0x0F
        let rsv = first >> 4 & 0b111
        let isFinal = first & 0x80 != 0
        if !Opcode.isKnown(opcode) { return .fault(.unknownOpcode) }
        if rsv != 0 && (rsv != rsv1 || !rsv1Allowed || opcode == Opcode.continuation || Opcode.isControl(opcode)) {
            return .fault(.reservedBits)
        }
        if !isFinal && Opcode.isControl(opcode) { return .fault(.controlFragmented) }
        if count < 2 { return .needMore }
        let second = unsafe bytes[1]
        let isMasked = second & 0x80 != 0
        if isMasked != fromClient { return .fault(fromClient ? .unmasked : .masked) }
        var payloadCount = Int(second & 0x7F)
        if payloadCount > controlPayloadCountMax && Opcode.isControl(opcode) { return .fault(.controlTooLong) }
        var headerCount = 2
        if payloadCount == 126 {
            if count < 4 { return .needMore }
            payloadCount = unsafe Int(bytes[2]) << 8 | Int(bytes[3])
            if payloadCount < 126 { return .fault(.lengthNotMinimal) }
            headerCount = 4
        } else if payloadCount == 127 {
            if count < 3 { return .needMore }
            if unsafe bytes[2] & 0x80 != 0 { return .fault(.lengthTopBit) }
            if unsafe bytes[2] != 0 { return .fault(.lengthTooLarge) }
            if count < 4 { return .needMore }
            if unsafe bytes[3] != 0 { return .fault(.lengthTooLarge) }
            if count < 8 { return .needMore }
            if unsafe bytes[4] | bytes[5] | bytes[6] | bytes[7] == 0 { return .fault(.lengthNotMinimal) }
            if count < 10 { return .needMore }
            let length = unsafe UnsafeRawPointer(bytes).loadUnaligned(fromByteOffset: 2, as: UInt64.self)
            payloadCount = Int(truncatingIfNeeded: UInt64(bigEndian: length))
            headerCount = 10
        }
        var maskKey: UInt32 = 0
        if isMasked {
            if count < headerCount + 4 { return .needMore }
            maskKey = unsafe UnsafeRawPointer(bytes).loadUnaligned(fromByteOffset: headerCount, as: UInt32.self)
            headerCount += 4
        }
        return .header(
            FrameHeader(
                opcode: opcode, isFinal: isFinal, rsv: rsv, isMasked: isMasked, payloadCount: payloadCount,
                maskKey: maskKey, headerCount: headerCount))
    }
}
