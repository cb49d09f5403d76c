public import ClarionBytes

/// A member of a channel, as it is told to the channel's home. Valid as long as whoever made it says.
public struct Member {
    /// Tells members apart, byte for byte: several connections with the same id are one member.
    public var id: ByteView
    /// How the protocol writes the id in its messages.
    public var label: ByteView
    /// What else the protocol tells about it; may be empty.
    public var info: ByteView

    public init(id: ByteView, label: ByteView, info: ByteView) {
        self.id = id
        self.label = label
        self.info = info
    }

    /// The bytes of the two counts in front of a packed member.
    private static let headBytes = 8

    /// Reads what `pack` has written; nil for an empty frame.
    init?(packed frame: SharedFrame) {
        let bytes = frame.view
        if bytes.count < Member.headBytes { return nil }
        let idCount = Member.readCount(bytes, at: 0)
        let labelCount = Member.readCount(bytes, at: 4)
        id = bytes.slice(from: Member.headBytes, count: idCount)
        label = bytes.slice(from: Member.headBytes + idCount, count: labelCount)
        info = bytes.slice(from: Member.headBytes + idCount + labelCount)
    }

    /// A frame that names the channel and holds the member. One reference.
    func pack(space: UInt16, name: ByteView, hash: UInt64) -> SharedFrame {
        let count = Member.headBytes + id.count + label.count + info.count
        let frame = SharedFrame.make(byteCount: count, key: name, space: space, hash: hash)
        unsafe Member.writeCount(id.count, to: frame.bytes)
        unsafe Member.writeCount(label.count, to: frame.bytes + 4)
        var target = unsafe frame.bytes + Member.headBytes
        for part in [id, label, info] {
            unsafe target.update(from: part.base, count: part.count)
            unsafe target += part.count
        }
        return frame
    }

    private static func writeCount(_ count: Int, to target: UnsafeMutablePointer<UInt8>) {
        for index in 0..<4 { unsafe target[index] = UInt8(truncatingIfNeeded: count >> (8 * index)) }
    }

    private static func readCount(_ bytes: ByteView, at position: Int) -> Int {
        var count = 0
        for index in 0..<4 { count |= Int(bytes[position + index]) << (8 * index) }
        return count
    }
}
