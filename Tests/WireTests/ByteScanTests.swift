import ClarionBytes
import Testing

@testable import ClarionWire

@Suite struct ByteScanTests {
    /// Each search against a byte-wise one, on bytes that make borrows and carries likely.
    @Test func agreesWithTheByteWiseSearch() {
        var random = Seeded(5)
        let pool: [UInt8] = [
            0x00, 0x1F, 0x20, 0x21, 0x22, 0x23, 0x5B, 0x5C, 0x5D, 0x7E, 0x7F, 0x80, 0xA0, 0xA2, 0xDC, 0xFF,
        ]
        for round in 0..<20_000 {
            let isRare = round % 2 == 0
            let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                isRare && Int.random(in: 0..<20, using: &random) > 0
                    ? UInt8.random(in: 0x80...0xFF, using: &random) : pool.randomElement(using: &random) ?? 0
            }
            let owned = Owned(bytes)
            let start = Int.random(in: 0...bytes.count, using: &random)
            func expected(_ isWanted: (UInt8) -> Bool) -> Int {
                bytes[start...].firstIndex(where: isWanted) ?? bytes.count
            }
            let jsonStop = unsafe ByteScan.jsonStringStop(owned.base, from: start, to: bytes.count)
            #expect(jsonStop == expected { $0 == 0x22 || $0 == 0x5C || $0 < 0x20 })
            let control = unsafe ByteScan.control(owned.base, from: start, to: bytes.count)
            #expect(control == expected { $0 < 0x20 || $0 == 0x7F })
            let wanted = pool.randomElement(using: &random) ?? 0
            let first = unsafe ByteScan.first(wanted, in: owned.base, from: start, to: bytes.count)
            #expect(first == expected { $0 == wanted })
        }
    }
}
