/// The text by which a receiver recognises a message of the load generator inside any envelope: `@@`, then the sequence
/// number and the intended send time, each as 16 decimal digits, then in 8 digits by how many microseconds it was
/// really sent later. It is valid UTF-8 and needs no escaping in a JSON string, so
/// every protocol carries it unchanged, and it has a fixed width, so it is read with five wide loads.
enum Marker {
    /// Bytes of `@@` and the numbers; the smallest payload that can carry a marker.
    static let byteCount = 42
    /// Where the sequence number starts within the marker.
    static let sequenceOffset = 2
    /// Where the intended send time starts within the marker.
    static let timeOffset = 18
    /// Where the microseconds start by which it was really sent later.
    static let lagOffset = 34
    /// The longest lag that 8 digits hold.
    static let lagMicrosecondsMax: UInt64 = 99_999_999
    /// The largest number that 16 digits hold; as nanoseconds it is 115 days, counted from the start of the run.
    static let numberMax: UInt64 = 9_999_999_999_999_999
    /// The sequence number of a probe: a message sent before the run to learn which subscriptions are in force.
    static let probeSequence = numberMax
    /// How far into a payload a marker is searched for; an envelope's head must be shorter.
    static let searchBytesMax = 512
    /// What fills a payload behind its marker: the same bytes each time.
    static func padding(_ count: Int, isProse: Bool) -> [UInt8] {
        guard isProse else { return [UInt8](repeating: UInt8(ascii: "x"), count: count) }
        var generator = SeededGenerator(seed: UInt64(count))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 16)
        while bytes.count < count {
            for _ in 0..<Int.random(in: 2...9, using: &generator) {
                bytes.append(UInt8(ascii: "a") + UInt8.random(in: 0..<26, using: &generator) % 13)
            }
            bytes.append(UInt8(ascii: " "))
        }
        return Array(bytes.prefix(count))
    }

    /// Eight decimal digits of `value` (below 100 000 000) as they stand in memory, the first digit in the lowest byte.
    /// The three steps split four digits into two, then two into one, in all lanes at once.
    static func eightDigits(_ value: UInt32) -> UInt64 {
        let fours = UInt64(value / 10_000) | UInt64(value % 10_000) << 32
        let hundreds = ((fours &* 10_486) >> 20) & 0x0000_007F_0000_007F
        let twos = hundreds | ((fours &- hundreds &* 100) << 16)
        let tens = ((twos &* 103) >> 10) & 0x000F_000F_000F_000F
        let ones = tens | ((twos &- tens &* 10) << 8)
        return ones | 0x3030_3030_3030_3030
    }

    /// Whether all eight bytes are decimal digits.
    static func areDigits(_ raw: UInt64) -> Bool {
        let high = raw & 0xF0F0_F0F0_F0F0_F0F0
        let carried = (raw &+ 0x0606_0606_0606_0606) & 0xF0F0_F0F0_F0F0_F0F0
        return high == 0x3030_3030_3030_3030 && carried == high
    }

    /// The number that eight digits in memory stand for. They must be digits.
    static func number(_ raw: UInt64) -> UInt64 {
        let ones = raw & 0x0F0F_0F0F_0F0F_0F0F
        let twos = ((ones &* 2_561) >> 8) & 0x00FF_00FF_00FF_00FF
        let fours = ((twos &* 6_553_601) >> 16) & 0x0000_FFFF_0000_FFFF
        return (fours &* 42_949_672_960_001) >> 32
    }

    /// The number that sixteen digits in memory stand for, or nil when one of them is none.
    static func number(_ first: UInt64, _ second: UInt64) -> UInt64? {
        guard areDigits(first), areDigits(second) else { return nil }
        return number(first) &* 100_000_000 &+ number(second)
    }

    /// Sixteen digits of `value` as two words; what does not fit into sixteen digits is cut off at the top.
    static func digits(_ value: UInt64) -> (first: UInt64, second: UInt64) {
        let bounded = value % (numberMax + 1)
        return (
            eightDigits(UInt32(truncatingIfNeeded: bounded / 100_000_000)),
            eightDigits(UInt32(truncatingIfNeeded: bounded % 100_000_000))
        )
    }

    /// A marker as text, sent when it was to be sent.
    static func text(sequence: UInt64, time: UInt64) -> String {
        func padded(_ number: UInt64, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "@@" + padded(sequence, 16) + padded(time, 16) + padded(0, 8)
    }

    /// Where a marker starts within the payload, at most `searchBytesMax` bytes in, or nil.
    /// - Parameter payload: the payload as far as it has arrived.
    static func find(in payload: UnsafeRawBufferPointer) -> Int? {
        let last = min(payload.count, searchBytesMax) - byteCount
        guard last >= 0 else { return nil }
        let at = UInt8(ascii: "@")
        for offset in 0...last where unsafe payload[offset] == at && payload[offset + 1] == at {
            if unsafe sequence(in: payload, at: offset) != nil { return offset }
        }
        return nil
    }

    /// The sequence number of the marker at `offset`, or nil when no marker stands there.
    static func sequence(in payload: UnsafeRawBufferPointer, at offset: Int) -> UInt64? {
        guard offset >= 0, offset + byteCount <= payload.count else { return nil }
        let start = offset + sequenceOffset
        return unsafe number(
            payload.loadUnaligned(fromByteOffset: start, as: UInt64.self),
            payload.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self))
    }

    /// The intended send time of the marker at `offset`, or nil when no marker stands there.
    static func time(in payload: UnsafeRawBufferPointer, at offset: Int) -> UInt64? {
        guard offset >= 0, offset + byteCount <= payload.count else { return nil }
        let start = offset + timeOffset
        return unsafe number(
            payload.loadUnaligned(fromByteOffset: start, as: UInt64.self),
            payload.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self))
    }
}

/// Pieces of text by which messages of the server about a connection are told from published ones.
enum ServerText {
    static let pusher = Array(#"{"event":"pusher"#.utf8)
    static let established = Array("pusher:connection_established".utf8)
    static let ping = Array(#"{"event":"pusher:ping""#.utf8)
    static let succeeded = Array("pusher_internal:subscription_succeeded".utf8)
    static let memberAdded = Array("pusher_internal:member_added".utf8)
    static let memberRemoved = Array("pusher_internal:member_removed".utf8)
    static let envelope = Array(#"{"type":"#.utf8)
    static let subscribed = Array(#"{"type":"subscribed""#.utf8)
}
