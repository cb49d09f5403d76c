import ClarionBytes
import ClarionWire
import Testing

@Suite struct HexTests {
    @Test func everyByteBothWays() {
        let all = Owned(UInt8(0)...255)
        var isDecoded = false
        let text = Owned(written { Hex.append(all.view, to: &$0) })
        #expect(text.view.string.hasPrefix("000102") && text.view.string.hasSuffix("fdfeff"))
        #expect(written { isDecoded = Hex.appendDecoded(text.view, to: &$0) } == all.array)
        #expect(isDecoded)
    }

    @Test(arguments: ["a", "0A", "AA", "g0", "0g", "0x", " 0", "é", "000"])
    func oneSpellingOnly(text: String) {
        let owned = Owned(text)
        #expect(writtenText { Hex.appendDecoded(owned.view, to: &$0) } == nil)
    }
}
