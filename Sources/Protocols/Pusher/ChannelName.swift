import ClarionBytes

/// What a channel's name says about it. Prefixes are compared with their dash, byte for byte.
enum ChannelKind: Equatable, Sendable {
    case `public`
    case cache
    case `private`
    case privateCache
    case privateEncrypted
    case privateEncryptedCache
    case presence
    case presenceCache
    /// Names that begin with "#": the server's own, such as "#server-to-user-7".
    case reserved

    init(_ name: ByteView) {
        if name.hasPrefix("#") {
            self = .reserved
        } else if name.hasPrefix("private-") {
            let rest = name.slice(from: 8)
            if rest.hasPrefix("encrypted-cache-") {
                self = .privateEncryptedCache
            } else if rest.hasPrefix("encrypted-") {
                self = .privateEncrypted
            } else {
                self = rest.hasPrefix("cache-") ? .privateCache : .private
            }
        } else if name.hasPrefix("presence-") {
            self = name.slice(from: 9).hasPrefix("cache-") ? .presenceCache : .presence
        } else {
            self = name.hasPrefix("cache-") ? .cache : .public
        }
    }

    /// Only who shows a signature may subscribe.
    var isProtected: Bool { self != .public && self != .cache }

    var isPresence: Bool { self == .presence || self == .presenceCache }

    /// The last event is kept for newcomers.
    var isCached: Bool {
        self == .cache || self == .privateCache || self == .privateEncryptedCache || self == .presenceCache
    }

    /// Subscribers may send events to each other.
    var takesClientEvents: Bool { self != .reserved && !isEncrypted }

    /// The server cannot read the events; client events would go out in clear.
    var isEncrypted: Bool { self == .privateEncrypted || self == .privateEncryptedCache }
}

/// Which names a channel may have: `\A#?[-a-zA-Z0-9_=@,.;]+\z`, at most 200 bytes, as server SDKs check it.
enum ChannelName {
    static func isValid(_ name: ByteView) -> Bool {
        var index = name.hasPrefix("#") ? 1 : 0
        if index == name.count || name.count > PusherLimits.channelNameBytesMax { return false }
        while index < name.count {
            if !isAllowed(name[index]) { return false }
            index += 1
        }
        return true
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: return true
        case 0x2C, 0x2D, 0x2E, 0x3B, 0x3D, 0x40, 0x5F: return true  // , - . ; = @ _
        default: return false
        }
    }
}
