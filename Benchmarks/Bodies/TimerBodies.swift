import ClarionLoop

// The timer wheel, one timer for each connection.

let timerBodies: [BenchmarkBody] = [
    BenchmarkBody("loop-timer-move", "timer", iterations: 50_000) {
        // A sign of life: the connection's timer moves to a later tick.
        let box = WheelBox()
        return { iterations in
            for index in 0..<iterations {
                box.wheel.schedule(index % timerSlots, tick: box.wheel.currentTick + 1 + UInt32(index % 960))
            }
            return box.wheel.count
        }
    },
    BenchmarkBody("loop-timer-expire", "timer", iterations: 50_000) {
        // Timers of all connections, spread over a minute, expire and are set again.
        let box = WheelBox()
        for slot in 0..<timerSlots { box.wheel.schedule(slot, tick: 2 + UInt32(slot % 960)) }
        return { iterations in
            var fired = 0
            while fired < iterations {
                let tick = box.wheel.nextTick ?? box.wheel.currentTick + 1
                let count = unsafe box.wheel.advance(to: tick, expired: box.expired, capacity: timerSlots)
                for index in 0..<count { unsafe box.wheel.schedule(Int(box.expired[index]), tick: tick + 960) }
                fired += count
            }
            return fired
        }
    },
]

private let timerSlots = 10_000

@safe private final class WheelBox {
    var wheel: TimerWheel
    /// Points to `timerSlots` slots; stays for ever.
    let expired = UnsafeMutablePointer<Int32>.allocate(capacity: timerSlots)

    init() {
        guard let wheel = try? TimerWheel(slotsMax: timerSlots) else { preconditionFailure("no memory for a wheel") }
        self.wheel = wheel
    }
}
