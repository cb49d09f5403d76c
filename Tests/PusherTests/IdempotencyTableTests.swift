import Testing

@testable import ClarionPusher

@Suite struct IdempotencyTableTests {
    private let answer = IdempotencyTable.Answer(status: 200, body: Array("{}".utf8))

    @Test func aKeyIsNewOnce() {
        var table = IdempotencyTable(ticksPerSecond: 16)
        #expect(table.begin([1], hash: 7, space: 1, nowTick: 10) == .new)
        #expect(table.begin([1], hash: 7, space: 1, nowTick: 11) == .underWay)
        #expect(table.begin([1], hash: 7, space: 2, nowTick: 11) == .new)
        table.finish([1], space: 1, answer)
        #expect(table.begin([1], hash: 7, space: 1, nowTick: 12) == .answered(answer))
        table.forget([1], space: 2)
        #expect(table.begin([1], hash: 7, space: 2, nowTick: 13) == .new)
        table.finish([9], space: 1, answer)
        #expect(table.count == 2)
    }

    /// A key that comes again with another request is told apart, while that is under way and later.
    @Test func aKeyIsOfOneRequest() {
        var table = IdempotencyTable(ticksPerSecond: 16)
        let body = Array("{}".utf8)
        #expect(table.hash(body, isBatch: false) == table.hash(body, isBatch: false))
        #expect(table.hash(body, isBatch: false) != table.hash(body, isBatch: true))
        #expect(table.begin([1], hash: 7, space: 1, nowTick: 10) == .new)
        #expect(table.begin([1], hash: 8, space: 1, nowTick: 10) == .ofOther)
        table.finish([1], space: 1, answer)
        #expect(table.begin([1], hash: 8, space: 1, nowTick: 10) == .ofOther)
        #expect(table.begin([1], hash: 7, space: 1, nowTick: 10) == .answered(answer))
    }

    @Test func itIsForgottenAfterTwoMinutes() {
        var table = IdempotencyTable(ticksPerSecond: 16)
        #expect(table.begin([1], hash: 7, space: 1, nowTick: 10) == .new)
        table.finish([1], space: 1, answer)
        #expect(table.begin([2], hash: 7, space: 1, nowTick: 10 + 119 * 16) == .new)
        #expect(table.begin([1], hash: 7, space: 1, nowTick: 10 + 119 * 16) == .answered(answer))
        #expect(table.begin([1], hash: 7, space: 1, nowTick: 10 + 120 * 16) == .new)
        #expect(table.begin([2], hash: 7, space: 1, nowTick: 10 + 120 * 16) == .underWay)
    }

    /// 3.11: the table of an application is bounded, in keys and in bytes; the oldest go.
    @Test func bounds() {
        var table = IdempotencyTable(ticksPerSecond: 16)
        for number in 0..<IdempotencyTable.keysMax + 100 {
            let key = [UInt8(number & 255), UInt8(number >> 8 & 255), UInt8(number >> 16)]
            #expect(table.begin(key, hash: 7, space: 1, nowTick: UInt32(number / 1000)) == .new)
        }
        #expect(table.count == IdempotencyTable.keysMax)
        #expect(table.begin([0, 0, 0], hash: 7, space: 1, nowTick: 100) == .new)
        let large = IdempotencyTable.Answer(status: 200, body: [UInt8](repeating: 0, count: 1 << 20))
        for number in 0..<20 {
            #expect(table.begin([7, UInt8(number)], hash: 7, space: 2, nowTick: 100) == .new)
            table.finish([7, UInt8(number)], space: 2, large)
        }
        #expect(table.begin([7, 19], hash: 7, space: 2, nowTick: 100) == .answered(large))
        #expect(table.begin([7, 0], hash: 7, space: 2, nowTick: 100) == .new)
    }
}
