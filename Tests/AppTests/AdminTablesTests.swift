import ClarionAdmin
import Testing

@testable import clarion

struct AdminTablesTests {
    @Test(arguments: [
        (0, "0"), (999, "999"), (1_000, "1 000"), (-1_234_567, "-1 234 567"), (Int.min, "-9 223 372 036 854 775 808"),
    ])
    func numbersAreGrouped(_ number: Int, _ text: String) {
        #expect(AdminTables.grouped(number) == text)
    }

    @Test(arguments: [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (5 << 30, "5.0 GiB")])
    func bytesHaveUnits(_ count: Int, _ text: String) {
        #expect(AdminTables.bytes(count) == text)
    }

    @Test func columnsAreAsWideAsTheirWidestCell() {
        #expect(AdminTables.table([["a", "bb"], ["ccc", "d"]]) == "  a    bb\n  ccc  d")
        #expect(AdminTables.table([]) == "")
    }

    @Test func controlCharactersDoNotReachATerminal() {
        let text = AdminTables.plain(.text("a\u{1B}[2Jb\r\n\u{202E}c"))
        #expect(text == "a\u{FFFD}[2Jb\u{FFFD}\u{FFFD}\u{FFFD}c")
    }

    @Test func listsSayWhatTheyLeaveOut() {
        let answer: AdminValue = ["total": 5, "channels": [["app": "x", "channel": "c", "subscriptions": 2]]]
        #expect(AdminTables.channels(answer).hasSuffix("\n  … of 5 channels"))
        #expect(AdminTables.channels(["total": 0, "channels": []]).hasSuffix("\n  no channels"))
    }

    @Test func ratesComeFromTwoAnswers() {
        func answer(_ deliveries: Int) -> AdminValue { ["totals": ["deliveries": .integer(deliveries)]] }
        let text = StatusText(now: answer(3_000), before: answer(1_000), seconds: 2).text
        #expect(text.contains("1 000/s"))
        #expect(!StatusText(now: answer(3_000), before: nil, seconds: 0).text.contains("/s"))
    }

    @Test(arguments: [(0, "0 s"), (59, "59 s"), (3_661, "1 h 1 min"), (90_000, "1 d 1 h")])
    func durationsShowTwoUnits(_ seconds: Int, _ text: String) {
        #expect(StatusText.duration(seconds) == text)
    }
}
