import ClarionBytes
import ClarionEngine

/// What an upgrade request's Origin leads to.
enum OriginVerdict: Equatable {
    case allowed
    /// 403.
    case refused
    /// The connection is closed without an answer.
    case aborted
}

/// The origin rules of both generations.
public enum RealtimeOrigin {
    /// What raw mode allows when nothing is configured.
    public static let rawDefault = "http://localhost:8080"

    /// In a list: every origin, and none at all.
    public static let any = "*"

    /// Raw mode: the Origin must be in the list, character for character; one that is not, or is missing, ends the
    /// connection without an answer. Envelope mode: a missing Origin is fine; with a list the Origin must be in it,
    /// without one its host and port must be those of the request.
    ///
    /// - Parameters:
    ///   - origin: the Origin field, if there is one.
    ///   - host: the Host field.
    static func judge(_ origin: ByteView?, host: ByteView, mode: RealtimeMode, allowed: [String]) -> OriginVerdict {
        if allowed.contains(any) { return .allowed }
        guard let origin else { return mode == .raw ? .aborted : .allowed }
        switch mode {
        case .raw:
            if allowed.isEmpty { return origin == ByteView(rawDefaultText) ? .allowed : .aborted }
            return contains(origin, in: allowed) ? .allowed : .aborted
        case .envelope:
            if allowed.isEmpty { return hasHost(host, origin: origin) ? .allowed : .refused }
            return contains(origin, in: allowed) ? .allowed : .refused
        }
    }

    private static let rawDefaultText: StaticString = "http://localhost:8080"

    private static func contains(_ origin: ByteView, in list: [String]) -> Bool {
        for entry in list where unsafe entry.utf8.elementsEqual(origin.unsafeBuffer) { return true }
        return false
    }

    /// Whether what stands behind "://" in `origin` is `host`, ASCII letters compared without regard to case.
    private static func hasHost(_ host: ByteView, origin: ByteView) -> Bool {
        guard let colon = origin.firstIndex(of: 0x3A) else { return false }
        if !origin.slice(from: colon).hasPrefix("://") { return false }
        let rest = origin.slice(from: colon + 3)
        if rest.isEmpty || rest.count != host.count { return false }
        var index = 0
        while index < rest.count {
            if lowercase(rest[index]) != lowercase(host[index]) { return false }
            index += 1
        }
        return true
    }

    private static func lowercase(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }
}
