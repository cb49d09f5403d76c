import CTLS
import Testing

private let late = Int32(CTLS_LATE)
private let failed = Int32(CTLS_FAILED)
private let ended = Int32(CTLS_ENDED)
private let dataType: UInt8 = 23

/// Bytes written in hex; white space is left out.
func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue ?? 255) }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// Records held against those that others made: the traces of RFC 8448, and Python's `cryptography`.
@Suite("Records of TLS 1.3, as others make them")
struct SecureRecordVectorsTests {
    typealias End = SecureRecordsTests.End

    private func node(_ vectors: RecordVectors, written: UInt64 = 0) throws -> End {
        try End(
            suite: vectors.suite, readSecret: bytes(vectors.clientSecret), writeSecret: bytes(vectors.serverSecret),
            written: written)
    }

    private func client(_ vectors: RecordVectors) throws -> End {
        try End(
            suite: vectors.suite, readSecret: bytes(vectors.serverSecret), writeSecret: bytes(vectors.clientSecret))
    }

    /// Section 3, "Simple 1-RTT Handshake". The server's record 0 is the ticket, which OpenSSL writes.
    @Test("the trace of RFC 8448")
    func trace() throws {
        let clientSecret = bytes("9e40646ce79a7f9dc05af8889bce6552 875afa0b06df0087f792ebb7c17504a5")
        let serverSecret = bytes("a11af9f05531f856ad47116b45a95032 8204b4f44bfb6b3a4b4f1f3fcb631643")
        let node = try End(suite: 0x1301, readSecret: clientSecret, writeSecret: serverSecret, written: 1)
        let content = (0..<50).map { UInt8($0) }
        let clientData = bytes(
            """
            17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab 3f 2b
            98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6 3a ee bb
            21 69 49 15 e4
            """)
        let serverData = bytes(
            """
            17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 25 d0 5f 82 aa 1b 36 e3 0e
            fa f9 7d 90 e6 df fc 60 2d cb 50 1a 59 a8 fc c4 9c 4b f2 e5 f0 a2 1c 00 47 c2 ab f3 32 54 0d d0 32 e1
            67 c2 95 5d
            """)
        #expect(node.open(clientData).data == content)
        #expect(node.seal(content) == serverData)
        let clientAlert = bytes("17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3")
        #expect(node.open(clientAlert).told == ended)
        #expect(node.end() == bytes("17 03 03 00 13 b5 8f d6 71 66 eb f5 99 d2 47 20 cf be 7e fa 7a 88 64 a9"))
        // And from the other end.
        let client = try End(suite: 0x1301, readSecret: serverSecret, writeSecret: clientSecret)
        #expect(client.seal(content) == clientData)
        #expect(client.end() == clientAlert)
    }

    @Test("the nonce counts in 64 bits", arguments: RecordVectors.all)
    func numbers(_ vectors: RecordVectors) throws {
        let message = bytes(vectors.message)
        for (number, record) in vectors.numbered {
            let sealed = try node(vectors, written: number).sealOne(message, last: dataType)
            #expect(sealed == bytes(record), "number \(number)")
        }
        // Counted up to by the node itself, over the carry from one byte to the next.
        let counting = try node(vectors, written: 255)
        let known = vectors.numbered.filter { $0.0 == 255 || $0.0 == 256 }.map { bytes($0.1) }
        #expect([counting.seal(message), counting.seal(message)] == known)
    }

    @Test("a client's records are opened, over the carry too", arguments: RecordVectors.all)
    func opening(_ vectors: RecordVectors) throws {
        let (node, client) = (try node(vectors), try client(vectors))
        let message = bytes(vectors.message)
        let known = Dictionary(uniqueKeysWithValues: vectors.client)
        for number in 0...256 {
            let own = client.sealOne(message, last: dataType)
            let record = known[number].map { bytes($0) } ?? own
            #expect(record == own && node.open(record).data == message, "number \(number)")
        }
    }

    @Test("padding is taken off", arguments: RecordVectors.all)
    func padding(_ vectors: RecordVectors) throws {
        #expect(try node(vectors).open(bytes(vectors.padded)).data == bytes(vectors.message))
    }

    @Test("a record of the most bytes", arguments: RecordVectors.all)
    func most(_ vectors: RecordVectors) throws {
        let content = (0..<16_384).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let record = try node(vectors).seal(content)
        #expect(record.count == 5 + 16_384 + 1 + 16 && Array(record.prefix(5)) == [23, 3, 3, 0x40, 0x11])
        #expect(Array(record.suffix(16)) == bytes(vectors.mostTag))
    }

    @Test("the next keys of both sides", arguments: RecordVectors.all)
    func update(_ vectors: RecordVectors) throws {
        let node = try node(vectors)
        let (told, data, answer) = node.open(bytes(vectors.update))
        #expect(told == late && data.isEmpty && answer == bytes(vectors.updateAnswer))
        let message = bytes(vectors.message)
        #expect(node.open(bytes(vectors.clientNext)).data == message)
        #expect(node.seal(message) == bytes(vectors.serverNext))
    }

    @Test("a used-up key, and the one behind it", arguments: RecordVectors.all)
    func limit(_ vectors: RecordVectors) throws {
        let message = bytes(vectors.message)
        let node = try node(vectors, written: 1 << 23)
        #expect(node.seal(message) == bytes(vectors.limitUpdate) + bytes(vectors.serverNext))
        // The client asks for another one.
        _ = node.open(bytes(vectors.update))
        #expect(node.seal(message) == bytes(vectors.serverThird))
    }

    @Test("a changed tag is told as bad_record_mac", arguments: RecordVectors.all)
    func changedTag(_ vectors: RecordVectors) throws {
        let record = try #require(vectors.client.first.map { bytes($0.1) })
        for place in [5, record.count - 16, record.count - 1] {
            var changed = record
            changed[place] ^= 0x80
            let (told, data, answer) = try node(vectors).open(changed)
            #expect(told == failed && data.isEmpty && answer == bytes(vectors.badRecord))
        }
        #expect(try node(vectors).end() == bytes(vectors.closing))
    }
}
