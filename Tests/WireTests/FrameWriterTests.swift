import ClarionBytes
import ClarionWire
import Testing

@Suite struct FrameWriterTests {
    @Test func vectorsOfTheStandard() {
        let hello = Owned("Hello")
        #expect(
            written { FrameWriter.append(frame: Opcode.text, payload: hello.view, to: &$0) }
                == [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F])
        let key = UInt32(littleEndian: 0x3D21_FA37)
        #expect(
            written { FrameWriter.append(frame: Opcode.text, payload: hello.view, maskKey: key, to: &$0) }
                == [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58])
    }

    @Test(arguments: [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)])
    func headersTakeTheShortestForm(payloadCount: Int, headerCount: Int) {
        let payload = Owned([UInt8](repeating: 0x61, count: payloadCount))
        let frame = written { FrameWriter.append(frame: Opcode.binary, payload: payload.view, to: &$0) }
        #expect(frame.count == headerCount + payloadCount)
        #expect(FrameWriter.headerCount(payloadCount: payloadCount, masked: false) == headerCount)
        #expect(FrameWriter.headerCount(payloadCount: payloadCount, masked: true) == headerCount + 4)
    }

    @Test func closeFrames() {
        let reason = Owned("bye")
        #expect(written { FrameWriter.appendClose(code: nil, reason: reason.view, to: &$0) } == [0x88, 0])
        #expect(
            written { FrameWriter.appendClose(code: 1000, reason: reason.view, to: &$0) }
                == [0x88, 5, 0x03, 0xE8, 0x62, 0x79, 0x65])
        #expect(
            written { FrameWriter.appendClose(code: 4001, reason: reason.view, maskKey: 0, to: &$0) }
                == [0x88, 0x85, 0, 0, 0, 0, 0x0F, 0xA1, 0x62, 0x79, 0x65])
    }

    @Test(arguments: ["a", "é", "€", "😀"])
    func longReasonsAreCutBetweenScalars(scalar: String) {
        for lead in 0..<4 {
            let text = String(repeating: "-", count: lead) + String(repeating: scalar, count: 130)
            let reason = Owned(text)
            let frame = written { FrameWriter.appendClose(code: 1000, reason: reason.view, to: &$0) }
            let kept = Array(frame[4...])
            #expect(kept.count <= 123 && kept.count > 123 - scalar.utf8.count)
            #expect(frame[1] == UInt8(kept.count + 2))
            #expect(String(validating: kept, as: UTF8.self).map { text.hasPrefix($0) } == true)
        }
    }
}
