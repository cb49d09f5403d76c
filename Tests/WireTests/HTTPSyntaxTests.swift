import ClarionBytes
import Testing

@testable import ClarionWire

@Suite struct HTTPSyntaxTests {
    private func members(_ isMember: (UInt8) -> Bool) -> Set<Character> {
        Set((UInt8(0)...255).filter(isMember).map { Character(UnicodeScalar($0)) })
    }

    private let lettersAndDigits = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")

    private func isHost(_ byte: UInt8) -> Bool {
        let owned = Owned([byte])
        return HTTPSyntax.isHost(owned.view)
    }

    @Test func characterSets() {
        #expect(members(HTTPSyntax.isTokenByte) == lettersAndDigits.union("!#$%&'*+-.^_`|~"))
        #expect(members(isHost) == lettersAndDigits.union("-._~%!$&'()*+;=:[]"))
        #expect(members(Base64.isCharacter) == lettersAndDigits.union("+/"))
    }

    @Test(arguments: [
        ("0", 0), ("007", 7), ("999999999999999999", 999_999_999_999_999_999), ("1000000000000000000", nil), ("", nil),
        ("1 ", nil), ("1a", nil), ("/", nil), (":", nil),
    ])
    func lengths(text: String, length: Int?) {
        let owned = Owned(text)
        #expect(HTTPSyntax.length(owned.view) == length)
    }

    @Test(arguments: [("", ""), (" \t ", ""), ("a", "a"), ("\t a b \t", "a b")])
    func trimming(text: String, trimmed: String) {
        let owned = Owned(text)
        #expect(HTTPSyntax.trimmed(owned.view).string == trimmed)
    }
}
