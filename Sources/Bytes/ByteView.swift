/// A view of bytes that somebody else owns: what parsers return and protocols read.
///
/// Valid only as long as the owner says (a message's bytes: until its handler returns). Never stored.
@frozen
@safe public struct ByteView {
    /// Points to `count` readable bytes; owned by whoever made the view. May be any address when `count` is 0.
    public let base: UnsafePointer<UInt8>
    public let count: Int

    @inlinable
    public init(base: UnsafePointer<UInt8>, count: Int) {
        assert(count >= 0)
        unsafe self.base = unsafe base
        self.count = count
    }

    @inlinable
    public init(_ text: StaticString) {
        unsafe self.init(base: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    @inlinable public var isEmpty: Bool { count == 0 }

    /// The byte at `index`, which must be in 0 ..< count.
    @inlinable
    public subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < count)
        return unsafe base[index]
    }

    /// The part from `start` on, at most `length` bytes; both are cut to what is there.
    @inlinable
    public func slice(from start: Int, count length: Int = Int.max) -> ByteView {
        let first = min(max(start, 0), count)
        return unsafe ByteView(base: base + first, count: min(max(length, 0), count - first))
    }

    @inlinable
    public static func == (left: ByteView, right: ByteView) -> Bool {
        if left.count != right.count { return false }
        var index = 0
        while index < left.count {
            if unsafe left.base[index] != right.base[index] { return false }
            index += 1
        }
        return true
    }

    @inlinable public static func == (left: ByteView, right: StaticString) -> Bool { left == ByteView(right) }

    @inlinable public static func != (left: ByteView, right: StaticString) -> Bool { !(left == ByteView(right)) }

    @inlinable
    public func hasPrefix(_ prefix: StaticString) -> Bool {
        slice(from: 0, count: prefix.utf8CodeUnitCount) == ByteView(prefix)
    }

    /// Equal to `lowercase`, an ASCII text in lower case, without regard to the case of ASCII letters.
    @inlinable
    public func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
        let other = ByteView(lowercase)
        if count != other.count { return false }
        var index = 0
        while index < count {
            var byte = unsafe base[index]
            if byte >= 0x41 && byte <= 0x5A { byte |= 0x20 }
            if unsafe byte != other.base[index] { return false }
            index += 1
        }
        return true
    }

    /// The index of the first `byte`, if any.
    @inlinable
    public func firstIndex(of byte: UInt8) -> Int? {
        var index = 0
        while index < count {
            if unsafe base[index] == byte { return index }
            index += 1
        }
        return nil
    }

    @inlinable
    public var unsafeBuffer: UnsafeBufferPointer<UInt8> { unsafe UnsafeBufferPointer(start: base, count: count) }

    /// A copy as text; invalid UTF-8 becomes U+FFFD. For cold paths.
    @inlinable public var string: String { unsafe String(decoding: unsafeBuffer, as: UTF8.self) }

    /// A copy. For cold paths.
    @inlinable public var array: [UInt8] { unsafe Array(unsafeBuffer) }
}

extension [UInt8] {
    /// Lends its bytes for a call.
    @inlinable
    public func withView<Outcome>(_ body: (ByteView) throws -> Outcome) rethrows -> Outcome {
        try unsafe withUnsafeBufferPointer { buffer in
            try unsafe body(buffer.baseAddress.map { unsafe ByteView(base: $0, count: buffer.count) } ?? ByteView(""))
        }
    }
}
