import CBench

/// Bytes on their way to one socket, gathered so that what becomes ready in one turn leaves in one call.
///
/// Invariant: `0 <= start <= end <= capacity`; the bytes in `start ..< end` are not sent yet.
@safe struct Outbox {
    private(set) var start = 0
    private(set) var end = 0
    /// Owned by this value's holder: freed by `free()`.
    private let bytes: UnsafeMutableRawPointer
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        unsafe bytes = .allocate(byteCount: capacity, alignment: 64)
    }

    func free() { unsafe bytes.deallocate() }

    var isEmpty: Bool { start == end }

    func hasRoom(for count: Int) -> Bool { capacity - end >= count }

    /// Room for `count` bytes, of which there must be so many; they count as written.
    mutating func append(_ count: Int) -> UnsafeMutableRawPointer {
        precondition(hasRoom(for: count))
        defer { end += count }
        return unsafe bytes + end
    }

    /// Copies what another one holds; there must be room.
    mutating func append(contentsOf other: Outbox) {
        let count = other.end - other.start
        unsafe append(count).copyMemory(from: other.bytes + other.start, byteCount: count)
    }

    /// Forgets what is there.
    mutating func clear() {
        start = 0
        end = 0
    }

    /// Sends what is there. False when the connection is gone.
    mutating func flush(to socket: Socket) -> Bool {
        while start < end {
            let sent = unsafe socket.send(bytes + start, end - start)
            if sent == -Int(cbench_would_block) { return true }
            if sent <= 0 { return false }
            start += sent
        }
        clear()
        return true
    }
}
