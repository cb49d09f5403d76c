/// Masks and unmasks payloads (RFC 6455 section 5.3): the same exclusive-or both ways.
public enum Masking {
    /// Applies `key` to `count` bytes in place. Touches no byte outside them; any alignment.
    ///
    /// - Parameters:
    ///   - key: the four bytes in memory order, as `FrameHeader.maskKey` has them.
    ///   - phase: where in the payload the bytes begin, modulo 4.
    public static func apply(_ bytes: UnsafeMutablePointer<UInt8>, count: Int, key: UInt32, phase: Int) {
        let turned = turned(key, by: phase)
        let wide = UInt64(turned) << 32 | UInt64(turned)
        let raw = UnsafeMutableRawPointer(bytes)
        var position = 0
        if count >= 32 {
            let vector = SIMD4<UInt64>(repeating: wide)
            let last = count - 32
            while position <= last {
                let block = unsafe raw.loadUnaligned(fromByteOffset: position, as: SIMD4<UInt64>.self)
                unsafe raw.storeBytes(of: block ^ vector, toByteOffset: position, as: SIMD4<UInt64>.self)
                position += 32
            }
        }
        while count - position >= 8 {
            let word = unsafe raw.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            unsafe raw.storeBytes(of: word ^ wide, toByteOffset: position, as: UInt64.self)
            position += 8
        }
        // Each step so far was a multiple of four bytes, so the key still stands where it stood.
        var rest = turned.littleEndian
        while position < count {
            unsafe bytes[position] ^= UInt8(truncatingIfNeeded: rest)
            rest = rest >> 8 | rest << 24
            position += 1
        }
    }

    /// `key` so that its first byte in memory is the one that belongs to `phase`.
    @inline(always)
    static func turned(_ key: UInt32, by phase: Int) -> UInt32 {
        let bits = UInt32(truncatingIfNeeded: phase & 3) * 8
        let little = key.littleEndian
        return UInt32(littleEndian: little &>> bits | little &<< ((32 &- bits) & 31))
    }
}
