import ClarionBytes
import Testing

@testable import ClarionPusher

@Suite struct SigningTests {
    @Test func digestsAreLowerCaseHex() {
        var buffer = ByteBuffer()
        // RFC 4231 section 4.3, RFC 1321 appendix A.5
        let isSigned = withView("what do ya want for nothing?") {
            Signing.appendHMAC($0, secret: Array("Jefe".utf8), to: &buffer)
        }
        #expect(isSigned)
        #expect(buffer.view.string == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        buffer.removeAll()
        let isHashed = withView("abc") { Signing.appendMD5($0, to: &buffer) }
        #expect(isHashed)
        #expect(buffer.view.string == "900150983cd24fb0d6963f7d28e17f72")
    }

    @Test(arguments: [("", "", true), ("a", "a", true), ("a", "b", false), ("ab", "a", false), ("abc", "abd", false)])
    func equality(_ left: String, _ right: String, _ isEqual: Bool) {
        #expect(withView(left) { left in withView(right) { Signing.isEqual(left, $0) } } == isEqual)
    }
}
