import ClarionBytes
import ClarionWire
import Testing

@Suite struct MaskingTests {
    /// Every length, phase and alignment against the definition, with guard bytes on both sides.
    @Test func agreesWithTheDefinition() {
        var random = Seeded(2)
        let keyBytes: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
        let key = UInt32(littleEndian: 0x3D21_FA37)
        let source = (0..<320).map { _ in UInt8.random(in: 0...255, using: &random) }
        for length in 0...200 {
            for phase in 0..<4 {
                for alignment in 0..<33 {
                    var expected = source
                    for index in 0..<length { expected[alignment + index] ^= keyBytes[(index + phase) & 3] }
                    let owned = Owned(source)
                    unsafe Masking.apply(owned.base + alignment, count: length, key: key, phase: phase)
                    if owned.array != expected { Issue.record("length \(length) phase \(phase) at \(alignment)") }
                }
            }
        }
    }

    @Test func piecesMakeTheWhole() {
        let source = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let whole = Owned(source)
        unsafe Masking.apply(whole.base, count: whole.count, key: 0x0102_0304, phase: 0)
        var random = Seeded(3)
        for _ in 0..<100 {
            let pieces = Owned(source)
            var position = 0
            while position < pieces.count {
                let count = min(Int.random(in: 0...90, using: &random), pieces.count - position)
                unsafe Masking.apply(pieces.base + position, count: count, key: 0x0102_0304, phase: position)
                position += count
            }
            #expect(pieces.array == whole.array)
        }
    }
}
