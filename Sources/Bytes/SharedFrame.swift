internal import Synchronization

/// An immutable run of bytes that several workers read: an encoded message and the name of its channel.
///
/// Layout: this header, then `byteCount` bytes of payload, then `keyCount` bytes of channel name. Made by one worker,
/// filled, then only read. Every worker that holds one owns one reference; the last `release` frees it.
public struct SharedFrameHeader: ~Copyable {
    let references: Atomic<UInt32>
    public let byteCount: UInt32
    public let keyCount: UInt16
    /// The name space of the channel (an application, or the JSON realtime endpoint).
    public let space: UInt16
    /// Keyed hash of name space and channel name: chooses the home worker and the table slot.
    public let hash: UInt64
}

/// A counted reference to a shared frame, managed by hand: each copy that outlives a call needs a `retain`.
@frozen
@safe public struct SharedFrame {
    /// Points to the header; alive while the holder's reference is.
    public let header: UnsafeMutablePointer<SharedFrameHeader>

    @inlinable
    public init(header: UnsafeMutablePointer<SharedFrameHeader>) { unsafe self.header = unsafe header }

    /// A frame with one reference; the caller fills `bytes` before it shares it.
    public static func make(byteCount: Int, key: ByteView, space: UInt16, hash: UInt64) -> SharedFrame {
        precondition(byteCount >= 0 && byteCount <= Int(UInt32.max) && key.count <= Int(UInt16.max))
        let size = MemoryLayout<SharedFrameHeader>.size + byteCount + key.count
        let raw = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        let header = unsafe raw.bindMemory(to: SharedFrameHeader.self, capacity: 1)
        unsafe header.initialize(
            to: SharedFrameHeader(
                references: Atomic(1), byteCount: UInt32(byteCount), keyCount: UInt16(key.count), space: space,
                hash: hash))
        let frame = unsafe SharedFrame(header: header)
        if key.count > 0 { unsafe (frame.bytes + byteCount).update(from: key.base, count: key.count) }
        return frame
    }

    /// Points to `byteCount` bytes behind the header.
    public var bytes: UnsafeMutablePointer<UInt8> {
        unsafe (UnsafeMutableRawPointer(header) + MemoryLayout<SharedFrameHeader>.size).assumingMemoryBound(
            to: UInt8.self)
    }

    public var byteCount: Int { unsafe Int(header.pointee.byteCount) }
    public var view: ByteView { unsafe ByteView(base: bytes, count: byteCount) }
    public var key: ByteView { unsafe ByteView(base: bytes + byteCount, count: Int(header.pointee.keyCount)) }
    public var space: UInt16 { unsafe header.pointee.space }
    public var hash: UInt64 { unsafe header.pointee.hash }

    public func retain(_ count: Int = 1) {
        unsafe header.pointee.references.wrappingAdd(UInt32(count), ordering: .relaxed)
    }

    public func release() {
        let before = unsafe header.pointee.references.wrappingSubtract(1, ordering: .acquiringAndReleasing).oldValue
        assert(before > 0)
        if before == 1 {
            unsafe header.deinitialize(count: 1)
            unsafe UnsafeMutableRawPointer(header).deallocate()
        }
    }
}
