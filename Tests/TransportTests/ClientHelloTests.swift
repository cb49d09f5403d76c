import Testing

@testable import ClarionTransport

@Suite("What begins a connection that should speak TLS")
struct ClientHelloTests {
    private func scan(_ bytes: [UInt8]) -> ClientHello {
        unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return .needMore(1) }
            return unsafe ClientHello.scan(base, count: buffer.count)
        }
    }

    /// A hello of `payload` bytes, in records of at most `recordBytes`.
    private func hello(_ payload: Int, recordBytes: Int) -> [UInt8] {
        let message: [UInt8] =
            [1, UInt8(payload >> 16), UInt8(payload >> 8 & 255), UInt8(payload & 255)]
            + [UInt8](repeating: 7, count: payload)
        var bytes: [UInt8] = []
        var start = 0
        while start < message.count {
            let end = min(start + recordBytes, message.count)
            bytes += [22, 3, 1, UInt8((end - start) >> 8), UInt8((end - start) & 255)] + message[start..<end]
            start = end
        }
        return bytes
    }

    @Test("a hello is whole with its last byte, however it is cut into records", arguments: [1, 2, 3, 4, 5, 100, 999])
    func whole(recordBytes: Int) {
        let bytes = hello(300, recordBytes: recordBytes)
        #expect(scan(bytes) == .complete)
        for count in 0..<bytes.count {
            guard case .needMore(let wanted) = scan(Array(bytes[..<count])) else {
                Issue.record("\(count) of \(bytes.count) bytes: \(scan(Array(bytes[..<count])))")
                return
            }
            #expect(wanted > count && wanted <= bytes.count)
        }
    }

    @Test("a hello of 2 KiB in records of one byte is within the bound")
    func smallRecords() { #expect(scan(hello(2040, recordBytes: 1)) == .complete) }

    @Test("what is over the bound is refused as soon as its length is known")
    func tooLarge() {
        #expect(scan(Array(hello(20_000, recordBytes: 100).prefix(105))) == .refused)
        #expect(scan([22, 3, 1, 0x40, 0x01]) == .refused)
        #expect(scan([22, 3, 1, 0x40, 0x00]) == .refused)
        #expect(scan([22, 3, 1, 0x3F, 0xFB]) == .needMore(ClientHello.bytesMax))
    }

    @Test("other records, other messages, empty records and other versions are refused")
    func strange() {
        for first: UInt8 in [0, 20, 21, 23, 24, 0x80, 0xFF] { #expect(scan([first]) == .refused) }
        #expect(scan([22, 2, 1, 0, 4]) == .refused)
        #expect(scan([22, 3, 1, 0, 0]) == .refused)
        #expect(scan([22, 3, 1, 0, 4, 2, 0, 0, 0]) == .refused)
        #expect(scan([22, 3, 1, 0, 4, 1, 0, 0, 8, 23, 3, 1, 0, 8]) == .refused)
    }

    @Test("a request in the clear is told apart")
    func http() {
        #expect(scan(Array("GET / HTTP/1.1\r\n".utf8)) == .http)
        #expect(scan(Array("P".utf8)) == .http)
    }
}
