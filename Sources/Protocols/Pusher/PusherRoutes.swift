public import ClarionBytes
import ClarionWire

/// Where a path of the Pusher protocol leads. The views are decoded and lie in the buffer given to `match`.
public enum PusherRoute {
    /// GET {prefix}/app/{key}, as an upgrade
    case socket(key: ByteView)
    /// POST {prefix}/apps/{id}/events
    case events(app: ByteView)
    /// POST {prefix}/apps/{id}/batch_events
    case batch(app: ByteView)
    /// GET {prefix}/apps/{id}/channels
    case channels(app: ByteView)
    /// GET {prefix}/apps/{id}/channels/{name}
    case channel(app: ByteView, name: ByteView)
    /// GET {prefix}/apps/{id}/channels/{name}/users
    case channelUsers(app: ByteView, name: ByteView)
    /// POST {prefix}/apps/{id}/users/{user}/terminate_connections
    case terminate(app: ByteView, user: ByteView)
    /// GET {prefix}/apps/{id}/connections
    case connections(app: ByteView)
    /// GET {prefix}/up
    case up
    /// A path that two readers could take for different ones.
    case malformed
    /// Not a path of this protocol.
    case unknown

    /// The id of the application whose part of the HTTP API this is.
    var app: ByteView? {
        switch self {
        case .events(let app), .batch(let app), .channels(let app), .channel(let app, _), .channelUsers(let app, _),
            .terminate(let app, _), .connections(let app):
            app
        case .socket, .up, .malformed, .unknown: nil
        }
    }
}

/// Reads paths.
public enum PusherRoutes {
    /// Decodes `path` once and finds its route.
    ///
    /// - Parameters:
    ///   - path: as sent, without the query.
    ///   - prefix: begins with "/" and does not end with it, or is empty.
    ///   - buffer: takes the decoded path; what the route names lies in it until it is changed.
    public static func match(_ path: ByteView, prefix: ByteView, into buffer: inout ByteBuffer) -> PusherRoute {
        buffer.removeAll()
        if !PercentEncoding.appendDecodedPath(path, to: &buffer) { return .malformed }
        let decoded = buffer.view
        if !(decoded.slice(from: 0, count: prefix.count) == prefix) { return .unknown }
        // The prefix is no part of what a signature covers, so it must be told from the path as sent.
        if !(path.slice(from: 0, count: prefix.count) == prefix) { return .malformed }
        var segments = PathSegments(decoded.slice(from: prefix.count))
        guard let first = segments.next() else { return .unknown }
        if first == "up" { return segments.next() == nil ? .up : .unknown }
        guard let name = segments.next(), !name.isEmpty else { return .unknown }
        if first == "app" { return segments.next() == nil ? .socket(key: name) : .unknown }
        if first != "apps" { return .unknown }
        guard let resource = segments.next() else { return .unknown }
        guard let item = segments.next() else { return collection(resource, app: name) }
        let detail = segments.next()
        if item.isEmpty || segments.next() != nil { return .unknown }
        guard let detail else { return resource == "channels" ? .channel(app: name, name: item) : .unknown }
        if resource == "channels" && detail == "users" { return .channelUsers(app: name, name: item) }
        let isTermination = resource == "users" && detail == "terminate_connections"
        return isTermination ? .terminate(app: name, user: item) : .unknown
    }

    private static func collection(_ resource: ByteView, app: ByteView) -> PusherRoute {
        if resource == "events" { return .events(app: app) }
        if resource == "batch_events" { return .batch(app: app) }
        if resource == "channels" { return .channels(app: app) }
        return resource == "connections" ? .connections(app: app) : .unknown
    }
}

/// Walks what stands between the slashes of a path.
private struct PathSegments {
    private let path: ByteView
    private var position = 0

    init(_ path: ByteView) { self.path = path }

    mutating func next() -> ByteView? {
        if position >= path.count || path[position] != 0x2F { return nil }
        let rest = path.slice(from: position + 1)
        let length = rest.firstIndex(of: 0x2F) ?? rest.count
        position += 1 + length
        return rest.slice(from: 0, count: length)
    }
}
