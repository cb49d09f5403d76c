import ClarionBytes
import ClarionWire
import Testing

@Suite struct CloseCodeTests {
    @Test func codesAllowedOnTheWire() {
        let allowed: [UInt16] = [1000, 1001, 1002, 1003] + Array(1007...1014) + [3000, 3999, 4000, 4999]
        for code in allowed {
            #expect(CloseCode.isAllowedOnWire(code), "\(code)")
        }
        for code: UInt16 in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            #expect(!CloseCode.isAllowedOnWire(code), "\(code)")
        }
    }

    /// "empty", "code reason", or "refused code".
    private func judge(_ bytes: [UInt8]) -> String {
        let owned = Owned(bytes)
        switch ClosePayload.parse(owned.view) {
        case .empty: return "empty"
        case .code(let code, let reason): return "\(code) \(reason.string)"
        case .refused(let code): return "refused \(code.rawValue)"
        }
    }

    @Test func payloads() {
        #expect(judge([]) == "empty")
        #expect(judge([0x03]) == "refused 1002")
        #expect(judge([0x03, 0xE8]) == "1000 ")
        #expect(judge([0x03, 0xE8] + Array("bye é".utf8)) == "1000 bye é")
        #expect(judge([0x03, 0xED]) == "refused 1002")
        #expect(judge([0x00, 0x00]) == "refused 1002")
        #expect(judge([0x03, 0xE8, 0xC3]) == "refused 1007")
        #expect(judge([0x03, 0xE8, 0xED, 0xA0, 0x80]) == "refused 1007")
        let longest = String(repeating: "a", count: 123)
        #expect(judge([0x0F, 0xA1] + Array(longest.utf8)) == "4001 " + longest)
    }
}
