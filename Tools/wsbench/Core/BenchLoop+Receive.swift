import CBench

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
            switch read(index, bytesMax: bufferBytes) {
            case .nothing: return
            case .some: if !isEnding { return }
            case .filled: break
            }
        }
    }

    /// What a read brought.
    enum Taken {
        case nothing
        /// Everything there was, for the buffer had room left (epoll(7)).
        case some
        /// As much as the buffer holds; there may be more.
        case filled
    }

    /// Whether more may lie in TLS's own buffers.
    private var isSecure: Bool { unsafe secured != nil }

    /// Takes one read.
    mutating func read(_ index: Int, bytesMax: Int) -> Taken {
        let subscriber = unsafe subscribers + index
        let kept = unsafe subscriber.pointee.leftoverBytes
        var leftoverBytes = Int(kept)
        if leftoverBytes > 0 {
            unsafe buffer.copyMemory(from: leftovers + index * Self.leftoverStride, byteCount: leftoverBytes)
        } else if leftoverBytes < 0 {
            leftoverBytes = putBack(index)
        }
        unsafe subscriber.pointee.leftoverBytes = 0
        let room = min(bytesMax, bufferBytes - leftoverBytes)
        let got = unsafe socket(index).receive(buffer + leftoverBytes, room)
        guard got > 0 else {
            unsafe subscriber.pointee.leftoverBytes = kept
            if got != -Int(cbench_would_block) { lose(index) }
            return .nothing
        }
        if kept < 0 { partials.removeValue(forKey: index) }
        let end = leftoverBytes + got
        let from = unsafe subscriber.pointee.expected
        var reading = Reading(expected: from, now: cbench_now() - board.epoch)
        var cursor = 0
        if unsafe subscriber.pointee.stage == .upgrading {
            guard let start = takeAnswer(index, end) else {
                return got == room || isSecure ? .filled : .some
            }
            reading.expected = unsafe subscriber.pointee.expected
            cursor = start
        }
        if unsafe subscriber.pointee.skipBytes > 0 { cursor = skip(index, available: end, &reading) }
        let standing = parse(index, from: cursor, to: end, &reading)
        flush(&reading.run, now: reading.now)
        unsafe subscriber.pointee.expected = reading.expected
        if unsafe subscriber.pointee.isSlow {
            mine.add(.slowDelivered, UInt64(reading.delivered))
        } else {
            delivered += UInt64(reading.delivered)
        }
        if reading.expected != from, unsafe subscriber.pointee.isInFrontier {
            let channel = unsafe Int(subscriber.pointee.channel)
            let old = from == Subscriber.unproved ? 1 : from
            if old != reading.expected, unsafe frontiers[channel].move(from: old, to: reading.expected) {
                showFrontier(channel)
            }
        }
        if !standing {
            lose(index)
        } else if echo != nil, reading.delivered > 0, phase == .running, echo!.answersAtOnce {
            answer(index, messages: reading.delivered)
        }
        return got == room || isSecure ? .filled : .some
    }

    /// Puts a compressed message that is not whole yet at the start of the buffer; its length so far.
    @inline(never)
    private mutating func putBack(_ index: Int) -> Int {
        guard let bytes = partials[index] else { return 0 }
        unsafe bytes.withUnsafeBytes { unsafe buffer.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        return bytes.count
    }

    /// The answer to the upgrade is in the buffer, or a part of it.
    @inline(never)
    private mutating func takeAnswer(_ index: Int, _ end: Int) -> Int? {
        guard let earlier = partials.removeValue(forKey: index) else {
            return unsafe takeHead(index, UnsafeRawBufferPointer(start: buffer, count: end))
        }
        // What came before is put in front, and what follows the head is put back to the buffer's start.
        let fresh = unsafe UnsafeRawBufferPointer(start: buffer, count: end)
        let whole = unsafe earlier + Array(fresh)
        guard let start = unsafe whole.withUnsafeBytes({ unsafe takeHead(index, $0) }) else { return nil }
        return start - earlier.count
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
                mine.add(.invalidFrames)
                return false
            }
            let available = rest.count - frame.headBytes
            if frame.isCompressed {
                guard available >= frame.payloadBytes else { return unsafe keepWhole(index, rest, frame) }
                let bytes = unsafe UnsafeRawBufferPointer(
                    start: buffer + cursor + frame.headBytes, count: frame.payloadBytes)
                cursor += frame.headBytes + frame.payloadBytes
                guard unsafe inflate(index, bytes, headBytes: frame.headBytes, &reading) else { return false }
                continue
            }
            if available < frame.payloadBytes, available < Marker.searchBytesMax {
                unsafe keep(index, rest)
                return true
            }
            let payload = unsafe UnsafeRawBufferPointer(
                start: buffer + cursor + frame.headBytes, count: min(available, frame.payloadBytes))
            if available < frame.payloadBytes {
                unsafe hold(index, payload, skipping: frame.payloadBytes - available)
                countPlain(frame)
                return true
            }
            cursor += frame.headBytes + frame.payloadBytes
            if deflate != nil { countPlain(frame) }
            if frame.opcode == 1 || frame.opcode == 2 {
                unsafe take(index, payload, &reading)
            } else if unsafe !control(index, frame.opcode, payload) {
                return false
            }
        }
        return true
    }

    /// Counts the bytes of a frame that is not compressed, where others may be.
    private func countPlain(_ frame: ServerFrame) {
        guard deflate != nil, frame.opcode <= 2 else { return }
        mine.add(.wireBytes, UInt64(frame.headBytes + frame.payloadBytes))
        mine.add(.payloadBytes, UInt64(frame.payloadBytes))
    }

    /// Takes a compressed message. False when it makes no sense.
    private mutating func inflate(
        _ index: Int, _ bytes: UnsafeRawBufferPointer, headBytes: Int, _ reading: inout Reading
    ) -> Bool {
        guard unsafe subscribers[index].isDeflated, let message = unsafe deflate?.inflate(index, bytes) else {
            mine.add(.invalidFrames)
            mine.leave(.latest, "a compressed message that cannot be inflated")
            return false
        }
        mine.add(.wireBytes, UInt64(headBytes + bytes.count))
        unsafe mine.add(.payloadBytes, UInt64(message.count))
        unsafe take(index, message.head, &reading)
        return true
    }

    /// Keeps a compressed message until it is whole. False when it is longer than what can be looked into.
    private mutating func keepWhole(_ index: Int, _ rest: UnsafeRawBufferPointer, _ frame: ServerFrame) -> Bool {
        guard frame.payloadBytes <= bufferBytes / 2 else {
            mine.add(.invalidFrames)
            mine.leave(.latest, "a compressed message of more than \(bufferBytes / 2) bytes, too long for wsbench")
            return false
        }
        unsafe partials[index] = Array(rest)
        unsafe subscribers[index].leftoverBytes = -1
        return true
    }

    /// Counts one message.
    @inline(__always)
    private mutating func take(_ index: Int, _ payload: UnsafeRawBufferPointer, _ reading: inout Reading) {
        guard let sequence = unsafe Marker.sequence(in: payload, at: markerOffset) else {
            return unsafe takeElsewhere(index, payload, &reading)
        }
        if sequence != reading.expected {
            guard unsafe accept(index, sequence, payload, &reading) else { return }
        } else {
            reading.expected += 1
            reading.delivered += 1
        }
        let time = markerOffset + Marker.timeOffset
        let first = unsafe payload.loadUnaligned(fromByteOffset: time, as: UInt64.self)
        let second = unsafe payload.loadUnaligned(fromByteOffset: time + 8, as: UInt64.self)
        let lag = unsafe payload.loadUnaligned(
            fromByteOffset: markerOffset + Marker.lagOffset, as: UInt64.self)
        if first != reading.run.first || second != reading.run.second || lag != reading.run.lag {
            flush(&reading.run, now: reading.now)
            reading.run = LatencyRun(first: first, second: second, lag: lag)
        }
        reading.run.count += 1
    }

    /// A text whose marker is not where it was last time, or that has none.
    @inline(never)
    private mutating func takeElsewhere(_ index: Int, _ payload: UnsafeRawBufferPointer, _ reading: inout Reading) {
        if unsafe takeNotice(index, payload, &reading.expected) { return }
        if let offset = unsafe Marker.find(in: payload) {
            if shape == .presence { return unsafe takeMember(index, payload, offset, &reading) }
            markerOffset = offset
            return unsafe take(index, payload, &reading)
        }
        mine.add(.unmarked)
        unsafe mine.leave(.latest, payload)
    }

    /// Presence: somebody joined or left.
    private mutating func takeMember(
        _ index: Int, _ payload: UnsafeRawBufferPointer, _ offset: Int, _ reading: inout Reading
    ) {
        guard unsafe subscribers[index].isReady else { return }
        let channel = unsafe Int(subscribers[index].channel)
        guard unsafe !Self.holds(payload, ServerText.memberRemoved) else {
            return presence.sawRemoved(channel: channel, mine)
        }
        guard unsafe Self.holds(payload, ServerText.memberAdded) else { return }
        let before = reading.delivered
        markerOffset = offset
        unsafe take(index, payload, &reading)
        markerOffset = -1
        if reading.delivered > before { presence.sawAdded(channel: channel, mine) }
    }

    /// What the server says about the connection itself. False when the text is something else.
    private mutating func takeNotice(
        _ index: Int, _ payload: UnsafeRawBufferPointer, _ expected: inout UInt64
    ) -> Bool {
        guard unsafe payload.starts(with: ServerText.pusher) || payload.starts(with: ServerText.envelope) else {
            return false
        }
        let head = unsafe UnsafeRawBufferPointer(rebasing: payload.prefix(Marker.searchBytesMax))
        if unsafe Self.holds(head, ServerText.succeeded) || payload.starts(with: ServerText.subscribed) {
            confirm(index)
        } else if unsafe payload.starts(with: ServerText.ping) {
            // Who does not answer is closed after a while.
            let pong = ClientFrame.build(opcode: 1, payload: Self.pong)
            unsafe pong.withUnsafeBytes { unsafe _ = socket(index).send($0.baseAddress, $0.count) }
        } else if unsafe Self.holds(head, ServerText.established) {
            unsafe greet(index, socket: Self.socketName(head))
        } else {
            return false
        }
        expected = unsafe subscribers[index].expected
        return true
    }

    private static let pong = Array(#"{"event":"pusher:pong","data":{}}"#.utf8)

    private static func holds(_ bytes: UnsafeRawBufferPointer, _ text: [UInt8]) -> Bool {
        unsafe cbench_find(bytes.baseAddress, bytes.count, text, text.count) >= 0
    }

    /// The digits and the dot behind `socket_id`.
    static func socketName(_ greeting: UnsafeRawBufferPointer) -> String {
        let key = Array("socket_id".utf8)
        let found = unsafe cbench_find(greeting.baseAddress, greeting.count, key, key.count)
        guard found >= 0 else { return "" }
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let rest = unsafe greeting[(found + key.count)...].drop { !digits.contains($0) }
        let name = unsafe rest.prefix { digits.contains($0) || $0 == UInt8(ascii: ".") }
        return unsafe String(decoding: name, as: UTF8.self)
    }

    /// A message that is not the expected one. True when it is to be measured.
    @inline(never)
    private mutating func accept(
        _ index: Int, _ sequence: UInt64, _ payload: UnsafeRawBufferPointer, _ reading: inout Reading
    ) -> Bool {
        let subscriber = unsafe subscribers + index
        if sequence == Marker.probeSequence {
            if unsafe phase == .probing && subscriber.pointee.stage == .subscribed && !subscriber.pointee.isReady {
                prove(index)
                reading.expected = unsafe subscriber.pointee.expected
            }
            return false
        }
        guard unsafe subscriber.pointee.channel >= 0, sequence > 0, sequence <= newest(index) else {
            mine.add(.foreign)
            return false
        }
        if reading.expected == Subscriber.unproved { return unsafe begin(index, sequence, payload, &reading) }
        if unsafe subscriber.pointee.isLate {
            unsafe subscriber.pointee.isLate = false
            if sequence < reading.expected { return unsafe begin(index, sequence, payload, &reading) }
        }
        let isSlow = unsafe subscriber.pointee.isSlow
        let verdict =
            isSlow
            ? slowLedger.judge(sequence, expected: &reading.expected, subscriber: index)
            : ledger.judge(sequence, expected: &reading.expected, subscriber: index)
        showBooks()
        switch verdict {
        case .gap, .reordered:
            reading.delivered += 1
            return true
        case .doubled:
            return false
        }
    }

    /// A message for a subscription that has seen none yet, or that has ended.
    private mutating func begin(
        _ index: Int, _ sequence: UInt64, _ payload: UnsafeRawBufferPointer, _ reading: inout Reading
    ) -> Bool {
        let time = unsafe Marker.time(in: payload, at: markerOffset) ?? 0
        let asked = unsafe since[index]
        if unsafe subscribers[index].stage == .idle {
            if time > asked + ChurnTurns.graceNanoseconds { mine.add(.afterEnd) }
            return false
        }
        // What was published before the request may belong to the subscription before it.
        guard unsafe subscribers[index].stage == .subscribed else { return false }
        guard time >= asked else {
            unsafe subscribers[index].isLate = subscribers[index].isReady
            return false
        }
        reading.expected = sequence + 1
        reading.delivered += 1
        markReady(index)
        return true
    }

    /// Records the latency of deliveries that were sent at one moment.
    private mutating func flush(_ run: inout LatencyRun, now: UInt64) {
        guard run.count > 0, let time = Marker.number(run.first, run.second) else { return }
        let latency = now > time ? now - time : 0
        if latency > lateNanoseconds { late += run.count }
        if time >= measureStart, time < measureEnd {
            latencies.record(latency, count: run.count)
            let lag = Marker.areDigits(run.lag) ? Marker.number(run.lag) * 1_000 : 0
            services.record(latency > lag ? latency - lag : 0, count: run.count)
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
        unsafe subscribers[index].skipBytes = Int32(clamping: skipping)
        let slot = unsafe leftovers + index * Self.leftoverStride
        unsafe slot.initializeMemory(as: UInt8.self, repeating: 0, count: Marker.byteCount)
        var expected = unsafe subscribers[index].expected
        if unsafe takeNotice(index, payload, &expected) { return }  // a long list of members: its head says enough
        let offset =
            unsafe Marker.sequence(in: payload, at: markerOffset) == nil ? Marker.find(in: payload) : markerOffset
        guard let offset else { return }
        if shape != .presence { markerOffset = offset }
        unsafe slot.copyMemory(from: payload.baseAddress! + offset, byteCount: Marker.byteCount)
    }

    /// Passes over the rest of a long payload; where the next frame starts. Counts the message when its end is here.
    private mutating func skip(_ index: Int, available: Int, _ reading: inout Reading) -> Int {
        let bytes = unsafe min(available, Int(subscribers[index].skipBytes))
        unsafe subscribers[index].skipBytes -= Int32(bytes)
        if unsafe subscribers[index].skipBytes == 0 {
            let offset = markerOffset
            markerOffset = 0
            let slot = unsafe UnsafeRawBufferPointer(
                start: leftovers + index * Self.leftoverStride, count: Marker.byteCount)
            if unsafe Marker.sequence(in: slot, at: 0) != nil { unsafe take(index, slot, &reading) }
            markerOffset = offset
        }
        return bytes
    }

    /// Answers pings; false on a close.
    private mutating func control(_ index: Int, _ opcode: UInt8, _ payload: UnsafeRawBufferPointer) -> Bool {
        switch opcode {
        case 8:
            unsafe mine.leave(.latest, "close " + closeText(payload))
            return false
        case 9:
            let pong = unsafe ClientFrame.build(opcode: 10, payload: Array(payload))
            return unsafe pong.withUnsafeBytes {
                unsafe socket(index).send($0.baseAddress, $0.count) == $0.count
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
