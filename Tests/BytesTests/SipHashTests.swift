import ClarionBytes
import Testing

struct SipHashTests {
    /// SipHash-1-3 as its authors write it, over whole blocks of 8 bytes: what `hash` does with the seed as first block.
    private func reference(_ key0: UInt64, _ key1: UInt64, _ bytes: [UInt8]) -> UInt64 {
        var v = [
            key0 ^ 0x736f_6d65_7073_6575, key1 ^ 0x646f_7261_6e64_6f6d, key0 ^ 0x6c79_6765_6e65_7261,
            key1 ^ 0x7465_6462_7974_6573,
        ]
        func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 { value << bits | value >> (64 - bits) }
        func round() {
            v[0] &+= v[1]
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] &+= v[3]
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] &+= v[3]
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] &+= v[1]
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)
        }
        var padded = bytes
        while padded.count % 8 != 7 { padded.append(0) }
        padded.append(UInt8(truncatingIfNeeded: bytes.count))
        for start in stride(from: 0, to: padded.count, by: 8) {
            var word: UInt64 = 0
            for offset in 0..<8 { word |= UInt64(padded[start + offset]) << UInt64(offset * 8) }
            v[3] ^= word
            round()
            v[0] ^= word
        }
        v[2] ^= 0xFF
        for _ in 0..<3 { round() }
        return v[0] ^ v[1] ^ v[2] ^ v[3]
    }

    @Test
    func agreesWithTheDefinition() {
        var numbers = Numbers(3)
        for count in 0...64 {
            let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
            let seed = numbers.next()
            let hash = SipHash(key0: numbers.next(), key1: numbers.next())
            let prefix = (0..<8).map { UInt8(truncatingIfNeeded: seed >> UInt64($0 * 8)) }
            let expected = reference(hash.key0, hash.key1, prefix + bytes)
            #expect(withView(bytes) { hash.hash($0, seed: seed) } == expected, "\(count) bytes")
        }
    }

    @Test
    func everyBitMatters() {
        let hash = SipHash(key0: 1, key1: 2)
        let bytes: [UInt8] = Array(0..<40)
        let plain = withView(bytes) { hash.hash($0, seed: 0) }
        var flipped = 0
        for bit in 0..<bytes.count * 8 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            flipped += (withView(changed) { hash.hash($0, seed: 0) } ^ plain).nonzeroBitCount
        }
        let share = Double(flipped) / Double(bytes.count * 8 * 64)
        #expect(share > 0.48 && share < 0.52)
        #expect(withView(bytes) { hash.hash($0, seed: 1) } != plain)
        #expect(withView(bytes) { SipHash(key0: 1, key1: 3).hash($0, seed: 0) } != plain)
        #expect(withView(bytes + [0]) { hash.hash($0, seed: 0) } != plain)
    }
}
