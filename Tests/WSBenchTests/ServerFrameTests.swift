import Testing

@testable import WSBenchCore

@Suite struct ServerFrameTests {
    private func parse(_ bytes: [UInt8]) -> ServerFrame.Outcome {
        unsafe bytes.withUnsafeBytes { unsafe ServerFrame.parse($0) }
    }

    @Test func headsOfEachLength() {
        #expect(parse([0x81, 0x7D]) == .head(ServerFrame(opcode: 1, headBytes: 2, payloadBytes: 125)))
        #expect(parse([0x82, 126, 1, 2]) == .head(ServerFrame(opcode: 2, headBytes: 4, payloadBytes: 258)))
        #expect(
            parse([0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0])
                == .head(ServerFrame(opcode: 1, headBytes: 10, payloadBytes: 65_536)))
    }

    @Test func anUnfinishedHeadSaysNothing() {
        let heads: [[UInt8]] = [[0x81, 5], [0x81, 126, 1, 2], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]]
        for head in heads {
            for count in 0..<head.count { #expect(parse(Array(head.prefix(count))) == .incomplete) }
        }
    }

    @Test func aCompressedMessageSaysSo() {
        // Whether that was agreed on is known to the connection.
        #expect(
            parse([0xC1, 5])
                == .head(ServerFrame(opcode: 1, headBytes: 2, payloadBytes: 5, isCompressed: true)))
    }

    @Test func whatNoServerMaySendIsRefused() {
        #expect(parse([0xA1, 5]) == .invalid)
        #expect(parse([0x81, 0x85]) == .invalid)
        #expect(parse([0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]) == .invalid)
    }
}
