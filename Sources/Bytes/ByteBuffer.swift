/// Bytes that grow at the end: what encoders write to. Owns its memory; reused, so that a warm one does not allocate.
@safe public struct ByteBuffer: ~Copyable {
    /// Points to `capacity` bytes, the first `count` of them written; owned by this buffer.
    public private(set) var base: UnsafeMutablePointer<UInt8>
    public private(set) var count: Int = 0
    public private(set) var capacity: Int

    public init(capacity: Int = 256) {
        precondition(capacity > 0)
        self.capacity = capacity
        unsafe base = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    }

    deinit { unsafe base.deallocate() }

    @inlinable public var view: ByteView { unsafe ByteView(base: base, count: count) }
    @inlinable public var isEmpty: Bool { count == 0 }

    public mutating func removeAll() { count = 0 }

    /// Drops what lies behind the first `newCount` bytes.
    public mutating func truncate(to newCount: Int) {
        precondition(newCount >= 0 && newCount <= count)
        count = newCount
    }

    /// Room for `more` bytes behind `count`, not yet counted; `advance(by:)` counts what was written there.
    public mutating func reserve(_ more: Int) -> UnsafeMutablePointer<UInt8> {
        precondition(more >= 0)
        if capacity - count < more { grow(to: count + more) }
        return unsafe base + count
    }

    public mutating func advance(by written: Int) {
        precondition(written >= 0 && written <= capacity - count)
        count += written
    }

    public mutating func append(_ byte: UInt8) {
        if count == capacity { grow(to: count + 1) }
        unsafe base[count] = byte
        count += 1
    }

    public mutating func append(_ bytes: UnsafePointer<UInt8>, count added: Int) {
        if added == 0 { return }
        unsafe reserve(added).update(from: bytes, count: added)
        count += added
    }

    public mutating func append(_ view: ByteView) { unsafe append(view.base, count: view.count) }
    public mutating func append(_ text: StaticString) { append(ByteView(text)) }

    public mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { if let start = $0.baseAddress { unsafe append(start, count: $0.count) } }
    }

    /// `value` in decimal digits.
    public mutating func append(decimal value: UInt64) {
        let digitsMax = 20
        let start = unsafe reserve(digitsMax)
        var rest = value
        var position = digitsMax
        repeat {
            position -= 1
            unsafe start[position] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
            rest /= 10
        } while rest > 0
        let length = digitsMax - position
        if position > 0 { unsafe memmoveBytes(to: start, from: start + position, count: length) }
        count += length
    }

    private mutating func grow(to needed: Int) {
        let newCapacity = max(needed, capacity * 2)
        let newBase = UnsafeMutablePointer<UInt8>.allocate(capacity: newCapacity)
        unsafe newBase.update(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = unsafe newBase
        capacity = newCapacity
    }
}

/// memmove: the two ranges may overlap.
@inlinable
public func memmoveBytes(to target: UnsafeMutablePointer<UInt8>, from source: UnsafePointer<UInt8>, count: Int) {
    unsafe UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count)
}
