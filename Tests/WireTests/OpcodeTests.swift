import ClarionBytes
import ClarionWire
import Testing

@Suite struct OpcodeTests {
    @Test func knownAndControlOpcodes() {
        #expect((UInt8(0)..<16).filter(Opcode.isKnown) == [0, 1, 2, 8, 9, 10])
        #expect((UInt8(0)..<16).filter(Opcode.isControl) == [8, 9, 10, 11, 12, 13, 14, 15])
        #expect(Opcode.text == UInt8(1) && Opcode.pong == UInt8(10))
    }
}
