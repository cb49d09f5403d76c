import CTLS
import Testing

/// The records of TLS 1.3 between two ends that share secrets. `Fuzz/Records` plays the same with random input, and
/// `test_tls` with other people's clients.
@Suite("Records of TLS 1.3")
struct SecureRecordsTests {
    /// Suites with the bytes of their secrets (RFC 8446 appendix B.4).
    static let suites: [(UInt16, Int)] = [(0x1301, 32), (0x1302, 48), (0x1303, 32)]

    @safe final class End {
        let bench: OpaquePointer
        let records: OpaquePointer

        init(suite: UInt16, readSecret: [UInt8], writeSecret: [UInt8], written: UInt64 = 0) throws {
            unsafe bench = try #require(ctls_bench_make())
            unsafe records = try #require(
                ctls_records_make(suite, readSecret, readSecret.count, writeSecret, writeSecret.count, written))
        }

        /// One end of TLS 1.2.
        init(
            suite12: UInt16, master: [UInt8], clientRandom: [UInt8], serverRandom: [UInt8], isClient: Bool = false,
            firstNonce: UInt64 = 0, written: UInt64 = 1
        ) throws {
            unsafe bench = try #require(ctls_bench_make())
            let all = master + clientRandom + serverRandom
            try #require(all.count == MemoryLayout<ctls_master>.size)
            unsafe records = try all.withUnsafeBytes { bytes in
                let made = unsafe bytes.loadUnaligned(as: ctls_master.self)
                return unsafe try #require(
                    withUnsafePointer(to: made) {
                        unsafe ctls_records_make_12(suite12, $0, isClient ? 1 : 0, firstNonce, written)
                    })
            }
        }

        convenience init(_ suite: (UInt16, Int), read: UInt8, write: UInt8, written: UInt64 = 0) throws {
            try self.init(
                suite: suite.0, readSecret: [UInt8](repeating: read, count: suite.1),
                writeSecret: [UInt8](repeating: write, count: suite.1), written: written)
        }

        deinit {
            unsafe ctls_records_free(records)
            unsafe ctls_bench_free(bench)
        }

        func seal(_ bytes: [UInt8]) -> [UInt8] {
            unsafe [UInt8](unsafeUninitializedCapacity: ctls_sealed_bound(bytes.count)) { buffer, count in
                count = unsafe ctls_records_seal(bench, records, bytes, bytes.count, buffer.baseAddress)
            }
        }

        /// A record with this content; `last` is its type, or a zero of padding.
        func sealOne(_ bytes: [UInt8], last: UInt8) -> [UInt8] {
            unsafe [UInt8](unsafeUninitializedCapacity: bytes.count + 64) { buffer, count in
                count = unsafe ctls_records_seal_one(bench, records, bytes, bytes.count, last, buffer.baseAddress)
            }
        }

        /// What ends this side.
        func end() -> [UInt8] {
            unsafe [UInt8](unsafeUninitializedCapacity: CTLS_LATE_BYTES_MAX) { buffer, count in
                count = unsafe ctls_records_end(bench, records, buffer.baseAddress)
            }
        }

        /// All bytes of the record that begins so; -1 when it is none.
        func length(_ head: [UInt8]) -> Int32 {
            unsafe head.withUnsafeBufferPointer { unsafe ctls_record_bytes(records, $0.baseAddress) }
        }

        /// The records that lie one behind the other.
        func split(_ bytes: [UInt8]) -> [[UInt8]] {
            var rest = bytes[...]
            var found: [[UInt8]] = []
            while rest.count >= 5 {
                let count = Int(length(Array(rest.prefix(5))))
                guard count > 0, count <= rest.count else { break }
                found.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            #expect(rest.isEmpty)
            return found
        }

        /// What the record is taken for, its data, and the answer to it.
        func open(_ record: [UInt8], answerBytesMax: Int = 256) -> (told: Int32, data: [UInt8], answer: [UInt8]) {
            var record = record
            var answer = [UInt8](repeating: 0, count: answerBytesMax)
            let recordCount = record.count
            let (told, used) = unsafe record.withUnsafeMutableBufferPointer { bytes in
                unsafe answer.withUnsafeMutableBufferPointer { out -> (Int32, Int) in
                    var wire = unsafe ctls_wire()
                    unsafe wire.out = out.baseAddress
                    unsafe wire.out_capacity = answerBytesMax
                    let told = unsafe ctls_records_open(bench, records, bytes.baseAddress, recordCount, &wire)
                    return unsafe (told, wire.out_count)
                }
            }
            let count = told > Int32(CTLS_DATA) ? Int(told) - CTLS_DATA : 0
            return (told, Array(record.dropFirst(5).prefix(count)), Array(answer.prefix(used)))
        }
    }

    private static let late = Int32(CTLS_LATE)
    private static let failed = Int32(CTLS_FAILED)
    private static let ended = Int32(CTLS_ENDED)

    private func ends(_ suite: (UInt16, Int), written: UInt64 = 0) throws -> (node: End, peer: End) {
        (try End(suite, read: 1, write: 2, written: written), try End(suite, read: 2, write: 1))
    }

    @Test("what is sealed is opened, in both directions", arguments: suites)
    func bothWays(_ suite: (UInt16, Int)) throws {
        let (node, peer) = try ends(suite)
        for count in [1, 2, 100, 16_383, 16_384, 16_385, 65_536] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
            let records = node.split(node.seal(bytes))
            #expect(records.count == (count + 16_383) / 16_384)
            #expect(records.flatMap { peer.open($0).data } == bytes)
            #expect(peer.split(peer.seal(bytes)).flatMap { node.open($0).data } == bytes)
        }
    }

    @Test("the key changes in time, and the peer can follow", arguments: suites)
    func keyLimit(_ suite: (UInt16, Int)) throws {
        let (node, _) = try ends(suite, written: 1 << 23)
        let records = node.split(node.seal([1, 2, 3]))
        // A key update under the old key, whose number the peer of this test has not reached, then data under the next.
        #expect(records.map(\.count) == [5 + 5 + 1 + 16, 5 + 3 + 1 + 16])
        #expect(node.split(node.seal([4])).count == 1)
    }

    @Test("a key update is taken, and answered when that is asked for", arguments: suites)
    func keyUpdates(_ suite: (UInt16, Int)) throws {
        for asks: UInt8 in [0, 1] {
            let (node, peer) = try ends(suite)
            let (told, _, answer) = node.open(peer.sealOne([24, 0, 0, 1, asks], last: 22))
            #expect(told == Self.late && answer.isEmpty == (asks == 0))
            // The old key is of no use any more.
            #expect(node.open(peer.sealOne([1], last: 23)).told == Self.failed)
            for record in node.split(answer) { #expect(peer.open(record).told == Self.late) }
        }
        // No room for the answer that is owed: the end, rather than none.
        let (node, peer) = try ends(suite)
        #expect(node.open(peer.sealOne([24, 0, 0, 1, 1], last: 22), answerBytesMax: 63).told == Self.failed)
    }

    @Test("no record is taken twice, out of order, or changed", arguments: suites)
    func sequence(_ suite: (UInt16, Int)) throws {
        for what in ["twice", "gap", "head", "body", "tag", "other key"] {
            let (node, peer) = try ends(suite)
            var first = peer.sealOne([1, 2, 3], last: 23)
            switch what {
            case "twice": #expect(node.open(first).data == [1, 2, 3])
            case "gap": first = peer.sealOne([4], last: 23)
            case "head": first[1] ^= 1
            case "body": first[5] ^= 1
            case "tag": first[first.count - 1] ^= 1
            default: first = try End(suite, read: 2, write: 3).sealOne([1, 2, 3], last: 23)
            }
            let (told, data, answer) = node.open(first)
            #expect(told == Self.failed && data.isEmpty && answer.count == 5 + 2 + 1 + 16, "\(what)")
        }
    }

    @Test("padding is taken off; a record of nothing else is refused")
    func padding() throws {
        let (node, peer) = try ends(Self.suites[0])
        #expect(node.open(peer.sealOne([7, 0, 23, 0, 0, 0], last: 0)).data == [7, 0])
        #expect(node.open(peer.sealOne([], last: 23)).told == Self.late)
        // As long as a record may be, padding included, and one byte longer inside.
        let most = [UInt8](repeating: 1, count: 16_384)
        #expect(node.open(peer.sealOne(most + [23] + [UInt8](repeating: 0, count: 238), last: 0)).data == most)
        let (second, other) = try ends(Self.suites[0])
        #expect(second.open(other.sealOne(most + [1], last: 23)).told == Self.failed)
        let (third, another) = try ends(Self.suites[0])
        #expect(third.open(another.sealOne([0, 0], last: 0)).told == Self.failed)
    }

    @Test(
        "what no peer says after the handshake is the end",
        arguments: [
            ([24, 0, 0, 1, 2], 22), ([24, 0, 0, 1], 22), ([24, 0, 0, 1, 0, 24, 0, 0, 1, 0], 22), ([], 22),
            ([4, 0, 0, 0], 22),
            ([1, 0, 0, 0], 22), ([1], 20), ([1], 24), ([1], 255), ([2, 40], 21), ([1], 21), ([], 21), ([1, 0, 0], 21),
        ] as [([UInt8], UInt8)])
    func unexpected(_ content: [UInt8], _ type: UInt8) throws {
        let (node, peer) = try ends(Self.suites[0])
        let (told, data, _) = node.open(peer.sealOne(content, last: type))
        #expect(told == Self.failed && data.isEmpty)
    }

    @Test("the end is told and understood")
    func closing() throws {
        let (node, peer) = try ends(Self.suites[0])
        #expect(node.open(peer.sealOne([1, 90], last: 21)).told == Self.late)
        #expect(node.open(peer.sealOne([1, 0], last: 21)).told == Self.ended)
        #expect(peer.open(node.end()).told == Self.ended)
    }

    @Test("heads of records")
    func heads() throws {
        let (node, _) = try ends(Self.suites[0])
        func length(_ head: [UInt8]) -> Int32 { node.length(head) }
        #expect(length([23, 3, 3, 0, 17]) == 22)
        #expect(length([23, 3, 3, 0, 16]) == -1)
        #expect(length([23, 3, 3, 0x41, 0]) == 5 + 16_640)
        #expect(length([23, 3, 3, 0x41, 1]) == -1)
        for type: UInt8 in [0, 20, 21, 22, 24, 255] { #expect(length([type, 3, 3, 0, 17]) == -1) }
    }

    @Test("secrets of another length, or another suite, are refused")
    func making() {
        let secret = [UInt8](repeating: 1, count: 48)
        for (suite, read, write) in [
            (0x1301, 48, 32), (0x1301, 32, 48), (0x1302, 32, 32), (0x1304, 32, 32), (0xC02F, 32, 32),
        ] {
            #expect(unsafe ctls_records_make(UInt16(suite), secret, read, secret, write, 0) == nil)
        }
    }
}
