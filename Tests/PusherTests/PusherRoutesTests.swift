import ClarionBytes
import Testing

@testable import ClarionPusher

@Suite struct PusherRoutesTests {
    private func route(_ path: String, prefix: String = "") -> String {
        var buffer = ByteBuffer()
        return withView(path) { path in
            withView(prefix) { prefix in
                switch PusherRoutes.match(path, prefix: prefix, into: &buffer) {
                case .socket(let key): return "socket \(key.string)"
                case .events(let app): return "events \(app.string)"
                case .batch(let app): return "batch \(app.string)"
                case .channels(let app): return "channels \(app.string)"
                case .channel(let app, let name): return "channel \(app.string) \(name.string)"
                case .channelUsers(let app, let name): return "users \(app.string) \(name.string)"
                case .terminate(let app, let user): return "terminate \(app.string) \(user.string)"
                case .connections(let app): return "connections \(app.string)"
                case .up: return "up"
                case .malformed: return "malformed"
                case .unknown: return "unknown"
                }
            }
        }
    }

    @Test(arguments: [
        ("/app/app-key", "socket app-key"), ("/app/app%2Dkey", "socket app-key"), ("/app/app-key/more", "unknown"),
        ("/app/app-key/", "unknown"), ("/app/", "unknown"), ("/app", "unknown"), ("/", "unknown"), ("/up", "up"),
        ("/up/", "unknown"), ("/apps/1/events", "events 1"), ("/apps/1/batch_events", "batch 1"),
        ("/apps/1/channels", "channels 1"), ("/apps/1/channels/a@b", "channel 1 a@b"),
        ("/apps/1/channels/%23x", "channel 1 #x"), ("/apps/1/channels/", "unknown"),
        ("/apps/1/channels/a/users", "users 1 a"), ("/apps/1/channels/a/b", "unknown"),
        ("/apps/1/channels/a/users/c", "unknown"), ("/apps/1/connections", "connections 1"),
        ("/apps/1/users/a%20b%40c/terminate_connections", "terminate 1 a b@c"), ("/apps/1", "unknown"),
        ("/apps/1/", "unknown"), ("/apps/1/nothing", "unknown"), ("/apps/1/events/x", "unknown"), ("/other", "unknown"),
        ("/App/key", "unknown"),
    ])
    func paths(_ path: String, _ expected: String) { #expect(route(path) == expected) }

    @Test(arguments: [
        "//app/key", "/app//key", "/app/..", "/app/%2e%2e/x", "/app/.", "/app/a%00b", "/app/a%2fb", "/app/a%2Fb",
        "/app/%", "/app/%4", "/app/%zz", "/app/%ff", "/app/a%5Cb", "/app/a%0Ab", "", "app/key",
    ])
    func malformed(_ path: String) { #expect(route(path) == "malformed") }

    @Test(arguments: [
        ("/ws/app/k", "socket k"), ("/ws/up", "up"), ("/app/k", "unknown"), ("/wsx/app/k", "unknown"),
        ("/ws", "unknown"),
        ("/w%73/app/k", "malformed"), ("/ws/ws/app/k", "unknown"),
    ])
    func prefixes(_ path: String, _ expected: String) { #expect(route(path, prefix: "/ws") == expected) }
}
