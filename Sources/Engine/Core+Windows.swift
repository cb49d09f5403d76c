import ClarionBytes
import ClarionWire

// Readers of a channel that get it compressed. For each window that somebody reads with, a channel has a second slot:
// a list of subscribers and a log of its own, whose frames are compressed once for all of them. Circles, slow readers
// and merging work on slots and do not know the difference; a channel that nobody reads compressed has one slot, and
// costs what it did.

extension Core {
    // MARK: Slots of a channel

    /// The slot in which connection `slot` reads the channel of `primary`. The primary one when it reads plain, when
    /// its own context compresses for it, or when there is no room for another slot.
    func readingSlot(of primary: UInt32, for slot: UInt32) -> UInt32 {
        let connection = unsafe connections[slot]
        let flags = unsafe connection.pointee.flags
        if !flags.contains(.deflates) { return primary }
        let mode = unsafe channels[primary].pointee.deflateMode
        if mode == .off || (mode == .dedicated && flags.contains(.dedicated)) { return primary }
        let window = unsafe connection.pointee.window
        guard let found = findWindow(window, of: primary) ?? makeWindow(window, of: primary) else { return primary }
        // What waits there to be compressed was published before this reader came: it must not get that.
        return unsafe channels[found].pointee.jobCount > 0 ? primary : found
    }

    func findWindow(_ window: UInt8, of primary: UInt32) -> UInt32? {
        var slot = unsafe channels[primary].pointee.nextWindow
        while slot != Channel.none {
            if unsafe channels[slot].pointee.window == window { return slot }
            slot = unsafe channels[slot].pointee.nextWindow
        }
        return nil
    }

    private func makeWindow(_ window: UInt8, of primary: UInt32) -> UInt32? {
        guard let slot = channels.take() else { return nil }
        let channel = unsafe channels[primary]
        unsafe channel.pointee.name.retain()
        var made = unsafe Channel(name: channel.pointee.name, home: channel.pointee.home, phase: channel.pointee.phase)
        made.primary = primary
        made.window = window
        made.deflateMode = unsafe channel.pointee.deflateMode
        made.nextWindow = unsafe channel.pointee.nextWindow
        unsafe channels[slot].pointee = made
        unsafe channel.pointee.nextWindow = slot
        counters.deflateLogs += 1
        return slot
    }

    /// Forgets a slot of a window, which has no subscribers any more.
    func dropWindow(_ slot: UInt32) {
        let primary = unsafe channels[slot].pointee.primary
        var before = primary
        while unsafe channels[before].pointee.nextWindow != slot { before = unsafe channels[before].pointee.nextWindow }
        unsafe channels[before].pointee.nextWindow = unsafe channels[slot].pointee.nextWindow
        counters.deflateLogs -= 1
        freeChannel(slot)
    }

    /// Subscribers of a channel on this worker, in all its slots, and those that wait for the home.
    func subscriberTotal(_ primary: UInt32) -> UInt32 {
        var total: UInt32 = 0
        var slot = primary
        while slot != Channel.none {
            unsafe total += channels[slot].pointee.subscriberCount + channels[slot].pointee.waitingCount
            slot = unsafe channels[slot].pointee.nextWindow
        }
        return total
    }

    // MARK: Messages

    /// Compresses a message for each window that somebody reads with, and appends it there. A long one, and what comes
    /// behind it, waits its turn. Returns the slots whose log has passed readers.
    func deliverDeflated(_ primary: UInt32, _ frame: SharedFrame, _ place: LogPlace) -> WindowSet {
        var passed = WindowSet()
        let payload = FrameWriter.payload(of: frame.view)
        var made = InlineArray<3, Range<Int>?>(repeating: nil)
        var isMade = InlineArray<3, Bool>(repeating: false)
        var slot = unsafe channels[primary].pointee.nextWindow
        while slot != Channel.none {
            let channel = unsafe channels[slot]
            let next = unsafe channel.pointee.nextWindow
            let isWorthIt = isWorthDeflating(payload.count)
            var hasPassed = false
            if unsafe channel.pointee.jobCount > 0 || (isWorthIt && !isDeflatedAtOnce(payload.count)) {
                putOff(slot, frame, place, payloadCount: payload.count)
            } else if isWorthIt {
                let kind = unsafe DeflateState.Kind.of(payloadCount: payload.count, window: channel.pointee.window)
                if !isMade[kind.rawValue] {
                    isMade[kind.rawValue] = true
                    made[kind.rawValue] = unsafe appendDeflated(
                        payload, opcode: Opcode.text, window: channel.pointee.window)
                }
                let bytes = made[kind.rawValue].map {
                    deflate.output.view.slice(from: $0.lowerBound, count: $0.count)
                }
                hasPassed = appendToLog(slot, bytes ?? frame.view, place)
            } else {
                hasPassed = appendToLog(slot, frame.view, place)
            }
            if hasPassed { passed.insert(slot, generation: channels.generation(of: slot)) }
            slot = next
        }
        deflate.output.removeAll()
        return passed
    }

    // MARK: Messages that wait

    private func putOff(_ slot: UInt32, _ frame: SharedFrame, _ place: LogPlace, payloadCount: Int) {
        let channel = unsafe channels[slot]
        if unsafe channel.pointee.jobCount == 0 { unsafe channel.pointee.jobStamp = place.stamp }
        unsafe channel.pointee.jobCount += 1
        frame.retain()
        deflate.pendingBytes += frame.byteCount
        counters.deflateJobs += 1
        deflate.jobs.append(
            DeflateJob(channel: slot, generation: channels.generation(of: slot), frame: frame, place: place))
    }

    /// Whether so much waits to be compressed that nothing more is let in.
    var isDeflatePressing: Bool { deflate.pendingBytes > limits.logBytesMax }

    /// Called in each turn: compresses a slice of the messages that wait.
    func advanceDeflate() {
        var budget = limits.deflate.sliceBytes
        var done = 0
        while budget > 0 && done < deflate.jobs.count {
            let job = deflate.jobs[done]
            if channels.generation(of: job.channel) != job.generation {
                finishJob(job)
                done += 1
                continue
            }
            guard let frame = advance(job, &budget) else { break }
            done += 1
            finish(job, frame, at: done)
        }
        deflate.jobs.removeFirst(done)
    }

    /// Compresses on. nil: not done in this turn; else the frame, in `deflate.jobOutput`, or the plain one.
    private func advance(_ job: DeflateJob, _ budget: inout Int) -> ByteView? {
        let payload = FrameWriter.payload(of: job.frame.view)
        if !isWorthDeflating(payload.count) { return job.frame.view }
        let kind = unsafe DeflateState.Kind.of(
            payloadCount: payload.count, window: channels[job.channel].pointee.window)
        let begins = deflate.jobPosition == 0 && deflate.jobOutput.isEmpty
        guard let encoder = deflate.sliceEncoder(kind, level: limits.deflate.level, begins: begins) else {
            return job.frame.view
        }
        if begins {
            counters.deflated += 1
            counters.deflatedBytesIn += UInt64(payload.count)
            _ = unsafe deflate.jobOutput.reserve(FrameHeader.headerCountMax)
            deflate.jobOutput.advance(by: FrameHeader.headerCountMax)
        }
        while budget > 0 {
            let count = min(budget, payload.count - deflate.jobPosition)
            let ends = deflate.jobPosition + count == payload.count
            let room = unsafe deflate.jobOutput.reserve(Core.jobRoomBytes)
            let step = unsafe encoder.encode(
                payload.slice(from: deflate.jobPosition, count: count), ends: ends, to: room,
                capacity: Core.jobRoomBytes)
            deflate.jobPosition += step.taken
            deflate.jobOutput.advance(by: step.written)
            budget -= max(step.taken, 1)
            let madeCount = deflate.jobOutput.count - FrameHeader.headerCountMax
            if madeCount >= payload.count + DeflateEncoder.tailCount || (step.taken == 0 && step.written == 0 && !ends)
            {
                counters.deflatedInVain += 1
                counters.deflatedBytesOut += UInt64(payload.count)
                return job.frame.view
            }
            if ends && step.isDone { return jobFrame() }
        }
        return nil
    }

    private static let jobRoomBytes = 16 << 10

    /// Puts the header before what was made, and takes the tail off.
    private func jobFrame() -> ByteView {
        let count = deflate.jobOutput.count - FrameHeader.headerCountMax - DeflateEncoder.tailCount
        counters.deflatedBytesOut += UInt64(count)
        let headerCount = FrameWriter.headerCount(payloadCount: count, masked: false)
        let start = FrameHeader.headerCountMax - headerCount
        unsafe FrameWriter.writeHeader(
            opcode: Opcode.text, isFinal: true, rsv1: true, payloadCount: count, maskKey: nil,
            to: deflate.jobOutput.base + start)
        return deflate.jobOutput.view.slice(from: start, count: headerCount + count)
    }

    /// A message is compressed: its readers get it. `next`: where the messages behind it begin in the list.
    private func finish(_ job: DeflateJob, _ frame: ByteView, at next: Int) {
        let channel = unsafe channels[job.channel]
        unsafe channel.pointee.jobCount -= 1
        unsafe channel.pointee.jobStamp = UInt64.max
        if unsafe channel.pointee.jobCount > 0 {
            for index in next..<deflate.jobs.count
            where deflate.jobs[index].channel == job.channel && deflate.jobs[index].generation == job.generation {
                unsafe channel.pointee.jobStamp = deflate.jobs[index].place.stamp
                break
            }
        }
        let hasPassedReaders = appendToLog(job.channel, frame, job.place)
        finishJob(job)
        if hasPassedReaders { cutPassedReaders(job.channel) }
    }

    private func finishJob(_ job: DeflateJob) {
        deflate.pendingBytes -= job.frame.byteCount
        job.frame.release()
        deflate.jobPosition = 0
        deflate.jobOutput.removeAll()
    }
}

/// Slots of a channel with their generations, at most one for each window.
struct WindowSet {
    private var slots = InlineArray<4, UInt32>(repeating: Channel.none)
    private var generations = InlineArray<4, UInt32>(repeating: 0)
    private(set) var count = 0

    mutating func insert(_ slot: UInt32, generation: UInt32) {
        slots[count] = slot
        generations[count] = generation
        count += 1
    }

    subscript(index: Int) -> (slot: UInt32, generation: UInt32) { (slots[index], generations[index]) }
}
