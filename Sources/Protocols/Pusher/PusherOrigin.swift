import ClarionBytes

/// The parts of an Origin field (RFC 6454 section 6.2): scheme "://" host [":" port].
struct OriginParts {
    let scheme: ByteView
    let host: ByteView
    /// Empty without one.
    let port: ByteView

    /// Nil for "null" and whatever could be read in two ways.
    init?(_ origin: ByteView) {
        guard let colon = origin.firstIndex(of: 0x3A), colon > 0, origin.slice(from: colon).hasPrefix("://") else {
            return nil
        }
        let authority = origin.slice(from: colon + 3)
        if !OriginParts.isPlain(authority) { return nil }
        var hostEnd = authority.count
        if authority.hasPrefix("[") {
            guard let bracket = authority.firstIndex(of: 0x5D) else { return nil }
            hostEnd = bracket + 1
        } else if let portColon = authority.firstIndex(of: 0x3A) {
            hostEnd = portColon
        }
        if hostEnd == 0 { return nil }
        let rest = authority.slice(from: hostEnd)
        if !rest.isEmpty && (rest[0] != 0x3A || !OriginParts.isPort(rest.slice(from: 1))) { return nil }
        scheme = origin.slice(from: 0, count: colon)
        host = authority.slice(from: 0, count: hostEnd)
        port = rest.slice(from: 1)
    }

    private static let portDigitsMax = 5

    private static func isPort(_ text: ByteView) -> Bool {
        if text.isEmpty || text.count > portDigitsMax { return false }
        var index = 0
        while index < text.count {
            if text[index] < 0x30 || text[index] > 0x39 { return false }
            index += 1
        }
        return true
    }

    /// No path, user, query or control character.
    private static func isPlain(_ text: ByteView) -> Bool {
        if text.isEmpty { return false }
        var index = 0
        while index < text.count {
            switch text[index] {
            case 0...0x20, 0x7F...0xFF, 0x23, 0x25, 0x2F, 0x3F, 0x40, 0x5C: return false  // # % / ? @ backslash
            default: index += 1
            }
        }
        return true
    }
}

/// The origins that may connect to an application.
struct OriginList: Sendable {
    private struct Entry: Sendable {
        /// Nil: any.
        var scheme: [UInt8]?
        /// In lower case; "*" stands for any text.
        var host: [UInt8]
        /// Nil: any.
        var port: [UInt8]?
    }

    private let allowsAll: Bool
    private let entries: [Entry]

    init(_ list: [String]) {
        allowsAll = list.contains("*")
        entries = list.map { OriginList.entry($0) }
    }

    private static func entry(_ text: String) -> Entry {
        let lowercase = text.utf8.map { lowercased($0) }
        var rest = lowercase[...]
        var scheme: [UInt8]?
        if let start = lowercase.indices.first(where: { lowercase[$0...].starts(with: "://".utf8) }) {
            scheme = Array(lowercase[..<start])
            rest = lowercase[(start + 3)...]
        }
        // A colon behind the bracket of an IPv6 address, or anywhere else, begins the port.
        let searchStart = rest.lastIndex(of: 0x5D) ?? rest.startIndex
        var port: [UInt8]?
        if let colon = rest[searchStart...].firstIndex(of: 0x3A) {
            port = Array(rest[(colon + 1)...])
            rest = rest[..<colon]
        } else if scheme != nil {
            port = []
        }
        return Entry(scheme: scheme, host: Array(rest), port: port)
    }

    /// Whether a connection with this Origin field may stay. A missing one passes only where everything does.
    func allows(_ origin: ByteView?) -> Bool {
        if allowsAll { return true }
        guard let origin, let parts = OriginParts(origin) else { return false }
        return entries.contains { entry in
            if let scheme = entry.scheme, !OriginList.isEqual(parts.scheme, scheme) { return false }
            if let port = entry.port, !OriginList.isEqual(parts.port, port) { return false }
            return OriginList.matches(parts.host, pattern: entry.host)
        }
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }

    private static func isEqual(_ text: ByteView, _ lowercase: [UInt8]) -> Bool {
        if text.count != lowercase.count { return false }
        for index in lowercase.indices where lowercased(text[index]) != lowercase[index] { return false }
        return true
    }

    /// Whether `pattern` stands for the whole of `text`; on a mismatch behind a "*" that "*" takes one byte more.
    private static func matches(_ text: ByteView, pattern: [UInt8]) -> Bool {
        var position = 0
        var place = 0
        var star: (place: Int, position: Int)?
        while position < text.count {
            if place < pattern.count && pattern[place] == 0x2A {
                star = (place, position)
                place += 1
            } else if place < pattern.count && pattern[place] == lowercased(text[position]) {
                place += 1
                position += 1
            } else if let last = star {
                star = (last.place, last.position + 1)
                place = last.place + 1
                position = last.position + 1
            } else {
                return false
            }
        }
        while place < pattern.count && pattern[place] == 0x2A { place += 1 }
        return place == pattern.count
    }
}
