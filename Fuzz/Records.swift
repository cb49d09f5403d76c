import CTLS
import ClarionBytes

// Records of TLS 1.2 and 1.3: what one side seals the other opens, in order, over key updates; what was changed on the
// way, or says something that no peer says after the handshake, ends the connection and gives out nothing. The first
// byte chooses the suite, then each step takes what it needs of the input.

/// With the bytes of their secrets; 0 for those of TLS 1.2.
private let suites: [(UInt16, Int)] = [
    (0x1301, 32), (0x1302, 48), (0x1303, 32), (0xC02B, 0), (0xC030, 0), (0xCCA9, 0),
]
private let outCapacity = 64 << 10

@safe private final class Side {
    let bench: OpaquePointer
    let records: OpaquePointer
    let out: UnsafeMutablePointer<UInt8>

    init(_ suite: UInt16, read: [UInt8], write: [UInt8], written: UInt64) {
        unsafe bench = ctls_bench_make()!
        unsafe records = ctls_records_make(suite, read, read.count, write, write.count, written)!
        unsafe out = UnsafeMutablePointer.allocate(capacity: outCapacity)
    }

    /// Of TLS 1.2.
    init(_ suite: UInt16, isClient: Bool, firstNonce: UInt64) {
        unsafe bench = ctls_bench_make()!
        let master = ctls_master()
        unsafe records = withUnsafePointer(to: master) {
            unsafe ctls_records_make_12(suite, $0, isClient ? 1 : 0, firstNonce, 1)!
        }
        unsafe out = UnsafeMutablePointer.allocate(capacity: outCapacity)
    }

    deinit {
        unsafe ctls_records_free(records)
        unsafe ctls_bench_free(bench)
        unsafe out.deallocate()
    }

    func seal(_ bytes: [UInt8]) -> [UInt8] {
        let count = unsafe ctls_records_seal(bench, records, bytes, bytes.count, out)
        require(count > bytes.count && count <= ctls_sealed_bound(bytes.count), "sealed \(bytes.count) into \(count)")
        return unsafe Array(UnsafeBufferPointer(start: out, count: count))
    }

    /// All bytes of the record that begins so, or -1.
    func length(_ bytes: [UInt8]) -> Int {
        unsafe Int(bytes.withUnsafeBufferPointer { unsafe ctls_record_bytes(records, $0.baseAddress) })
    }

    func sealOne(_ bytes: [UInt8], last: UInt8) -> [UInt8] {
        let count = unsafe ctls_records_seal_one(bench, records, bytes, bytes.count, last, out)
        return unsafe Array(UnsafeBufferPointer(start: out, count: count))
    }

    /// What the record is taken for, the bytes of data, and the answer.
    func open(_ record: [UInt8]) -> (Int32, [UInt8], [UInt8]) {
        // With an exact end, so that the sanitizer sees every byte too many.
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: record.count)
        defer { unsafe copy.deallocate() }
        unsafe copy.update(from: record, count: record.count)
        var wire = unsafe ctls_wire()
        unsafe wire.out = out
        unsafe wire.out_capacity = outCapacity
        let told = unsafe ctls_records_open(bench, records, copy, record.count, &wire)
        let data = told > Int32(CTLS_DATA) ? Int(told) - CTLS_DATA : 0
        require(data + 21 <= record.count || data == 0, "\(data) bytes of \(record.count)")
        return unsafe (
            told, Array(UnsafeBufferPointer(start: copy + 5, count: data)),
            Array(UnsafeBufferPointer(start: out, count: wire.out_count))
        )
    }
}

/// The records of a side that lie one behind the other.
private func split(_ side: Side, _ bytes: [UInt8]) -> [[UInt8]] {
    var found: [[UInt8]] = []
    var rest = bytes[...]
    while rest.count >= 5 {
        let count = side.length(Array(rest.prefix(5)))
        require(count > 0 && count <= rest.count, "a record of our own that is none")
        found.append(Array(rest.prefix(count)))
        rest = rest.dropFirst(count)
    }
    require(rest.isEmpty, "half a record")
    return found
}

private func isEnd(_ told: Int32) -> Bool { told == Int32(CTLS_FAILED) || told == Int32(CTLS_ENDED) }

private func fuzz(_ input: ByteView) {
    if input.count < 4 { return }
    let (suite, secretCount) = suites[Int(input[0]) % suites.count]
    let (one, other) = (
        [UInt8](repeating: input[1], count: secretCount), [UInt8](repeating: ~input[1], count: secretCount)
    )
    // Sometimes so many were written already that the key is used up.
    let is12 = secretCount == 0
    let written: UInt64 = is12 || input[2] & 1 == 0 ? 0 : (1 << 23) - UInt64(input[2] >> 1 & 3)
    let (node, peer): (Side, Side)
    if is12 {
        let firstNonce = UInt64(input[1]) &- 4
        node = Side(suite, isClient: false, firstNonce: firstNonce)
        peer = Side(suite, isClient: true, firstNonce: ~firstNonce)
    } else {
        node = Side(suite, read: one, write: other, written: written)
        peer = Side(suite, read: other, write: one, written: 0)
    }
    var position = 3
    func next() -> Int {
        defer { position += 1 }
        return position < input.count ? Int(input[position]) : 0
    }
    func take(_ count: Int) -> [UInt8] {
        let taken = max(min(count, input.count - position), 0)
        defer { position += taken }
        return taken == 0 ? [] : input.slice(from: position, count: taken).array
    }
    while position < input.count {
        switch next() & 7 {
        case 0, 1:
            // The node's records say what went in, whatever the number of records and key updates.
            let size = next()
            let bytes = size & 128 == 0 ? take(size) + [1] : [UInt8](repeating: UInt8(size), count: size << 7)
            let sealed = node.seal(bytes)
            if written != 0 { continue }
            var got: [UInt8] = []
            for record in split(node, sealed) {
                let (told, data, answer) = peer.open(record)
                require(told > Int32(CTLS_DATA) || told == Int32(CTLS_LATE), "own record: \(told)")
                require(answer.isEmpty, "an answer to data")
                got += data
            }
            require(got == bytes, "other bytes came out")
        case 2:
            // A peer's record as it is.
            let bytes = take(next())
            let (told, data, _) = node.open(peer.sealOne(bytes, last: 23))
            require(bytes.isEmpty ? told == Int32(CTLS_LATE) : data == bytes, "a peer's data")
        case 3:
            // Whatever a peer may put inside: alerts, handshake messages, padding, unknown types.
            let bytes = take(next())
            let last = UInt8(next())
            let (told, data, answer) = node.open(peer.sealOne(bytes, last: last))
            let content = bytes + [last]
            let end = is12 ? bytes.count : content.lastIndex { $0 != 0 }
            let type = end.map { content[$0] }
            if type == 23 {
                require(isEnd(told) == false && data == Array(content[..<end!]), "padded data")
            } else {
                require(data.isEmpty, "data of a record of type \(String(describing: type))")
                if isEnd(told) { return }
                require(type == 22 || type == 21, "type \(String(describing: type)) is let pass")
                for record in split(node, answer) {
                    if written != 0 { return }
                    require(peer.open(record).0 == Int32(CTLS_LATE), "the answer to a key update")
                }
                // The peer's next records use its next key; this peer has not taken it.
                if type == 22 { return }
            }
        case 4:
            // One bit changed: the end, and nothing comes out.
            var record = peer.sealOne(take(next()), last: 23)
            let place = 5 + next() % max(record.count - 5, 1)
            record[place] ^= 1 << UInt8(next() & 7)
            let (told, data, answer) = node.open(record)
            require(told == Int32(CTLS_FAILED) && data.isEmpty && !answer.isEmpty, "a changed record")
            return
        case 5:
            // Bytes that nobody sealed.
            let bytes = take(next())
            if bytes.count < 5 { return }
            let count = node.length(bytes)
            require(count == -1 || (count >= 21 && count <= 5 + 16_640), "a record of \(count)")
            let (told, data, _) = node.open(bytes)
            require(told == Int32(CTLS_FAILED) && data.isEmpty, "bytes that nobody sealed")
            return
        case 6:
            // One is lost on the way, or comes twice.
            let first = peer.sealOne([1, 2, 3], last: 23)
            let second = peer.sealOne([4, 5, 6], last: 23)
            if next() & 1 == 0 {
                require(node.open(second).0 == Int32(CTLS_FAILED), "a gap")
            } else {
                require(node.open(first).1 == [1, 2, 3], "the first")
                require(node.open(first).0 == Int32(CTLS_FAILED), "a repeated record")
            }
            return
        default:
            let count = unsafe ctls_records_end(node.bench, node.records, node.out)
            require(count > 0 && count <= CTLS_LATE_BYTES_MAX, "the end takes \(count) bytes")
            if written == 0 {
                let record = unsafe Array(UnsafeBufferPointer(start: node.out, count: count))
                require(peer.open(record).0 == Int32(CTLS_ENDED), "the end is told")
            }
            return
        }
    }
}

@c(LLVMFuzzerTestOneInput)
public func fuzzRecords(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    unsafe fuzz(ByteView(base: bytes, count: count))
    return 0
}
