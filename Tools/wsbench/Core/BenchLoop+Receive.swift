import CBench
import Histogram
import Synchronization

// The way of a message through the load generator: read, parse in place, compare one number, count.
extension BenchLoop {
    /// What changes from frame to frame while one read is worked through.
    private struct Reading {
        var expected: UInt64
        var run = LatencyRun()
        /// Messages that count as delivered.
        var delivered = 0
        let now: UInt64
    }

    /// Takes what a connection has received: all of it, for the next event comes only with new bytes.
    /// - Parameter isEnding: the peer has closed its side, so the end is read at once.
    mutating func receive(_ index: Int, isEnding: Bool) {
        while unsafe subscribers[index].descriptor >= 0 {
            switch read(index) {
            case .nothing: return
            case .some: if !isEnding { return }
            case .filled: break
            }
        }
    }

    /// What a read brought.
    private enum Taken {
        case nothing
        /// Everything there was, for the buffer had room left (epoll(7)).
        case some
        /// As much as the buffer holds; there may be more.
        case filled
    }

    /// Takes one read.
    private mutating func read(_ index: Int) -> Taken {
        let subscriber = unsafe subscribers + index
        let leftoverBytes = unsafe Int(subscriber.pointee.leftoverBytes)
        if leftoverBytes > 0 {
            unsafe buffer.copyMemory(from: leftovers + index * Self.leftoverStride, byteCount: leftoverBytes)
            unsafe subscriber.pointee.leftoverBytes = 0
        }
        let got = unsafe cbench_receive(
            subscriber.pointee.descriptor, buffer + leftoverBytes, bufferBytes - leftoverBytes)
        guard got > 0 else {
            unsafe subscriber.pointee.leftoverBytes = Int16(leftoverBytes)
            if got != -Int(cbench_would_block) { lose(index) }
            return .nothing
        }
        let end = leftoverBytes + got
        let from = unsafe subscriber.pointee.expected
        var reading = Reading(expected: from, now: cbench_now() - board.epoch)
        var cursor = 0
        if unsafe subscriber.pointee.skipBytes > 0 { cursor = skip(index, available: end, &reading) }
        let standing = parse(index, from: cursor, to: end, &reading)
        flush(&reading.run, now: reading.now)
        delivered += UInt64(reading.delivered)
        unsafe subscriber.pointee.expected = reading.expected
        if shape != .echo, reading.expected != from {
            let channel = unsafe Int(subscriber.pointee.channel)
            let old = from == Subscriber.unproved ? 1 : from
            if unsafe frontiers[channel].move(from: old, to: reading.expected) { showFrontier(channel) }
        }
        if !standing {
            lose(index)
        } else if echo != nil, reading.delivered > 0, phase == .running, echo!.answersAtOnce {
            answer(index, messages: reading.delivered)
        }
        return end == bufferBytes ? .filled : .some
    }

    /// Works through the frames in `start ..< end` of the buffer and keeps what is unfinished. False on a frame that no
    /// server may send or a close.
    private mutating func parse(_ index: Int, from start: Int, to end: Int, _ reading: inout Reading) -> Bool {
        var cursor = start
        while cursor < end {
            let rest = unsafe UnsafeRawBufferPointer(start: buffer + cursor, count: end - cursor)
            let frame: ServerFrame
            switch unsafe ServerFrame.parse(rest) {
            case .head(let parsed): frame = parsed
            case .incomplete:
                unsafe keep(index, rest)
                return true
            case .invalid:
                faults.invalidFrames += 1
                return false
            }
            let available = rest.count - frame.headBytes
            if available < frame.payloadBytes, available < Marker.searchBytesMax {
                unsafe keep(index, rest)
                return true
            }
            let payload = unsafe UnsafeRawBufferPointer(
                start: buffer + cursor + frame.headBytes, count: min(available, frame.payloadBytes))
            if available < frame.payloadBytes {
                unsafe hold(index, payload, skipping: frame.payloadBytes - available)
                return true
            }
            cursor += frame.headBytes + frame.payloadBytes
            if frame.opcode == 1 || frame.opcode == 2 {
                unsafe take(index, payload, &reading)
            } else if unsafe !control(index, frame.opcode, payload) {
                return false
            }
        }
        return true
    }

    /// Counts one message.
    @inline(__always)
    private mutating func take(_ index: Int, _ payload: UnsafeRawBufferPointer, _ reading: inout Reading) {
        guard let sequence = unsafe Marker.sequence(in: payload, at: markerOffset) else {
            return unsafe takeElsewhere(index, payload, &reading)
        }
        if sequence != reading.expected {
            guard accept(index, sequence, &reading) else { return }
        } else {
            reading.expected += 1
            reading.delivered += 1
        }
        let time = markerOffset + Marker.timeOffset
        let first = unsafe payload.loadUnaligned(fromByteOffset: time, as: UInt64.self)
        let second = unsafe payload.loadUnaligned(fromByteOffset: time + 8, as: UInt64.self)
        if first != reading.run.first || second != reading.run.second {
            flush(&reading.run, now: reading.now)
            reading.run = LatencyRun(first: first, second: second)
        }
        reading.run.count += 1
    }

    /// A text whose marker is not where it was last time, or that has none.
    @inline(never)
    private mutating func takeElsewhere(_ index: Int, _ payload: UnsafeRawBufferPointer, _ reading: inout Reading) {
        if let offset = unsafe Marker.find(in: payload) {
            markerOffset = offset
            return unsafe take(index, payload, &reading)
        }
        faults.unmarked += 1
        let text = unsafe payload.prefix(LoopFaults.latestTextBytesMax)
        faults.latestText = unsafe String(decoding: text, as: UTF8.self)
    }

    /// A message that is not the expected one. True when it is to be measured.
    @inline(never)
    private mutating func accept(_ index: Int, _ sequence: UInt64, _ reading: inout Reading) -> Bool {
        let channel = unsafe Int(subscribers[index].channel)
        if sequence == Marker.probeSequence {
            if reading.expected == Subscriber.unproved, channel >= 0 {
                reading.expected = 1
                ready += 1
                unsafe frontiers[channel].join()
                showFrontier(channel)
            }
            return false
        }
        guard channel >= 0, sequence > 0, reading.expected != Subscriber.unproved, sequence <= newest(index, channel)
        else {
            faults.foreign += 1
            return false
        }
        switch ledger.judge(sequence, expected: &reading.expected, subscriber: index) {
        case .gap, .reordered:
            reading.delivered += 1
            return true
        case .doubled:
            return false
        }
    }

    /// The newest sequence that a connection can have received.
    private func newest(_ index: Int, _ channel: Int) -> UInt64 {
        if let echo { return echo.newest(index) }
        return unsafe board.published[channel].load(ordering: .acquiring)
    }

    /// Records the latency of deliveries that were sent at one moment.
    private mutating func flush(_ run: inout LatencyRun, now: UInt64) {
        guard run.count > 0, let time = Marker.number(run.first, run.second) else { return }
        if time >= measureStart, time < measureEnd {
            let latency = now > time ? now - time : 0
            latencies.record(min(latency, Self.latencyMax), count: run.count)
        }
        run.count = 0
    }

    // MARK: The rare cases

    /// Keeps an unfinished frame for the next read.
    private mutating func keep(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= Self.leftoverStride)
        unsafe (leftovers + index * Self.leftoverStride).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        unsafe subscribers[index].leftoverBytes = Int16(bytes.count)
    }

    /// Remembers the marker of a payload that is longer than what has been read, in the connection's leftover slot,
    /// which is free as long as bytes are skipped. Without a marker the slot holds none, and the text counts as
    /// unmarked later.
    private mutating func hold(_ index: Int, _ payload: UnsafeRawBufferPointer, skipping: Int) {
        unsafe subscribers[index].skipBytes = skipping
        if unsafe Marker.sequence(in: payload, at: markerOffset) == nil {
            markerOffset = unsafe Marker.find(in: payload) ?? 0
        }
        unsafe (leftovers + index * Self.leftoverStride).copyMemory(
            from: payload.baseAddress! + markerOffset, byteCount: Marker.byteCount)
    }

    /// Passes over the rest of a long payload; where the next frame starts. Counts the message when its end is here.
    private mutating func skip(_ index: Int, available: Int, _ reading: inout Reading) -> Int {
        let bytes = unsafe min(available, subscribers[index].skipBytes)
        unsafe subscribers[index].skipBytes -= bytes
        if unsafe subscribers[index].skipBytes == 0 {
            let offset = markerOffset
            markerOffset = 0
            let slot = unsafe leftovers + index * Self.leftoverStride
            unsafe take(index, UnsafeRawBufferPointer(start: slot, count: Marker.byteCount), &reading)
            markerOffset = offset
        }
        return bytes
    }

    /// Answers pings; false on a close.
    private mutating func control(_ index: Int, _ opcode: UInt8, _ payload: UnsafeRawBufferPointer) -> Bool {
        switch opcode {
        case 8:
            faults.latestText = unsafe "close " + closeText(payload)
            return false
        case 9:
            let pong = unsafe ClientFrame.build(opcode: 10, payload: Array(payload))
            return unsafe pong.withUnsafeBytes {
                unsafe cbench_send(subscribers[index].descriptor, $0.baseAddress, $0.count) == $0.count
            }
        default:
            return true
        }
    }

    private func closeText(_ payload: UnsafeRawBufferPointer) -> String {
        guard payload.count >= 2 else { return "without a code" }
        let code = unsafe Int(payload[0]) << 8 | Int(payload[1])
        let reason = unsafe String(decoding: payload.dropFirst(2), as: UTF8.self)
        return "\(code) \(reason)"
    }
}
