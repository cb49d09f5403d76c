import ClarionEngine
import Testing

@testable import ClarionPusher

@Suite struct PusherStateTests {
    @Test func partsDoNotTouch() {
        var state = PusherState(application: 65_533, refusal: .originRefused)
        #expect(state.application == 65_533 && state.refusal == .originRefused && !state.isCounted)
        state.isCounted = true
        #expect(state.application == 65_533 && state.refusal == .originRefused && state.isCounted)
        state.isCounted = false
        #expect(!state.isCounted && state.application == 65_533)
    }

    @Test func theWindowBeginsWithTheFirstMessage() {
        let limit = MessageRateLimit(messagesMax: 2, windowSeconds: 10)
        let window = 10 * Clock.ticksPerSecond
        var state = PusherState(application: 0, refusal: .none)
        let start = UInt32.max - 3  // ticks wrap around
        let ticks = [start, start &+ 5, start &+ window - 1, start &+ window, start &+ window, start &+ window]
        let verdicts = ticks.map { state.takeMessage(limit, nowTick: $0) }
        #expect(verdicts == [true, true, false, true, true, false])
    }

    @Test func zeroMessagesMeansNone() {
        var state = PusherState(application: 0, refusal: .none)
        let isTaken = state.takeMessage(MessageRateLimit(messagesMax: 0), nowTick: 5)
        #expect(!isTaken)
    }
}
