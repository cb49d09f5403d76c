import CTLS
import Testing

private let late = Int32(CTLS_LATE)
private let failed = Int32(CTLS_FAILED)
private let ended = Int32(CTLS_ENDED)
private let dataType: UInt8 = 23

/// The records of TLS 1.2, held against those that others made (`Record12Vectors`), and between two ends.
@Suite("Records of TLS 1.2")
struct SecureRecords12Tests {
    typealias End = SecureRecordsTests.End

    private func end(_ vectors: Record12Vectors, isClient: Bool = false, written: UInt64 = 1) throws -> End {
        try End(
            suite12: vectors.suite, master: bytes(vectors.master), clientRandom: bytes(vectors.clientRandom),
            serverRandom: bytes(vectors.serverRandom), isClient: isClient, firstNonce: vectors.firstNonce,
            written: written)
    }

    /// How many bytes a record has beside its data.
    private func added(_ vectors: Record12Vectors) -> Int { 5 + vectors.carriedBytes + 16 }

    @Test("a server's records, by their numbers", arguments: Record12Vectors.all)
    func numbers(_ vectors: Record12Vectors) throws {
        let message = bytes(vectors.message)
        for (number, record) in vectors.numbered {
            let sealed = try end(vectors, written: number).seal(message)
            #expect(sealed == bytes(record), "number \(number)")
        }
        // Counted by the node itself, over the end of the nonce and the carry.
        for start: UInt64 in [1, 255] {
            let counting = try end(vectors, written: start)
            let known = vectors.numbered.filter { $0.0 == start || $0.0 == start + 1 }.map { bytes($0.1) }
            #expect([counting.seal(message), counting.seal(message)] == known)
        }
    }

    @Test("a client's records", arguments: Record12Vectors.all)
    func opening(_ vectors: Record12Vectors) throws {
        let node = try end(vectors)
        for record in [vectors.client, vectors.clientNext] {
            #expect(node.split(bytes(record)).count == 1)
            #expect(node.open(bytes(record)).data == bytes(vectors.message))
        }
    }

    @Test("a record of the most bytes, and one of one more", arguments: Record12Vectors.all)
    func most(_ vectors: Record12Vectors) throws {
        let content = (0..<16_384).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let (node, client) = (try end(vectors), try end(vectors, isClient: true))
        let record = node.seal(content)
        #expect(record.count == 16_384 + added(vectors) && Array(record.suffix(16)) == bytes(vectors.mostTag))
        #expect(client.open(record).data == content)
        let tooLong = try end(vectors, isClient: true).sealOne(content + [1], last: dataType)
        #expect(node.length(tooLong) == -1)
        let (told, data, answer) = node.open(tooLong)
        #expect(told == failed && data.isEmpty && !answer.isEmpty)
    }

    @Test("what is sealed is opened, in both directions; no key ever changes", arguments: Record12Vectors.all)
    func bothWays(_ vectors: Record12Vectors) throws {
        let (node, client) = (try end(vectors), try end(vectors, isClient: true))
        for count in [1, 2, 100, 16_383, 16_384, 16_385, 65_536] {
            let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
            let records = node.split(node.seal(content))
            #expect(records.count == (count + 16_383) / 16_384)
            #expect(records.flatMap { client.open($0).data } == content)
            #expect(client.split(client.seal(content)).flatMap { node.open($0).data } == content)
        }
        #expect(try end(vectors, written: 1 << 23).seal([1]).count == 1 + added(vectors))
    }

    @Test(
        "another hello is told that there is no renegotiation, and the connection goes on",
        arguments: Record12Vectors.all)
    func renegotiation(_ vectors: Record12Vectors) throws {
        let node = try end(vectors)
        let (told, data, answer) = node.open(bytes(vectors.clientHello))
        #expect(told == late && data.isEmpty && answer == bytes(vectors.noRenegotiation))
        #expect(node.open(bytes(vectors.clientNext)).data == bytes(vectors.message))
        // No room for the answer that is owed: the end, rather than none.
        #expect(try end(vectors).open(bytes(vectors.clientHello), answerBytesMax: 63).told == failed)
    }

    @Test("a changed record is told as bad_record_mac", arguments: Record12Vectors.all)
    func changed(_ vectors: Record12Vectors) throws {
        let record = bytes(vectors.client)
        // The type, the nonce it carries or the first byte of content, and both ends of the tag.
        for place in [0, 5, record.count - 16, record.count - 1] {
            var changed = record
            changed[place] ^= 1
            let (told, data, answer) = try end(vectors).open(changed)
            #expect(told == failed && data.isEmpty && answer == bytes(vectors.badRecord), "place \(place)")
        }
        let node = try end(vectors)
        #expect(node.open(record).data == bytes(vectors.message))
        #expect(node.open(record).told == failed, "twice")
        #expect(try end(vectors).open(bytes(vectors.clientNext)).told == failed, "a gap")
    }

    @Test("the end is told and understood", arguments: Record12Vectors.all)
    func closing(_ vectors: Record12Vectors) throws {
        #expect(try end(vectors).end() == bytes(vectors.closing))
        #expect(try end(vectors).open(bytes(vectors.clientClosing)).told == ended)
    }

    @Test("what a peer may say, and what it may not")
    func content() throws {
        let vectors = Record12Vectors.all[0]
        for (content, type, wanted) in [
            ([], 23, late), ([1, 90], 21, late), ([1, 100], 21, late), ([1, 0], 21, ended),
            ([2, 40], 21, failed), ([1], 21, failed), ([], 21, failed), ([1, 0, 0], 21, failed), ([1], 20, failed),
            ([], 22, failed), ([0, 0, 0, 0], 22, failed), ([14, 0, 0, 0], 22, failed), ([20, 0, 0, 12], 22, failed),
        ] as [([UInt8], UInt8, Int32)] {
            let record = try end(vectors, isClient: true).sealOne(content, last: type)
            let (told, data, _) = try end(vectors).open(record)
            #expect(told == wanted && data.isEmpty, "\(content) as \(type)")
        }
    }

    @Test("heads of records", arguments: Record12Vectors.all)
    func heads(_ vectors: Record12Vectors) throws {
        let node = try end(vectors)
        let least = UInt8(vectors.carriedBytes + 16)
        for type: UInt8 in 20...23 {
            #expect(node.length([type, 3, 3, 0, least]) == 5 + Int32(least))
            #expect(node.length([type, 3, 3, 0, least - 1]) == -1)
        }
        #expect(node.length([23, 3, 3, 0x40, least]) == 5 + 16_384 + Int32(least))
        #expect(node.length([23, 3, 3, 0x40, least + 1]) == -1)
        for head: [UInt8] in [[19, 3, 3], [24, 3, 3], [23, 3, 1], [23, 3, 4], [23, 2, 3], [0, 0, 0]] {
            #expect(node.length(head + [0, 100]) == -1)
        }
    }

    @Test("other suites are refused")
    func making() {
        let master = ctls_master()
        // TLS 1.3, CBC, RSA without ECDHE, CCM.
        for suite: UInt16 in [0x1301, 0xC013, 0x009C, 0xC0AC, 0] {
            let made = unsafe withUnsafePointer(to: master) { unsafe ctls_records_make_12(suite, $0, 0, 0, 1) }
            #expect(unsafe made == nil)
        }
    }
}
