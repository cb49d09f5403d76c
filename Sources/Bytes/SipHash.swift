/// SipHash-1-3 of bytes under a secret key: names chosen by clients cannot be made to collide.
/// (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; 1 compression and 3 finalisation rounds.)
@frozen
public struct SipHash: Sendable {
    public let key0: UInt64
    public let key1: UInt64

    @inlinable
    public init(key0: UInt64, key1: UInt64) {
        self.key0 = key0
        self.key1 = key1
    }

    /// The hash of `view`, of `seed` first.
    public func hash(_ view: ByteView, seed: UInt64) -> UInt64 {
        var v0 = key0 ^ 0x736F_6D65_7073_6575
        var v1 = key1 ^ 0x646F_7261_6E64_6F6D
        var v2 = key0 ^ 0x6C79_6765_6E65_7261
        var v3 = key1 ^ 0x7465_6462_7974_6573

        func round() {
            v0 = v0 &+ v1
            v1 = (v1 << 13 | v1 >> 51) ^ v0
            v0 = v0 << 32 | v0 >> 32
            v2 = v2 &+ v3
            v3 = (v3 << 16 | v3 >> 48) ^ v2
            v0 = v0 &+ v3
            v3 = (v3 << 21 | v3 >> 43) ^ v0
            v2 = v2 &+ v1
            v1 = (v1 << 17 | v1 >> 47) ^ v2
            v2 = v2 << 32 | v2 >> 32
        }
        func mix(_ word: UInt64) {
            v3 ^= word
            round()
            v0 ^= word
        }

        mix(seed)
        let raw = unsafe UnsafeRawPointer(view.base)
        let wholeCount = view.count & ~7
        var position = 0
        while position < wholeCount {
            unsafe mix(UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: position, as: UInt64.self)))
            position += 8
        }
        var last = UInt64(truncatingIfNeeded: view.count + 8) << 56
        var shift: UInt64 = 0
        while position < view.count {
            unsafe last |= UInt64(view.base[position]) << shift
            shift += 8
            position += 1
        }
        mix(last)
        v2 ^= 0xFF
        round()
        round()
        round()
        return v0 ^ v1 ^ v2 ^ v3
    }
}
