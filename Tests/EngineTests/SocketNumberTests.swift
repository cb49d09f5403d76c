import ClarionBytes
import Testing

@testable import ClarionEngine

struct SocketNumberTests {
    private static let key = SipHash(key0: 11, key1: 22)

    @Test
    func everyNumberComesBack() {
        for plain in [0, 1, 1 << 30, SocketNumber.limit - 1, 0x0AB_CDEF_0123_4567 & (SocketNumber.limit - 1)] {
            let number = SocketNumber.encrypt(plain, key: SocketNumberTests.key)
            #expect(number < SocketNumber.limit)
            #expect(SocketNumber.decrypt(number, key: SocketNumberTests.key) == plain)
            #expect(SocketNumber.encrypt(plain, key: SipHash(key0: 11, key1: 23)) != number)
        }
    }

    /// Neighbours have nothing in common, and no two numbers are the same.
    @Test
    func manyNumbersDiffer() {
        var seen = Set<UInt64>(minimumCapacity: 200_000)
        var highBits = 0
        for plain in 0..<UInt64(200_000) {
            let number = SocketNumber.encrypt(plain, key: SocketNumberTests.key)
            seen.insert(number)
            highBits += Int(number >> 59)
        }
        #expect(seen.count == 200_000)
        #expect(highBits > 98_000 && highBits < 102_000)
    }
}
