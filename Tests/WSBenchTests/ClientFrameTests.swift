import Testing

@testable import WSBenchCore

@Suite struct ClientFrameTests {
    /// Takes a masked frame apart, independently of what built it.
    private func open(_ frame: [UInt8]) -> (opcode: UInt8, payload: [UInt8]) {
        var length = Int(frame[1] & 0x7F)
        var offset = 2
        if length == 126 {
            length = Int(frame[2]) << 8 | Int(frame[3])
            offset = 4
        } else if length == 127 {
            length = frame[2..<10].reduce(0) { $0 << 8 | Int($1) }
            offset = 10
        }
        #expect(frame[0] & 0x80 != 0 && frame[1] & 0x80 != 0)
        #expect(frame.count == offset + 4 + length)
        let mask = frame[offset..<(offset + 4)]
        let payload = frame[(offset + 4)...].enumerated().map { $1 ^ mask[offset + $0 % 4] }
        return (frame[0] & 0x0F, payload)
    }

    @Test(arguments: [0, 1, 125, 126, 65_535, 65_536, 70_000])
    func everyLengthHasItsHead(count: Int) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let opened = open(ClientFrame.build(opcode: 1, payload: payload))
        #expect(opened.opcode == 1)
        #expect(opened.payload == payload)
    }

    @Test(arguments: Dialect.allCases, [42, 64, 125, 1_000, 70_000])
    func aTemplateCarriesItsMarker(dialect: Dialect, textBytes: Int) {
        let envelope = dialect.envelope(channel: "c")
        let template = MessageTemplate(
            head: Array(envelope.head.utf8), textBytes: textBytes, tail: Array(envelope.tail.utf8))
        defer { template.free() }
        let frame = unsafe [UInt8](unsafeUninitializedCapacity: template.byteCount) { buffer, count in
            unsafe template.write(
                sequence: 123_456_789, time: 9_876_543_210_123, now: 9_876_543_987_123,
                to: UnsafeMutableRawPointer(buffer.baseAddress!))
            count = template.byteCount
        }
        let text =
            "@@0000000123456789000987654321012300000777" + String(repeating: "x", count: textBytes - Marker.byteCount)
        #expect(open(frame).payload == Array((envelope.head + text + envelope.tail).utf8))
    }
}
