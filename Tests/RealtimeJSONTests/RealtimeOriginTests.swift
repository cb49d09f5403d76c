import ClarionBytes
import Testing

@testable import ClarionRealtimeJSON

@Suite struct RealtimeOriginTests {
    private static let list = ["https://a.example", "https://b.example:8443"]

    @Test(
        arguments: [
            // raw, list
            (RealtimeMode.raw, list, "https://a.example", "h", OriginVerdict.allowed),
            (.raw, list, "https://b.example:8443", "h", .allowed), (.raw, list, nil, "h", .aborted),
            (.raw, list, "http://a.example", "h", .aborted), (.raw, list, "https://b.example", "h", .aborted),
            (.raw, list, "https://A.example", "h", .aborted), (.raw, list, "null", "h", .aborted),
            (.raw, list, "https://a.example.evil", "h", .aborted), (.raw, list, "", "h", .aborted),
            // raw, nothing configured
            (.raw, [], "http://localhost:8080", "h", .allowed), (.raw, [], "http://localhost", "h", .aborted),
            (.raw, [], nil, "h", .aborted),
            // envelope, list
            (.envelope, list, nil, "h", .allowed), (.envelope, list, "https://a.example", "h", .allowed),
            (.envelope, list, "https://a.example:443", "h", .refused), (.envelope, list, "https://h", "h", .refused),
            // envelope, nothing configured
            (.envelope, [], nil, "a:80", .allowed), (.envelope, [], "http://a:80", "a:80", .allowed),
            (.envelope, [], "http://A", "a", .allowed), (.envelope, [], "http://a:81", "a:80", .refused),
            (.envelope, [], "http://a", "a:80", .refused), (.envelope, [], "null", "a", .refused),
            (.envelope, [], "a", "a", .refused), (.envelope, [], "http://", "", .refused),
            // open
            (.raw, ["*"], nil, "h", .allowed), (.envelope, ["*"], "https://evil", "h", .allowed),
        ] as [(RealtimeMode, [String], String?, String, OriginVerdict)])
    func table(_ mode: RealtimeMode, _ list: [String], _ origin: String?, _ host: String, _ verdict: OriginVerdict) {
        let judged = withView(host) { host in
            guard let origin else { return RealtimeOrigin.judge(nil, host: host, mode: mode, allowed: list) }
            return withView(origin) { RealtimeOrigin.judge($0, host: host, mode: mode, allowed: list) }
        }
        #expect(judged == verdict)
    }
}
