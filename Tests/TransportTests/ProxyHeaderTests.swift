import ClarionLoop
import ClarionTransport
import Testing

@Suite("The PROXY protocol")
struct ProxyHeaderTests {
    private func parse(_ bytes: [UInt8]) -> ProxyHeader {
        unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return .needMore }
            return unsafe ProxyHeader.parse(base, count: buffer.count)
        }
    }

    private let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

    private func block(_ command: UInt8, _ family: UInt8, _ payload: [UInt8]) -> [UInt8] {
        signature + [command, family, UInt8(payload.count >> 8), UInt8(payload.count & 255)] + payload
    }

    private let client = PeerAddress(version4: 0xC633_6407, port: 5000)

    @Test("a line is whole with its last byte, and what follows is not its own")
    func line() {
        let bytes = Array("PROXY TCP4 198.51.100.7 192.0.2.1 5000 80\r\n".utf8)
        #expect(parse(bytes + [1, 2, 3]) == .header(byteCount: bytes.count, client: client))
        for count in 0..<bytes.count { #expect(parse(Array(bytes[..<count])) == .needMore, "\(count)") }
    }

    @Test("a block is whole with its last byte, its further fields included")
    func blocks() {
        let address: [UInt8] = [198, 51, 100, 7, 192, 0, 2, 1, 0x13, 0x88, 0, 80]
        let bytes = block(0x21, 0x11, address + [4, 0, 2, 9, 9])
        #expect(parse(bytes + [1]) == .header(byteCount: bytes.count, client: client))
        for count in 0..<bytes.count { #expect(parse(Array(bytes[..<count])) == .needMore, "\(count)") }
        #expect(parse(block(0x20, 0x11, address)) == .header(byteCount: 28, client: nil))
        #expect(parse(block(0x21, 0x11, address + [4, 0, 3, 9, 9])) == .refused)
        #expect(parse(block(0x21, 0x31, [UInt8](repeating: 7, count: 216))) == .header(byteCount: 232, client: nil))
        #expect(parse(signature + [0x21, 0x11, 0, 217]) == .refused)
    }

    @Test("every length up to the bound is refused or whole, never read past its end")
    func lengths() {
        for length in 0...216 {
            for family: UInt8 in [0x00, 0x11, 0x21, 0x31] {
                let result = parse(block(0x21, family, [UInt8](repeating: 0, count: length)))
                #expect(result != .needMore, "\(length) \(family)")
            }
        }
    }
}
