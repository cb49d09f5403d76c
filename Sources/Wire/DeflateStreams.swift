import CDeflate
public import ClarionBytes

/// Compresses messages (RFC 7692 section 7.2.1). A handle to a zlib stream, managed by hand: whoever made it frees it.
@safe public struct DeflateEncoder: BitwiseCopyable {
    /// Points to zlib's state; valid until `free`.
    private let handle: OpaquePointer

    /// The smallest window of zlib's encoder. With it no distance is over 250 bytes (it keeps 262 bytes of its window
    /// to look ahead), so it serves windows of 8 bits as well.
    public static let windowBitsMin = 9

    /// Memory of an encoder, in bytes.
    public static func byteCount(windowBits: Int, memoryLevel: Int) -> Int {
        cdeflate_encoder_bytes(Int32(max(windowBits, windowBitsMin)), Int32(memoryLevel))
    }

    /// nil when there is no memory for it. `level` and `memoryLevel` are zlib's, 1...9.
    public init?(level: Int, windowBits: Int, memoryLevel: Int) {
        let bits = Int32(min(max(windowBits, DeflateEncoder.windowBitsMin), DeflateAgreement.windowBitsMax))
        guard let handle = unsafe cdeflate_encoder_make(Int32(level), bits, Int32(memoryLevel)) else { return nil }
        unsafe self.handle = unsafe handle
    }

    public func free() { unsafe cdeflate_encoder_free(handle) }

    /// Forgets what it has seen: the next message refers to nothing before it.
    public func reset() { unsafe cdeflate_encoder_reset(handle) }

    /// Bytes at the end of a flush (00 00 ff ff) that are cut off what is sent, and put back before it is read
    /// (RFC 7692 sections 7.2.1 and 7.2.2).
    public static let tailCount = 4

    /// What a step of compressing came to.
    public struct Step {
        /// All was taken and, at the end, everything written.
        public var isDone: Bool
        public var taken: Int
        public var written: Int
    }

    /// Compresses a part of a message. `ends`: it is the last one, and the output ends with the tail. Not done: the
    /// output is full.
    public func encode(_ bytes: ByteView, ends: Bool, to output: UnsafeMutablePointer<UInt8>, capacity: Int) -> Step {
        var taken = 0
        var written = 0
        let result = unsafe cdeflate_encode(
            handle, bytes.base, bytes.count, ends ? 1 : 0, output, capacity, &taken, &written)
        return Step(isDone: result == CDEFLATE_DONE, taken: taken, written: written)
    }

    /// Compresses a whole message to the end of `buffer`, without the tail. False, and nothing is there, when it takes
    /// more than `countMax` bytes; then the encoder needs a `reset`.
    public func append(_ payload: ByteView, countMax: Int, to buffer: inout ByteBuffer) -> Bool {
        if payload.isEmpty {
            // A flush behind a flush writes nothing (RFC 7692 section 7.2.3.6 says what stands for no bytes).
            if countMax > 0 { buffer.append(0x00) }
            return countMax > 0
        }
        let capacity = max(countMax, 0) + DeflateEncoder.tailCount
        let output = unsafe buffer.reserve(capacity + 1)
        let step = unsafe encode(payload, ends: true, to: output, capacity: capacity + 1)
        if !step.isDone || step.written < DeflateEncoder.tailCount { return false }
        buffer.advance(by: step.written - DeflateEncoder.tailCount)
        return true
    }
}

/// What came of a message that was to be inflated.
public enum InflateVerdict: Equatable, Sendable {
    /// So many bytes are at the front of the block.
    case message(Int)
    /// More than the bound.
    case tooBig
    /// Not DEFLATE data, or cut.
    case malformed
}

/// Inflates messages (RFC 7692 section 7.2.2). A handle to a zlib stream, managed by hand: whoever made it frees it.
@safe public struct DeflateDecoder: BitwiseCopyable {
    /// Points to zlib's state; valid until `free`.
    private let handle: OpaquePointer

    /// Memory of a decoder, in bytes.
    public static func byteCount(windowBits: Int) -> Int { cdeflate_decoder_bytes(Int32(windowBits)) }

    /// nil when there is no memory for it.
    public init?(windowBits: Int) {
        let bits = min(max(windowBits, DeflateAgreement.windowBitsMin), DeflateAgreement.windowBitsMax)
        guard let handle = unsafe cdeflate_decoder_make(Int32(bits)) else { return nil }
        unsafe self.handle = unsafe handle
    }

    public func free() { unsafe cdeflate_decoder_free(handle) }

    /// Forgets what it has seen, and that its input was bad.
    public func reset() { unsafe cdeflate_decoder_reset(handle) }

    /// Most bytes that come out before the bound is looked at.
    public static let stepBytes = 16 << 10

    /// Inflates a whole message of at most `limit` bytes into `block`, which grows with what really comes out. After
    /// anything but `.message` the decoder needs a `reset`.
    public func inflate(_ payload: ByteView, limit: Int, into block: inout Block, pool: inout BlockPool)
        -> InflateVerdict
    {
        // What a message without any bytes means nobody says; it can only be an empty one.
        if payload.isEmpty { return .message(0) }
        var source = payload
        var isTail = false
        var used = 0
        while true {
            let room = min(DeflateDecoder.stepBytes, limit + 1 - used)
            pool.grow(&block, used: used, to: used + room)
            guard let base = unsafe block.base else { return .malformed }
            var taken = 0
            var written = 0
            let result = unsafe cdeflate_decode(handle, source.base, source.count, base + used, room, &taken, &written)
            used += written
            source = source.slice(from: taken)
            if used > limit { return .tooBig }
            switch Int(result) {
            case Int(CDEFLATE_OUTPUT_FULL):
                continue
            case Int(CDEFLATE_DONE):
                if isTail {
                    return unsafe cdeflate_decoder_is_between_blocks(handle) != 0 ? .message(used) : .malformed
                }
                isTail = true
                source = unsafe ByteView(base: cdeflate_tail(), count: DeflateEncoder.tailCount)
            case Int(CDEFLATE_FINAL):
                // RFC 7692 section 7.2.3.4: a final block may come anywhere. A sender that forgets the empty block
                // behind the last one is understood too.
                if isTail { return .malformed }
                unsafe cdeflate_decoder_continue(handle)
                if source.isEmpty { return .message(used) }
            default:
                return .malformed
            }
        }
    }
}
