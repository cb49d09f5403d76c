import ClarionBytes
import ClarionWire
import Testing

@Suite struct Base64Tests {
    /// RFC 4648 section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func vectorsOfTheStandard(text: String, encoded: String) {
        let owned = Owned(text)
        #expect(written { Base64.append(owned.view, to: &$0) } == Array(encoded.utf8))
        #expect(Base64.encodedCount(owned.count) == encoded.utf8.count)
    }

    @Test func theWholeAlphabet() {
        let owned = Owned([0x00, 0x10, 0x83, 0x10, 0x51, 0x87, 0x20, 0x92, 0x8B, 0xFB, 0xFF, 0xFE])
        #expect(written { Base64.append(owned.view, to: &$0) } == Array("ABCDEFGHIJKL+//+".utf8))
    }
}
