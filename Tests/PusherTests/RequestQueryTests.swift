import ClarionBytes
import Testing

@testable import ClarionPusher

@Suite struct RequestQueryTests {
    private func canonical(_ query: String) -> String? {
        withView(query) { text in
            guard let query = try? RequestQuery(text) else { return nil }
            var buffer = ByteBuffer()
            RequestSignature.appendCanonical(
                method: ByteView("GET"), path: ByteView("/p"), query: query, to: &buffer)
            return buffer.view.string
        }
    }

    @Test(arguments: [
        ("", "GET\n/p\n"), ("b=2&a=1", "GET\n/p\na=1&b=2"), ("a", "GET\n/p\na="), ("a=b=c", "GET\n/p\na=b=c"),
        ("zebra=1&apple=a+b%26c%3Dd", "GET\n/p\napple=a b&c=d&zebra=1"), ("B=x&a=Y", "GET\n/p\na=Y&b=x"),
        ("auth_signature=x&a=1", "GET\n/p\na=1"), ("ab=1&a=2&a-b=3", "GET\n/p\na=2&a-b=3&ab=1"),
        ("i=a%2Cb", "GET\n/p\ni=a,b"), ("%C3%A9=%e2%98%83", "GET\n/p\né=☃"),
    ])
    func canonicalForm(_ query: String, _ expected: String) { #expect(canonical(query) == expected) }

    @Test(arguments: ["a=%", "a=%4", "a=%zz", "a=%00", "a=%ff", "a=1&A=2", "a=1&%61=2", "a&a"])
    func refused(_ query: String) { #expect(canonical(query) == nil) }

    @Test func atMostThirtyTwoParameters() {
        let list = (0..<33).map { "p\($0)=1" }
        #expect(canonical(list.dropLast().joined(separator: "&")) != nil)
        #expect(canonical(list.joined(separator: "&")) == nil)
    }
}
