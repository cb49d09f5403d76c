/// The URL of an endpoint that this node calls, taken apart so that what is checked is what is connected to.
///
/// Invariant: `host` is in lower case, of letters, digits, dots, dashes and underscores, or an IPv6 address without
/// its brackets.
public struct EndpointURL: Sendable, Equatable, Hashable, CustomStringConvertible {
    public let isSecure: Bool
    public let host: String
    public let port: Int
    /// Path and query; begins with "/".
    public let target: String

    /// Nil for what is no http or https URL, and for one with a user, a fragment, or a host in other characters.
    public init?(_ text: String) {
        let lowercase = text.lowercased()
        guard lowercase.hasPrefix("http://") || lowercase.hasPrefix("https://") else { return nil }
        guard text.utf8.count <= Self.bytesMax, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        isSecure = lowercase.hasPrefix("https://")
        let rest = text.dropFirst(isSecure ? 8 : 7)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let path = rest[end...]
        if path.contains("#") || path.contains("\\") { return nil }
        target = path.hasPrefix("/") ? String(path) : "/" + path
        guard let authority = Self.authority(rest[..<end].lowercased()) else { return nil }
        host = authority.host
        guard let port = authority.port.map({ Int($0) }) ?? (isSecure ? 443 : 80), (1...65_535).contains(port) else {
            return nil
        }
        self.port = port
    }

    private static let bytesMax = 2_048
    private static let hostBytesMax = 253

    private static func authority(_ text: String) -> (host: String, port: String?)? {
        if text.hasPrefix("[") {
            guard let bracket = text.firstIndex(of: "]") else { return nil }
            let host = String(text[text.index(after: text.startIndex)..<bracket])
            let rest = text[text.index(after: bracket)...]
            guard IPAddress(host)?.isV6 == true, rest.isEmpty || rest.hasPrefix(":") else { return nil }
            return (host, rest.isEmpty ? nil : String(rest.dropFirst()))
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, !parts[0].isEmpty, parts[0].utf8.count <= hostBytesMax,
            parts[0].utf8.allSatisfy({ isHostByte($0) })
        else { return nil }
        if parts.count == 2, parts[1].isEmpty || !parts[1].utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) { return nil }
        return (String(parts[0]), parts.count == 2 ? String(parts[1]) : nil)
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
    }

    /// As it is requested.
    public var description: String {
        let shown = host.contains(":") ? "[\(host)]" : host
        let isUsual = port == (isSecure ? 443 : 80)
        return "\(isSecure ? "https" : "http")://\(shown)\(isUsual ? "" : ":\(port)")\(target)"
    }

    /// Without the query, which may hold a token: for logs.
    public var shown: String { String(description.prefix { $0 != "?" }) }
}
