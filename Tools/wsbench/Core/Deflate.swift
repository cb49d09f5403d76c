import CBench

/// What a server agreed to for what it sends (RFC 7692, section 7).
struct DeflateAgreement: Equatable, Sendable {
    /// How far back messages refer, as a power of two.
    var windowBits: Int32 = 15
    /// Whether messages refer to those before them.
    var keepsContext = true

    /// Reads the head of the answer to an upgrade; nil when it agrees to nothing, or to what makes no sense.
    init?(head: String) {
        for line in head.split(separator: "\r\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "sec-websocket-extensions" else { continue }
            var parameters = parts[1].split(separator: ";").map { String($0.filter { $0 != " " && $0 != "\"" }) }
            guard parameters.first == "permessage-deflate" else { continue }
            parameters.removeFirst()
            for parameter in parameters {
                let pair = parameter.split(separator: "=").map(String.init)
                switch (pair.first ?? "", pair.count) {
                case ("server_no_context_takeover", 1): keepsContext = false
                case ("server_max_window_bits", 2):
                    guard let bits = Int32(pair[1]), (8...15).contains(bits) else { return nil }
                    windowBits = bits
                default: break  // what binds the client's own messages, which are not compressed
                }
            }
            return
        }
        return nil
    }
}

/// Inflates what one loop receives.
///
/// Where messages stand alone, all subscribers of a channel get the same compressed bytes: what they mean is kept, so
/// that each message is inflated once and compared for everybody else.
@safe struct DeflateReader {
    /// As much of each message as a marker is searched in.
    static let headBytesMax = Marker.searchBytesMax
    private static let entries = 256
    /// Longer compressed messages are not kept.
    private static let keptBytesMax = 2_048

    private struct Entry {
        var compressedBytes = 0
        var inflatedBytes = 0
    }

    /// Streams of connections whose messages refer to those before; nil for the others. Owned by this value's holder.
    private let streams: UnsafeMutablePointer<OpaquePointer?>
    private let count: Int
    /// For messages that stand alone.
    private let common: OpaquePointer?
    private let table: UnsafeMutablePointer<Entry>
    private let kept: UnsafeMutableRawPointer
    /// The beginning of the latest message.
    private let head: UnsafeMutableRawPointer

    init(count: Int) {
        self.count = count
        unsafe streams = .allocate(capacity: max(1, count))
        unsafe streams.initialize(repeating: nil, count: max(1, count))
        unsafe common = cbench_inflater(15)
        unsafe table = .allocate(capacity: Self.entries)
        unsafe table.initialize(repeating: Entry(), count: Self.entries)
        unsafe kept = .allocate(byteCount: Self.entries * (Self.keptBytesMax + Self.headBytesMax), alignment: 64)
        unsafe head = .allocate(byteCount: Self.headBytesMax, alignment: 64)
    }

    func free() {
        for index in 0..<count { close(index) }
        if let common = unsafe common { unsafe cbench_inflater_free(common) }
        unsafe streams.deallocate()
        unsafe table.deallocate()
        unsafe kept.deallocate()
        unsafe head.deallocate()
    }

    /// A connection begins. False without memory.
    func open(_ index: Int, _ agreement: DeflateAgreement) -> Bool {
        close(index)
        guard agreement.keepsContext else { return unsafe common != nil }
        unsafe streams[index] = unsafe cbench_inflater(agreement.windowBits)
        return unsafe streams[index] != nil
    }

    /// A connection ends.
    func close(_ index: Int) {
        if let stream = unsafe streams[index] { unsafe cbench_inflater_free(stream) }
        unsafe streams[index] = nil
    }

    /// The beginning of a message and its whole length; nil when its bytes make no sense. The bytes are valid until the
    /// next call.
    func inflate(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> (head: UnsafeRawBufferPointer, count: Int)? {
        if let stream = unsafe streams[index] { return unsafe inflate(stream, bytes, resets: false) }
        guard bytes.count >= 8, bytes.count <= Self.keptBytesMax, let common = unsafe common else {
            return unsafe common.flatMap { unsafe inflate($0, bytes, resets: true) }
        }
        // The digits of the marker, which make messages different, lie all over the compressed bytes.
        var hash = UInt64(bytes.count)
        for offset in stride(from: 0, through: bytes.count - 8, by: 8) {
            let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
        }
        let slot = Int(hash >> 56) % Self.entries
        let copy = unsafe kept + slot * (Self.keptBytesMax + Self.headBytesMax)
        let entry = unsafe table[slot]
        if entry.compressedBytes == bytes.count,
            unsafe cbench_equal(copy, bytes.baseAddress, bytes.count) != 0
        {
            let headBytes = min(entry.inflatedBytes, Self.headBytesMax)
            return unsafe (
                UnsafeRawBufferPointer(start: copy + Self.keptBytesMax, count: headBytes), entry.inflatedBytes
            )
        }
        guard let message = unsafe inflate(common, bytes, resets: true) else { return nil }
        unsafe copy.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        unsafe (copy + Self.keptBytesMax).copyMemory(from: message.head.baseAddress!, byteCount: message.head.count)
        unsafe table[slot] = Entry(compressedBytes: bytes.count, inflatedBytes: message.count)
        return unsafe message
    }

    private func inflate(
        _ stream: OpaquePointer, _ bytes: UnsafeRawBufferPointer, resets: Bool
    ) -> (head: UnsafeRawBufferPointer, count: Int)? {
        let length = unsafe cbench_inflate(
            stream, bytes.baseAddress, bytes.count, head, Self.headBytesMax, resets ? 1 : 0)
        guard length >= 0 else { return nil }
        return unsafe (UnsafeRawBufferPointer(start: head, count: min(length, Self.headBytesMax)), length)
    }
}
