import ClarionLoop
import ScriptedBackend
import Testing

struct TimerWheelTests {
    @Test
    func expiresAtItsTick() throws {
        var wheel = try TimerWheel(slotsMax: 10)
        wheel.schedule(3, tick: 5)
        let next = wheel.nextTick
        #expect(next == 5)
        #expect(advance(&wheel, to: 4) == [])
        #expect(advance(&wheel, to: 5) == [3])
        let (after, count) = (wheel.nextTick, wheel.count)
        #expect(after == nil && count == 0)
    }

    @Test
    func pastDeadlinesCountAsTheNextTick() throws {
        var wheel = try TimerWheel(slotsMax: 10, currentTick: 100)
        wheel.schedule(0, tick: 3)
        wheel.schedule(1, tick: 100)
        let next = wheel.nextTick
        #expect(next == 101)
        #expect(Set(advance(&wheel, to: 101)) == [0, 1])
    }

    @Test
    func beyondOneTurn() throws {
        var wheel = try TimerWheel(slotsMax: 10)
        let far = UInt32(TimerWheel.bucketCount * 3 + 7)
        wheel.schedule(0, tick: far)
        wheel.schedule(1, tick: 7)
        #expect(advance(&wheel, to: far - 1) == [1])
        #expect(advance(&wheel, to: far) == [0])
    }

    @Test
    func smallBuffersGetEverything() throws {
        var wheel = try TimerWheel(slotsMax: 100)
        for slot in 0..<100 { wheel.schedule(slot, tick: 9) }
        var all: [Int32] = []
        while true {
            let some = advance(&wheel, to: 20, capacity: 7)
            all += some
            if some.count < 7 { break }
        }
        #expect(all.sorted() == Array(0..<100))
    }

    /// A slot costs nothing until it is used: a billion of them fit.
    @Test
    func reservesLazily() throws {
        var wheel = try TimerWheel(slotsMax: 1 << 30)
        wheel.schedule((1 << 30) - 1, tick: 2)
        #expect(advance(&wheel, to: 2) == [(1 << 30) - 1])
    }

    /// Random use against a dictionary.
    @Test(arguments: 0..<20)
    func doesWhatAModelDoes(_ seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let slotsMax = 50
        var wheel = try TimerWheel(slotsMax: slotsMax)
        var model: [Int: UInt32] = [:]
        var now: UInt32 = 1
        for _ in 0..<3000 {
            let slot = random.below(slotsMax)
            switch random.below(10) {
            case 0...4:
                let span = random.below(4) == 0 ? 5000 : 50
                let tick = now &+ UInt32(random.below(span))
                wheel.schedule(slot, tick: tick)
                model[slot] = max(tick, now + 1)
            case 5, 6:
                wheel.cancel(slot)
                model[slot] = nil
            default:
                let target = now + UInt32(random.below(random.below(8) == 0 ? 2500 : 20))
                let due = model.filter { $0.value <= target }
                let got = advance(&wheel, to: target)
                #expect(Set(got) == Set(due.keys.map { Int32($0) }))
                #expect(got.map { due[Int($0)] ?? 0 } == got.map { due[Int($0)] ?? 0 }.sorted())
                for key in due.keys { model[key] = nil }
                now = target
            }
            let (count, isScheduled, next) = (wheel.count, wheel.isScheduled(slot), wheel.nextTick)
            #expect(count == model.count)
            #expect(isScheduled == (model[slot] != nil))
            if let first = model.values.min() {
                #expect(next.map { $0 > now && $0 <= first } == true)
                if first - now < UInt32(TimerWheel.bucketCount) && model.values.allSatisfy({ $0 - now < 1024 }) {
                    #expect(next == first)
                }
            } else {
                #expect(next == nil)
            }
        }
    }

    private func advance(_ wheel: inout TimerWheel, to tick: UInt32, capacity: Int = 1000) -> [Int32] {
        var buffer = [Int32](repeating: -1, count: capacity)
        let count = unsafe buffer.withUnsafeMutableBufferPointer {
            unsafe wheel.advance(to: tick, expired: $0.baseAddress!, capacity: capacity)
        }
        return Array(buffer[0..<count])
    }
}
