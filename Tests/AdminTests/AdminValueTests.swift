import ClarionAdmin
import Testing

struct AdminValueTests {
    @Test(arguments: [
        "null", "true", "false", "0", "-12", "9007199254740993", "1.5", "\"\"", "\"a\\\"b\\\\c\\n\\u0001\"", "[]", "{}",
        "[1,[2,{\"a\":null}]]", "{\"b\":1,\"a\":[true,\"ä😀\"]}",
    ])
    func textsComeBackAsTheyWere(_ text: String) {
        #expect(AdminValue(json: text)?.json == text)
    }

    @Test(arguments: ["", " ", "nul", "{", "[1,]", "{\"a\"}", "\"\u{1}\"", "1 2", "NaN"])
    func whatIsNoJSONIsRefused(_ text: String) {
        #expect(AdminValue(json: text) == nil)
    }

    @Test func depthIsBounded() {
        let deep = String(repeating: "[", count: 33) + String(repeating: "]", count: 33)
        #expect(AdminValue(json: deep) == nil)
        #expect(AdminValue(json: String(deep.dropFirst().dropLast())) != nil)
    }

    @Test func membersAreReadByKind() {
        let value = AdminValue(json: #"{"n":3,"d":2.0,"h":2.5,"t":"x","b":true,"l":[1],"z":null,"n":4}"#)
        #expect(value?["n"]?.integer == 4)
        #expect(value?["d"]?.integer == 2)
        #expect(value?["h"]?.integer == nil)
        #expect(value?["h"]?.number == 2.5)
        #expect(value?["t"]?.text == "x")
        #expect(value?["t"]?.integer == nil)
        #expect(value?["b"]?.bool == true)
        #expect(value?["l"]?.list == [1])
        #expect(value?["z"] == .null)
        #expect(value?["missing"] == nil)
        #expect(AdminValue.list([])["n"] == nil)
    }

    @Test func numbersThatJSONCannotSayBecomeNull() {
        #expect(AdminValue.number(.infinity).json == "null")
        #expect(AdminValue.number(.nan).json == "null")
    }

    @Test func hugeNumbersDoNotTrap() {
        #expect(AdminValue(json: "1e400")?.integer == nil)
        #expect(AdminValue(json: "99999999999999999999")?.integer == nil)
    }

    @Test func halfASurrogatePairIsNoText() {
        #expect(AdminValue(json: #""\ud800""#)?.text == "")
    }

    @Test func literalsAreValues() {
        let value: AdminValue = ["a": 1, "b": [true, "x"]]
        #expect(value.json == #"{"a":1,"b":[true,"x"]}"#)
    }
}
