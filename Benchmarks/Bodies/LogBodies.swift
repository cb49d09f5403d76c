import ClarionBytes

// A channel's log. `ChannelLog.swift` here is a link to the engine's own file: it is internal there, and is compiled
// into its callers.

let logBodies: [BenchmarkBody] = [
    appendBody("engine-log-append-64", frameBytes: 66),
    appendBody("engine-log-append-1k", frameBytes: 1028),
    BenchmarkBody("engine-log-cursor", "subscriber", iterations: 100_000) {
        // A subscriber that is behind: where its bytes begin, how many they are, how many messages.
        let box = LogBox()
        let frame = StaticBytes(Inputs.ascii(66))
        for offset in 1...1000 { box.append(frame.view, offset: UInt64(offset)) }
        return { iterations in
            var sum = 0
            for index in 0..<iterations {
                let cursor = box.log.start + UInt64(index * 7 % 1000) * 66
                let bytes = unsafe box.log.pointer(at: cursor)
                let messages = Int(box.log.entryCount) - box.log.entryIndex(behind: cursor)
                unsafe sum &+= Int(box.log.head - cursor) &+ messages &+ Int(bytes[0])
            }
            return sum
        }
    },
]

/// Appends; when so many are held the older half goes, as when a full log makes room.
private func appendBody(_ name: String, frameBytes: Int) -> BenchmarkBody {
    BenchmarkBody(name, "message", iterations: 20_000) {
        let box = LogBox()
        let frame = StaticBytes(Inputs.ascii(frameBytes))
        return { iterations in
            for _ in 0..<iterations {
                if box.log.entryCount == 1024 { box.log.dropFirst(512) }
                box.append(frame.view, offset: box.offset + 1)
            }
            return Int(truncatingIfNeeded: box.log.head)
        }
    }
}

private final class LogBox {
    var pool = BlockPool()
    var log = ChannelLog()
    private(set) var offset: UInt64 = 0

    func append(_ frame: ByteView, offset: UInt64) {
        if !log.fits(frame.count) { log.grow(frame.count, pool: &pool) }
        log.append(frame, stamp: offset, offset: offset, excludedSlot: 0, excludedGeneration: 0)
        self.offset = offset
    }
}
