import ClarionBytes
import ClarionEngine
import Testing

@testable import ClarionPusher

@Suite struct PresenceDataTests {
    private func read(_ text: String, infoBytesMax: Int = 1024) throws -> String {
        try withView(text) { view in
            let data = try PresenceData.read(view, infoBytesMax: infoBytesMax)
            return "\(data.member.id.string)|\(data.member.label.string)|\(data.member.info.string)"
        }
    }

    private func fault(_ text: String, infoBytesMax: Int = 1024) -> PresenceData.Fault? {
        do {
            _ = try read(text, infoBytesMax: infoBytesMax)
            return nil
        } catch {
            return error as? PresenceData.Fault
        }
    }

    @Test(arguments: [
        (#"{"user_id":"10"}"#, #"10|\"10\"|"#), (#"{"user_id":10}"#, #"10|\"10\"|"#),
        (#"{"user_id":1.5,"user_info":null}"#, #"1.5|\"1.5\"|"#), (#"{"user_id":"007"}"#, #"007|\"007\"|"#),
        (#"{"user_id":"a\"b","user_info":true}"#, #"a"b|\"a\\\"b\"|true"#),
        (#"{"user_id":"\u0031","user_info":"x"}"#, #"1|\"1\"|\"x\""#),
        (#"{"user_id":"1","user_id":"2"}"#, #"2|\"2\"|"#),
    ])
    func read(_ text: String, _ wanted: String) throws { #expect(try read(text) == wanted) }

    @Test(arguments: ["", "{", "5", "[]", "null", #""x""#, "{user_id:1}", "{} {}"])
    func malformed(_ text: String) { #expect(fault(text) == .malformed) }

    /// 3.14: an id of another type is no id.
    @Test(arguments: [
        "{}", #"{"user_id":""}"#, #"{"user_id":true}"#, #"{"user_id":null}"#, #"{"user_id":["1"]}"#,
        #"{"user_id":{"a":1}}"#, #"{"user_id":"\ud800"}"#,
    ])
    func nameless(_ text: String) { #expect(fault(text) == .nameless) }

    /// 3.14: bounds, one byte below and above.
    @Test func bounds() {
        let id = String(repeating: "x", count: 128)
        #expect(fault(#"{"user_id":"\#(id)"}"#) == nil)
        #expect(fault(#"{"user_id":"\#(id)x"}"#) == .idTooLong)
        #expect(fault(#"{"user_id":"1","user_info":"12345678"}"#, infoBytesMax: 10) == nil)
        #expect(fault(#"{"user_id":"1","user_info":"123456789"}"#, infoBytesMax: 10) == .infoTooLarge)
    }
}
