import ClarionBytes
import ClarionLoop
import ClarionWire

// What one WebSocket may send in a second, in messages and in bytes (`EngineLimits.messages`, `.bytes`). Who sends more
// is not read until a token is back: TCP makes the peer wait, and nothing is lost. The flag `metered` is one of
// `guarded`, the one test that every received piece has to pass anyway; without bounds nobody has it.

/// How much of its buckets a connection has used.
struct InputMeter: BitwiseCopyable {
    /// `BucketRule` words.
    var messagesFullAt: UInt64 = 0
    var bytesFullAt: UInt64 = 0
    /// When it is read again; 0: it is read.
    var resumeTick: UInt32 = 0
    /// Since when it is not read.
    var restTick: UInt32 = 0
}

extension Core {
    /// Begins to count what a WebSocket sends, where that is bounded.
    func beginMeter(_ slot: UInt32) {
        if !limits.messages.isOn && !limits.bytes.isOn { return }
        unsafe meters[slot].pointee = InputMeter()
        unsafe connections[slot].pointee.flags.insert(.metered)
    }

    /// Nothing is counted any more: the connection closes, and what comes is dropped.
    func endMeter(_ slot: UInt32) {
        guard unsafe connections[slot].pointee.flags.contains(.metered) else { return }
        unsafe connections[slot].pointee.flags.remove(.metered)
        if unsafe meters[slot].pointee.resumeTick == 0 { return }
        unsafe meters[slot].pointee.resumeTick = 0
        if unsafe !connections[slot].pointee.flags.contains(.inputHeld) { resumeReading(slot) }
    }

    /// Whether the connection is not read because it has sent too much.
    func isResting(_ slot: UInt32) -> Bool {
        let connection = unsafe connections[slot]
        return unsafe connection.pointee.phase == .open && connection.pointee.flags.contains(.metered)
            && meters[slot].pointee.resumeTick != 0
    }

    /// Takes what came out of the buckets. What is in a buffer already is let in as a whole, on credit.
    func charge(_ slot: UInt32, messages: UInt64, bytes: Int) {
        let connection = unsafe connections[slot]
        guard unsafe connection.pointee.phase == .open, unsafe connection.pointee.flags.contains(.metered) else {
            return
        }
        let meter = unsafe meters[slot]
        let now = lastNanoseconds
        var wait: UInt64 = 0
        if limits.messages.isOn {
            let count = Int(min(messages, UInt64(BucketRule.tokensMax)))
            unsafe meter.pointee.messagesFullAt = unsafe limits.messages.taking(
                count, fullAt: meter.pointee.messagesFullAt, now: now)
            wait = unsafe limits.messages.wait(fullAt: meter.pointee.messagesFullAt, now: now)
        }
        if limits.bytes.isOn {
            unsafe meter.pointee.bytesFullAt = unsafe limits.bytes.taking(
                bytes, fullAt: meter.pointee.bytesFullAt, now: now)
            wait = unsafe max(wait, limits.bytes.wait(fullAt: meter.pointee.bytesFullAt, now: now))
        }
        if wait == 0 { return }
        let tick = nowTick + UInt32(min(wait / Clock.nanosecondsPerTick, MeterLimits.restTicksMax)) + 1
        if unsafe meter.pointee.resumeTick == 0 {
            counters.inputRested += 1
            unsafe meter.pointee.restTick = nowTick
        }
        unsafe meter.pointee.resumeTick = tick
        pauseReading(slot)
        setTimerEarlier(slot, at: tick)
    }

    /// The connection's timer has fired: reads it again if it is time. When that will be, nil if it is read.
    func meterTimerFired(_ slot: UInt32) -> UInt32? {
        let connection = unsafe connections[slot]
        let tick = unsafe meters[slot].pointee.resumeTick
        if tick == 0 { return nil }
        // Who is not read cannot be heard.
        unsafe connection.pointee.heardTick = nowTick
        if nowTick < tick { return tick }
        unsafe meters[slot].pointee.resumeTick = 0
        // A message that is under way has its time from now on again, less what it had used.
        if unsafe connection.pointee.messageTick != 0 {
            let rested = unsafe nowTick &- meters[slot].pointee.restTick
            unsafe connection.pointee.messageTick = unsafe min(nowTick, connection.pointee.messageTick + rested)
        }
        if unsafe !connection.pointee.flags.contains(.inputHeld) { resumeReading(slot) }
        return nil
    }
}

enum MeterLimits {
    /// No connection is unread for longer than this, whatever it sent at once: 60 s.
    static let restTicksMax = UInt64(60 * Clock.ticksPerSecond)
}
