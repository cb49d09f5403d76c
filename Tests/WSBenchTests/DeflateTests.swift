import CBench
import Testing

@testable import WSBenchCore

@Suite struct DeflateTests {
    @Test func agreementsAreRead() throws {
        func read(_ value: String) -> DeflateAgreement? {
            DeflateAgreement(head: "HTTP/1.1 101 x\r\nsec-websocket-extensions: \(value)\r\n\r\n")
        }
        let plain = try #require(read("permessage-deflate"))
        #expect(plain.keepsContext && plain.windowBits == 15)
        let small = try #require(read("permessage-deflate; server_no_context_takeover; server_max_window_bits=9"))
        #expect(!small.keepsContext && small.windowBits == 9)
        #expect(read("permessage-deflate; server_max_window_bits=\"10\"; client_max_window_bits=9")?.windowBits == 10)
        #expect(read("permessage-deflate; server_max_window_bits=99") == nil)
        #expect(read("x-other") == nil)
        #expect(DeflateAgreement(head: "HTTP/1.1 101 x\r\n\r\n") == nil)
    }

    // "Hello" as RFC 7692, section 7.2.3, gives it: alone, with the one before, and in a final block.
    static let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]
    static let again: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
    static let final: [UInt8] = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]

    private func inflate(_ reader: DeflateReader, _ bytes: [UInt8]) -> String? {
        unsafe bytes.withUnsafeBytes { bytes in
            guard let message = unsafe reader.inflate(0, bytes) else { return nil }
            unsafe #expect(message.count == message.head.count)
            return unsafe String(decoding: message.head, as: UTF8.self)
        }
    }

    private func agreement(_ text: String) throws -> DeflateAgreement {
        try #require(DeflateAgreement(head: "HTTP/1.1 101 x\r\nSec-WebSocket-Extensions: \(text)\r\n\r\n"))
    }

    @Test func messagesThatStandAloneAreInflatedOneByOne() throws {
        let reader = DeflateReader(count: 1)
        defer { reader.free() }
        #expect(reader.open(0, try agreement("permessage-deflate; server_no_context_takeover")))
        for _ in 0..<3 { #expect(inflate(reader, Self.hello) == "Hello") }
        #expect(inflate(reader, Self.final) == "Hello")
        #expect(inflate(reader, Self.final) == "Hello")
        #expect(inflate(reader, [0xFF, 0xFF, 0xFF]) == nil)
        #expect(inflate(reader, Self.again) == nil)
        #expect(inflate(reader, Self.hello) == "Hello")
    }

    @Test func aContextReachesBack() throws {
        let reader = DeflateReader(count: 1)
        defer { reader.free() }
        #expect(reader.open(0, try agreement("permessage-deflate")))
        #expect(inflate(reader, Self.hello) == "Hello")
        #expect(inflate(reader, Self.again) == "Hello")
        #expect(reader.open(0, try agreement("permessage-deflate")))
        #expect(inflate(reader, Self.again) == nil)
    }

    @Test func wordsFillATextThatIsToBeCompressed() {
        #expect(Marker.padding(5, isProse: false) == Array("xxxxx".utf8))
        let words = Marker.padding(1_000, isProse: true)
        #expect(words.count == 1_000)
        #expect(words == Marker.padding(1_000, isProse: true))
        #expect(words.allSatisfy { ($0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z")) || $0 == UInt8(ascii: " ") })
    }
}
