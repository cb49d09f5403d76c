public import ClarionBytes
import ClarionTransport

/// What permessage-deflate (RFC 7692) may do. Of two modes that meet, the lesser one holds.
public enum DeflateMode: UInt8, Sendable, Comparable, BitwiseCopyable {
    /// Nothing is agreed on, or nothing compressed.
    case off
    /// Every message stands alone, and is compressed once for all who read with the same window.
    case shared
    /// A connection has a context of its own, in which messages refer to earlier ones.
    case dedicated

    public static func < (left: DeflateMode, right: DeflateMode) -> Bool { left.rawValue < right.rawValue }
}

extension ListenerTraits {
    /// The most that connections of the listener may agree on.
    var deflateMost: DeflateMode {
        if contains(.deflatesNothing) { return .off }
        return contains(.deflatesShared) ? .shared : .dedicated
    }
}

/// How an engine compresses.
public struct DeflateOptions: Sendable {
    /// What connections are offered.
    public var mode = DeflateMode.shared
    /// zlib's level, 1...9.
    public var level = 6
    /// Messages of fewer bytes go as they are.
    public var messageBytesMin = 128
    /// The largest window of a context, 9...15 bits, and zlib's memory level for it, 1...9.
    public var contextWindowBits = 12
    public var contextMemoryLevel = 5
    /// Bytes of all contexts of the node together; connections over it are offered `shared`.
    public var contextBytesMax = 64 << 20
    /// The compressing half of a context that was not used for so long gives its memory back.
    public var contextIdleSeconds = 60
    /// Which channels may be compressed how; the first rule that fits holds, without one everything may.
    public var channels: [DeflateChannelRule] = []
    /// Bytes that are compressed in one turn: a longer message takes several, and so do many of connections with
    /// contexts of their own.
    var sliceBytes = 64 << 10

    public init() {}

    /// The most that the rules allow for a channel.
    func most(_ name: ByteView) -> DeflateMode {
        for rule in channels where rule.fits(name) { return rule.mode }
        return .dedicated
    }
}

/// The most that channels of some names allow.
public struct DeflateChannelRule: Sendable {
    private let pattern: [UInt8]
    public let mode: DeflateMode

    /// - Parameter pattern: a name in which each `*` stands for any bytes, also none.
    public init(pattern: String, mode: DeflateMode) {
        self.pattern = Array(pattern.utf8)
        self.mode = mode
    }

    /// Whether `name` fits the pattern. Goes back to the last star only, so the time is at most the product of lengths.
    public func fits(_ name: ByteView) -> Bool {
        var place = 0
        var index = 0
        var star: Int?
        var starIndex = 0
        while index < name.count {
            if place < pattern.count && pattern[place] == DeflateChannelRule.star {
                star = place
                starIndex = index
                place += 1
            } else if place < pattern.count && pattern[place] == name[index] {
                place += 1
                index += 1
            } else if let star {
                starIndex += 1
                index = starIndex
                place = star + 1
            } else {
                return false
            }
        }
        while place < pattern.count && pattern[place] == DeflateChannelRule.star { place += 1 }
        return place == pattern.count
    }

    private static let star: UInt8 = 0x2A
}

/// The windows that messages are compressed for. Few, so that many connections share one: a client that offers another
/// is told the next smaller one.
enum DeflateWindow {
    /// Window bits by class; class 0 reads plain.
    static let bits = [0, 8, 9, 12, 15]
    static let all = [8, 9, 12, 15]
    static let classMax: UInt8 = 4

    /// The class of the largest window within `windowBits` bits.
    static func classOf(_ windowBits: Int) -> UInt8 {
        var found: UInt8 = 1
        for index in 1...Int(classMax) where bits[index] <= windowBits { found = UInt8(index) }
        return found
    }
}
