import Testing

@testable import ClarionServer

@Suite struct TryPageTests {
    private let usual = TryPageFacts(
        appKey: "app-key", passesClientEvents: true, servesRealtime: true, realtimePublishes: false)

    @Test func theFactsReachTheScript() {
        #expect(
            tryPage(usual).contains(
                #"const facts = {appKey: "app-key", prefix: "", clientEvents: true, realtime: true, publish: false};"#))
    }

    /// One document: a page that asked others for parts would not work on a machine without a network.
    @Test func nothingElseIsLoaded() {
        let page = tryPage(usual)
        for reference in ["src=", "@import", "url(", "http://", "https://", "<iframe", "import("] {
            #expect(!page.contains(reference), "\(reference)")
        }
    }

    @Test(arguments: [
        #"</script><script>alert(1)</script>"#, #"" + alert(1) + ""#, "\u{2028}\n\\", "é😀",
    ])
    func aKeyCannotLeaveItsString(_ key: String) throws {
        var facts = usual
        facts.appKey = key
        facts.pathPrefix = key
        let page = tryPage(facts)
        let start = try #require(page.firstRange(of: "const facts = "))
        let line = page[start.upperBound...].prefix { $0 != "\n" }
        #expect(line.allSatisfy { $0.isASCII && $0 != "<" && $0 != ">" })
        #expect(line.filter { $0 == "\"" }.count == 4)
        #expect(page.ranges(of: "<script").count == 1)
    }

    @Test func unitsAreEscapedWithFourDigits() {
        var facts = usual
        facts.appKey = "a b\u{e9}"
        #expect(tryPage(facts).contains(#"appKey: "a\u0020b\u00e9""#))
    }
}
