public import ClarionBytes

/// Writes frames (RFC 6455 section 5.2).
public enum FrameWriter {
    /// The largest payload whose length fits the second byte.
    @inlinable static var shortPayloadCountMax: Int { 125 }
    /// The largest payload whose length fits 16 bits.
    @inlinable static var mediumPayloadCountMax: Int { 65_535 }
    /// The longest reason of a close frame: a control payload without the two bytes of the code.
    public static let closeReasonCountMax = FrameHeader.controlPayloadCountMax - ClosePayload.codeByteCount

    /// Bytes a header takes for `payloadCount` bytes of payload.
    @inlinable
    public static func headerCount(payloadCount: Int, masked: Bool) -> Int {
        (payloadCount <= shortPayloadCountMax ? 2 : payloadCount <= mediumPayloadCountMax ? 4 : 10) + (masked ? 4 : 0)
    }

    /// Bytes of the header of an unmasked frame that begins at `frame`, which holds at least its first two.
    public static func headerCount(ofFrame frame: UnsafePointer<UInt8>) -> Int {
        switch unsafe frame[1] & 0x7F {
        case 126: 4
        case 127: 10
        default: 2
        }
    }

    /// The payload of a whole frame that was written without a mask.
    public static func payload(of frame: ByteView) -> ByteView {
        unsafe frame.slice(from: headerCount(ofFrame: frame.base))
    }

    /// Writes a header of `headerCount(payloadCount:masked:)` bytes, at most 14, and returns how many.
    ///
    /// - Parameters:
    ///   - opcode: one of `Opcode`'s values.
    ///   - rsv1: the payload is deflated (RFC 7692 section 6).
    ///   - maskKey: the key in memory order, for frames of a client; nil writes an unmasked frame.
    ///   - target: points to that many writable bytes.
    @discardableResult
    public static func writeHeader(
        opcode: UInt8, isFinal: Bool, rsv1: Bool, payloadCount: Int, maskKey: UInt32?,
        to target: UnsafeMutablePointer<UInt8>
    ) -> Int {
        precondition(payloadCount >= 0)
        unsafe target[0] = (isFinal ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | (opcode & 0x0F)
        let maskBit: UInt8 = maskKey == nil ? 0 : 0x80
        var position = 2
        if payloadCount <= shortPayloadCountMax {
            unsafe target[1] = maskBit | UInt8(truncatingIfNeeded: payloadCount)
        } else if payloadCount <= mediumPayloadCountMax {
            unsafe target[1] = maskBit | 126
            unsafe target[2] = UInt8(truncatingIfNeeded: payloadCount >> 8)
            unsafe target[3] = UInt8(truncatingIfNeeded: payloadCount)
            position = 4
        } else {
            unsafe target[1] = maskBit | 127
            unsafe UnsafeMutableRawPointer(target).storeBytes(
                of: UInt64(payloadCount).bigEndian, toByteOffset: 2, as: UInt64.self)
            position = 10
        }
        if let maskKey {
            unsafe UnsafeMutableRawPointer(target).storeBytes(of: maskKey, toByteOffset: position, as: UInt32.self)
            position += 4
        }
        return position
    }

    /// Appends a whole, final frame. With `maskKey` the payload is masked on its way, as a client has to.
    public static func append(
        frame opcode: UInt8, payload: ByteView, maskKey: UInt32? = nil, to buffer: inout ByteBuffer
    ) {
        let target = unsafe buffer.reserve(FrameHeader.headerCountMax + payload.count)
        let written = unsafe writeHeader(
            opcode: opcode, isFinal: true, rsv1: false, payloadCount: payload.count, maskKey: maskKey, to: target)
        unsafe memmoveBytes(to: target + written, from: payload.base, count: payload.count)
        if let maskKey {
            unsafe Masking.apply(target + written, count: payload.count, key: maskKey, phase: 0)
        }
        buffer.advance(by: written + payload.count)
    }

    /// Appends a close frame. Without a code the payload is empty and `reason` is not sent (RFC 6455 section 5.5.1).
    ///
    /// - Parameter reason: UTF-8; beyond 123 bytes it is cut in front of the scalar that does not fit.
    public static func appendClose(
        code: UInt16?, reason: ByteView, maskKey: UInt32? = nil, to buffer: inout ByteBuffer
    ) {
        guard let code else {
            return append(frame: Opcode.close, payload: ByteView(""), maskKey: maskKey, to: &buffer)
        }
        let reason = reason.slice(from: 0, count: scalarBoundary(reason, countMax: closeReasonCountMax))
        let payloadCount = ClosePayload.codeByteCount + reason.count
        let target = unsafe buffer.reserve(FrameHeader.headerCountMax + payloadCount)
        let written = unsafe writeHeader(
            opcode: Opcode.close, isFinal: true, rsv1: false, payloadCount: payloadCount, maskKey: maskKey, to: target)
        let payload = unsafe target + written
        unsafe payload[0] = UInt8(truncatingIfNeeded: code >> 8)
        unsafe payload[1] = UInt8(truncatingIfNeeded: code)
        unsafe memmoveBytes(to: payload + ClosePayload.codeByteCount, from: reason.base, count: reason.count)
        if let maskKey {
            unsafe Masking.apply(payload, count: payloadCount, key: maskKey, phase: 0)
        }
        buffer.advance(by: written + payloadCount)
    }

    /// The largest count up to `countMax` that does not cut a scalar of `text` in two.
    static func scalarBoundary(_ text: ByteView, countMax: Int) -> Int {
        if text.count <= countMax { return text.count }
        var end = countMax
        while end > 0 && text[end] & 0xC0 == 0x80 { end -= 1 }
        return end
    }
}
