/// A growing array of plain data for one thread: no reference counts, no uniqueness checks. Keeps its memory.
@safe public struct PlainVector<Element: BitwiseCopyable>: ~Copyable {
    /// Points to `capacity` elements, the first `count` of them valid; owned by this vector.
    public private(set) var base: UnsafeMutablePointer<Element>
    public private(set) var count = 0
    private var capacity: Int

    public init(capacity: Int = 16) {
        self.capacity = max(capacity, 1)
        unsafe base = UnsafeMutablePointer.allocate(capacity: self.capacity)
    }

    deinit { unsafe base.deallocate() }

    @inlinable public var isEmpty: Bool { count == 0 }

    @inlinable
    public subscript(index: Int) -> Element {
        get {
            assert(index >= 0 && index < count)
            return unsafe base[index]
        }
        nonmutating set {
            assert(index >= 0 && index < count)
            unsafe (base + index).initialize(to: newValue)
        }
    }

    public mutating func append(_ element: Element) {
        if count == capacity { grow() }
        unsafe (base + count).initialize(to: element)
        count += 1
    }

    public mutating func removeAll() { count = 0 }

    public mutating func removeLast() -> Element {
        precondition(count > 0)
        count -= 1
        return unsafe base[count]
    }

    /// Drops the first `dropped` elements.
    public mutating func removeFirst(_ dropped: Int) {
        precondition(dropped >= 0 && dropped <= count)
        count -= dropped
        if dropped > 0 && count > 0 { unsafe base.update(from: base + dropped, count: count) }
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        unsafe larger.initialize(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = unsafe larger
        capacity *= 2
    }
}
