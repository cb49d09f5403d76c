import Testing

@testable import WSBenchCore

@Suite struct SequenceLedgerTests {
    @Test func aGapIsLostUntilItComesLate() {
        var ledger = SequenceLedger()
        var expected: UInt64 = 3
        let verdict1 = ledger.judge(6, expected: &expected, subscriber: 0)
        #expect(verdict1 == .gap(3))
        #expect(expected == 7)
        #expect(ledger.lost == 3)
        let verdict2 = ledger.judge(4, expected: &expected, subscriber: 0)
        #expect(verdict2 == .reordered)
        #expect(expected == 7)
        #expect(ledger.lost == 2)
        #expect(ledger.reordered == 1)
        let verdict3 = ledger.judge(4, expected: &expected, subscriber: 0)
        #expect(verdict3 == .doubled)
        #expect(ledger.doubled == 1)
    }

    @Test func subscribersAreToldApart() {
        var ledger = SequenceLedger()
        var first: UInt64 = 1
        var second: UInt64 = 5
        let verdict4 = ledger.judge(3, expected: &first, subscriber: 0)
        #expect(verdict4 == .gap(2))
        let verdict5 = ledger.judge(2, expected: &second, subscriber: 1)
        #expect(verdict5 == .doubled)
        let verdict6 = ledger.judge(2, expected: &first, subscriber: 0)
        #expect(verdict6 == .reordered)
    }

    @Test func whatNeverCameIsLostAtTheEnd() {
        var ledger = SequenceLedger()
        ledger.close(expected: 8, published: 10)
        #expect(ledger.lost == 3)
        ledger.close(expected: 11, published: 10)
        #expect(ledger.lost == 3)
    }

    @Test func aGapBeyondWhatIsRememberedIsStillCounted() {
        var ledger = SequenceLedger()
        var expected: UInt64 = 1
        let count = UInt64(SequenceLedger.missingMax) + 10
        let verdict7 = ledger.judge(count + 1, expected: &expected, subscriber: 0)
        #expect(verdict7 == .gap(count))
        #expect(ledger.lost == count)
        let verdict8 = ledger.judge(count, expected: &expected, subscriber: 0)
        #expect(verdict8 == .doubled)
        #expect(ledger.lost == count)
    }
}
