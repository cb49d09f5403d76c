import ClarionBytes
import Testing

@testable import ClarionPusher

@Suite struct PusherOriginTests {
    @Test(
        arguments: [
            (["*"], nil, true), (["*"], "null", true), (["x", "*"], "https://evil", true), ([], nil, false),
            ([], "https://a", false),
            // hosts: scheme and port do not count
            (["laravel.com"], "https://laravel.com", true), (["laravel.com"], "http://laravel.com:8080", true),
            (["laravel.com"], "https://LARAVEL.com", true), (["Laravel.COM"], "https://laravel.com", true),
            (["laravel.com"], nil, false), (["laravel.com"], "null", false), (["laravel.com"], "", false),
            (["laravel.com"], "laravel.com", false), (["laravel.com"], "https://laravel.com.evil.example", false),
            (["laravel.com"], "https://evil-laravel.com", false), (["laravel.com"], "https://laravel.com.", false),
            (["laravel.com"], "https://laravel.com@evil.example", false),
            (["laravel.com"], "https://evil.example/laravel.com", false),
            (["laravel.com"], "https://laravel.com/", false),
            (["laravel.com"], "https://laravel.com:x", false), (["laravel.com"], "https://laravel.com:", false),
            (["laravel.com"], "://laravel.com", false), (["laravel.com"], "https://laravel.com:80:90", false),
            // wildcards
            (["*.example.org"], "https://a.b.example.org", true), (["*.example.org"], "https://example.org", false),
            (["*.example.org"], "https://a.example.org.evil", false), (["a*c*e"], "http://abcde", true),
            (["a*c*e"], "http://abcd", false), (["*.*"], "http://localhost", false),
            (["app-*.x"], "http://app-.x", true),
            // full origins
            (["https://a.example"], "https://a.example", true), (["https://a.example"], "http://a.example", false),
            (["https://a.example"], "https://a.example:8443", false),
            (["https://a.example:8443"], "https://a.example:8443", true),
            (["https://*.a.example"], "https://x.a.example", true), (["a.example:81"], "http://a.example:81", true),
            (["a.example:81"], "http://a.example", false),
            // IPv6
            (["[::1]"], "http://[::1]:8080", true), (["[::1]:80"], "http://[::1]:8080", false),
            (["::1"], "http://[::1", false),
        ] as [([String], String?, Bool)])
    func table(_ list: [String], _ origin: String?, _ isAllowed: Bool) {
        let origins = OriginList(list)
        let verdict = origin.map { text in withView(text) { origins.allows($0) } } ?? origins.allows(nil)
        #expect(verdict == isAllowed)
    }

    @Test func manyStarsStayLinearEnough() {
        let origins = OriginList([String(repeating: "a*", count: 100) + "b"])
        #expect(!withView("http://" + String(repeating: "a", count: 3_000)) { origins.allows($0) })
    }
}
