import CTLS
import Testing

/// What kernel TLS is given, byte by byte as linux/tls.h lays it out, and what is left to do here then.
@Suite("Keys for the kernel")
struct KernelKeysTests {
    /// RFC 8448 section 3: the secret of the server's application traffic, with its key and its nonce.
    private static let secret: [UInt8] = [
        0xa1, 0x1a, 0xf9, 0xf0, 0x55, 0x31, 0xf8, 0x56, 0xad, 0x47, 0x11, 0x6b, 0x45, 0xa9, 0x50, 0x32, 0x82, 0x04,
        0xb4,
        0xf4, 0x4b, 0xfb, 0x6b, 0x3a, 0x4b, 0x4f, 0x1f, 0x3f, 0xcb, 0x63, 0x16, 0x43,
    ]
    private static let key: [UInt8] = [
        0x9f, 0x02, 0x28, 0x3b, 0x6c, 0x9c, 0x07, 0xef, 0xc2, 0x6b, 0xb9, 0xf2, 0xac, 0x92, 0xe3, 0x56,
    ]
    private static let nonce: [UInt8] = [0xcf, 0x78, 0x2b, 0x88, 0xdd, 0x83, 0x54, 0x9a, 0xad, 0xf1, 0xe9, 0x84]

    private func keys(_ records: OpaquePointer, capacity: Int = 64) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            count = unsafe ctls_kernel_keys(records, buffer.baseAddress, capacity)
        }
    }

    @Test func layoutOfAES128() throws {
        let secret = KernelKeysTests.secret
        let records = unsafe try #require(
            ctls_records_make(0x1301, secret, secret.count, secret, secret.count, 0x0102))
        defer { unsafe ctls_records_free(records) }
        let nonce = KernelKeysTests.nonce
        // version 0x0304 and cipher 51 in the byte order of the machine; iv, key, salt; the count, highest byte first.
        let wanted =
            [0x04, 0x03, 51, 0] + nonce[4...] + KernelKeysTests.key + nonce[..<4] + [0, 0, 0, 0, 0, 0, 1, 2]
        #expect(unsafe keys(records) == wanted)
        #expect(unsafe keys(records, capacity: 39).isEmpty)
    }

    /// Sizes and ciphers of linux/tls.h for the other suites.
    @Test(arguments: [(UInt16(0x1302), 48, UInt8(52), 56), (0x1303, 32, 54, 56)])
    func layoutOfOthers(_ suite: UInt16, _ secretCount: Int, _ cipher: UInt8, _ count: Int) throws {
        let secret = [UInt8](repeating: 7, count: secretCount)
        let records = unsafe try #require(ctls_records_make(suite, secret, secretCount, secret, secretCount, 258))
        defer { unsafe ctls_records_free(records) }
        let found = unsafe keys(records)
        #expect(found.count == count)
        #expect(Array(found.prefix(4)) == [0x04, 0x03, cipher, 0])
        #expect(Array(found.suffix(8)) == [0, 0, 0, 0, 0, 0, 1, 2])
    }

    /// The kernel has the key: there is none to give again, alerts are two bytes, and a key update that wants another is
    /// answered by the end.
    @Test func whatIsLeft() throws {
        let mine = try SecureRecordsTests.End(SecureRecordsTests.suites[0], read: 1, write: 2)
        let peer = try SecureRecordsTests.End(SecureRecordsTests.suites[0], read: 2, write: 1)
        unsafe ctls_kernel_writes(mine.records)
        #expect(unsafe keys(mine.records).isEmpty)
        let good = mine.open(peer.sealOne([1, 2, 3], last: 23))
        #expect(good.told == Int32(CTLS_DATA) + 3 && good.data == [1, 2, 3] && good.answer.isEmpty)
        let wish = mine.open(peer.sealOne([24, 0, 0, 1, 1], last: 22))
        #expect(wish.told == Int32(CTLS_WORN) && wish.answer == [1, 0])
        let broken = mine.open([23, 3, 3, 0, 32] + [UInt8](repeating: 0, count: 32))
        #expect(broken.told == Int32(CTLS_FAILED) && broken.answer == [2, 20])
        var out = [UInt8](repeating: 0, count: 64)
        #expect(unsafe ctls_records_end(mine.bench, mine.records, &out) == 2 && Array(out.prefix(2)) == [1, 0])
    }
}
