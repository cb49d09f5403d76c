import ClarionBytes
import Testing

@testable import ClarionPusher

@Suite struct SocketIDTests {
    @Test(arguments: [0, 1, 1 << 30 - 1, 1 << 30, 1234 << 30 | 5678, 1 << 60 - 1] as [UInt64])
    func roundTrip(_ number: UInt64) {
        var buffer = ByteBuffer()
        SocketID.append(number, to: &buffer)
        #expect(SocketID.parse(buffer.view) == .number(number))
    }

    @Test func text() {
        var buffer = ByteBuffer()
        SocketID.append(1234 << 30 | 5678, to: &buffer)
        #expect(buffer.view.string == "1234.5678")
    }

    @Test(arguments: [
        "", ".", "1", "1.", ".1", "1.2.3", "a.1", "1.a", "-1.2", "1. 2", "1.2 ", "+1.2", "1e3.2", "١.٢", "undefined",
    ])
    func malformed(_ text: String) { #expect(withView(text) { SocketID.parse($0) } == .malformed) }

    @Test(arguments: ["1073741824.1", "1.1073741824", "01.2", "1.02", "99999999999999999999999.1"])
    func foreign(_ text: String) { #expect(withView(text) { SocketID.parse($0) } == .foreign) }
}
