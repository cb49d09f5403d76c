import CBench
import Synchronization

/// Where a run stands. The controller moves it on; the loops follow within a turn.
enum BenchPhase: UInt64 {
    /// Connections are opened, and probes are published until every subscription is seen to be in force.
    case probing
    /// Messages flow.
    case running
    /// No message is sent any more; those in flight arrive.
    case draining
    /// The loops end.
    case stopped
}

/// A number that all loops see.
enum BoardWord: Int, CaseIterable {
    /// A `BenchPhase`.
    case phase
    /// Messages whose intended time lies from here on are measured; nanoseconds since `epoch`.
    case measureStart
    /// Messages from here on are not measured any more.
    case measureEnd
    /// Open loop: messages a second, as the bit pattern of a `Double`.
    case rate
    /// Rises by one when connections are to be dropped.
    case storms
    /// 1 when the publisher's own connection is gone, after which nothing can be measured.
    case publisherIsGone
}

/// A number that one loop writes and the controller reads, summed over the loops.
enum LoopCounter: Int, CaseIterable {
    /// Messages received by readers that are not slow, each once; and those sent by echoing connections.
    case delivered, sent
    /// Subscriptions seen to be in force, connections that stand, and readers of those that still lack a message.
    case ready, alive, pending
    /// Handshakes that succeeded, connections given up, attempts that failed but were repeated.
    case handshakes, connectFailures, failedAttempts
    /// Handshakes of TLS that resumed a session.
    case resumed
    /// Connections that agreed to permessage-deflate, the bytes of their frames, and of those messages inflated.
    case deflated, wireBytes, payloadBytes
    /// When the first connection of the loop was opened, the latest stood, and the latest was subscribed; nanoseconds
    /// since `epoch`, 0 before that.
    case firstOpenAt, latestHandshakeAt, latestReadyAt
    /// Faults.
    case lost, doubled, reordered, late, disconnected, invalidFrames, foreign, unmarked, heldBack
    /// Nanoseconds in which the loop did not wait.
    case busy
    /// Connections dropped on purpose.
    case dropped
    /// The same of slow readers.
    case slowReaders, slowClosed, slowDelivered, slowLost, slowDoubled, slowReordered
    /// Subscriptions asked for and ended while the run lasted, and messages that came long after an end.
    case subscribed, unsubscribed, afterEnd
    /// Presence.
    case joined, left, added, removed, addedExpected, removedExpected
    /// HTTP: answers, and those other than 200.
    case published, publishFailures
}

/// A distribution that one loop writes.
enum LoopHistogram: Int, CaseIterable {
    /// Deliveries from the intended send time, and from the real one.
    case latency, service
    /// From connect to the answer of the upgrade.
    case connect
    /// Lengths of turns with something to do, and how much too late messages were sent over a free socket.
    case turn, sendLag
    /// From a request (subscribe, publish over HTTP) to its answer.
    case request
}

/// A text that one loop leaves for people.
enum LoopText: Int, CaseIterable {
    /// The first reason why a connection failed.
    case failure
    /// The latest text of the server that was no message.
    case latest
}

/// What the controller, the loops, and the processes they run in tell each other: all of it lies in memory they share.
/// Each number has one writer. Lives as long as the process, and is never given back.
@safe final class Board: @unchecked Sendable {
    /// When time started to count, on the monotonic clock.
    let epoch: UInt64
    let channels: Int
    let loops: [LoopBoard]

    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    /// The newest sequence of each channel.
    let published: UnsafeMutablePointer<Atomic<UInt64>>
    /// A bit for each channel whose frontier moved since the publisher looked.
    private let moved: UnsafeMutablePointer<Atomic<UInt64>>
    let movedWords: Int

    /// Numbers that different loops write keep a cache line between them.
    private static let lineWords = 8

    /// - Throws: when there is no memory.
    init(epoch: UInt64, channels: Int, loops count: Int) throws(BenchPlanError) {
        self.epoch = epoch
        self.channels = channels
        movedWords = (channels + 63) / 64
        func padded(_ words: Int) -> Int { (words + 2 * Self.lineWords - 1) / Self.lineWords * Self.lineWords }
        let textWords = LoopText.allCases.count * LoopBoard.textBytesMax / 8
        let histogramWords = LoopHistogram.allCases.count * LatencyCounts.classCount
        let loopWords = padded(LoopCounter.allCases.count) + padded(channels) + padded(textWords + histogramWords)
        let boardWords = padded(BoardWord.allCases.count) + padded(channels) + padded(movedWords)
        guard let memory = unsafe cbench_shared_memory(8 * (boardWords + loopWords * count)) else {
            throw BenchPlanError(description: "there is no memory for the counters of \(count) loops")
        }
        // The memory is all zero, which is how an atomic number of value 0 lies there.
        var next = unsafe memory.assumingMemoryBound(to: Atomic<UInt64>.self)
        func take(_ words: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
            defer { unsafe next += padded(words) }
            return unsafe next
        }
        unsafe words = unsafe take(BoardWord.allCases.count)
        unsafe published = unsafe take(channels)
        unsafe moved = unsafe take(movedWords)
        var loops: [LoopBoard] = []
        for _ in 0..<count {
            let counters = unsafe take(LoopCounter.allCases.count)
            let frontiers = unsafe take(channels)
            let rest = unsafe take(textWords + histogramWords)
            unsafe loops.append(
                LoopBoard(
                    counters: counters, frontiers: frontiers, channels: channels, texts: rest,
                    histograms: rest + textWords))
        }
        self.loops = loops
        set(.measureStart, .max)
        set(.measureEnd, .max)
    }

    subscript(word: BoardWord) -> UInt64 { unsafe words[word.rawValue].load(ordering: .acquiring) }

    func set(_ word: BoardWord, _ value: UInt64) { unsafe words[word.rawValue].store(value, ordering: .releasing) }

    var phase: BenchPhase { BenchPhase(rawValue: self[.phase]) ?? .stopped }

    var now: UInt64 { cbench_now() - epoch }

    /// The newest message of a channel that every subscriber has.
    func completed(channel: Int) -> UInt64 {
        var lowest = UInt64.max
        for loop in loops { lowest = unsafe min(lowest, loop.frontiers[channel].load(ordering: .acquiring)) }
        return unsafe lowest == .max ? published[channel].load(ordering: .relaxed) : lowest - 1
    }

    func publishedTotal() -> UInt64 {
        (0..<channels).reduce(0) { unsafe $0 + published[$1].load(ordering: .relaxed) }
    }

    /// Tells the publisher that a channel's frontier moved.
    func markMoved(channel: Int) {
        unsafe _ = moved[channel >> 6].bitwiseOr(1 << UInt64(channel & 63), ordering: .releasing)
    }

    /// Takes the marks of 64 channels.
    func takeMoved(word: Int) -> UInt64 {
        guard unsafe moved[word].load(ordering: .relaxed) != 0 else { return 0 }
        return unsafe moved[word].exchange(0, ordering: .acquiring)
    }

    func enter(_ phase: BenchPhase) {
        set(.phase, phase.rawValue)
        wakeAll()
    }

    func wakeAll() {
        for loop in loops { cbench_wake(loop.wake) }
    }

    /// A number summed over the loops.
    func total(_ counter: LoopCounter) -> UInt64 { loops.reduce(0) { $0 &+ $1[counter] } }

    /// The highest over the loops.
    func highest(_ counter: LoopCounter) -> UInt64 { loops.reduce(0) { max($0, $1[counter]) } }

    /// When the first connection of all was opened; 0 when none was.
    var firstOpenAt: UInt64 {
        let times: [UInt64] = loops.map { $0[.firstOpenAt] }
        return times.filter { $0 > 0 }.min() ?? 0
    }

    /// A distribution summed over the loops, class by class.
    func counts(_ histogram: LoopHistogram) -> [UInt64] {
        var totals = [UInt64](repeating: 0, count: LatencyCounts.classCount)
        for loop in loops { loop.histogram(histogram).add(to: &totals) }
        return totals
    }

    /// The first loop's text that is not empty.
    func text(_ text: LoopText) -> String? {
        for loop in loops {
            let found = loop.text(text)
            if !found.isEmpty { return found }
        }
        return nil
    }
}

/// What one loop shows of itself to the others.
@safe final class LoopBoard: @unchecked Sendable {
    static let textBytesMax = 256

    private let counters: UnsafeMutablePointer<Atomic<UInt64>>
    /// For each channel the lowest sequence that one of the loop's subscribers still expects; `UInt64.max` without a
    /// subscriber.
    let frontiers: UnsafeMutablePointer<Atomic<UInt64>>
    private let texts: UnsafeMutablePointer<Atomic<UInt64>>
    private let histograms: UnsafeMutablePointer<Atomic<UInt64>>
    /// An eventfd that ends the loop's wait. Processes inherit it.
    let wake: Int32

    init(
        counters: UnsafeMutablePointer<Atomic<UInt64>>, frontiers: UnsafeMutablePointer<Atomic<UInt64>>, channels: Int,
        texts: UnsafeMutablePointer<Atomic<UInt64>>, histograms: UnsafeMutablePointer<Atomic<UInt64>>
    ) {
        unsafe self.counters = counters
        unsafe self.frontiers = frontiers
        unsafe self.texts = texts
        unsafe self.histograms = histograms
        wake = cbench_wake_create()
        for channel in 0..<channels { unsafe frontiers[channel].store(.max, ordering: .relaxed) }
    }

    subscript(counter: LoopCounter) -> UInt64 { unsafe counters[counter.rawValue].load(ordering: .acquiring) }

    func set(_ counter: LoopCounter, _ value: UInt64) {
        unsafe counters[counter.rawValue].store(value, ordering: .releasing)
    }

    /// Adds to a number, by the one writer.
    func add(_ counter: LoopCounter, _ value: UInt64 = 1) {
        let word = unsafe counters + counter.rawValue
        unsafe word.pointee.store(word.pointee.load(ordering: .relaxed) &+ value, ordering: .releasing)
    }

    func histogram(_ histogram: LoopHistogram) -> LatencyCounts {
        unsafe LatencyCounts(counts: histograms + histogram.rawValue * LatencyCounts.classCount)
    }

    private func place(_ text: LoopText) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(texts) + text.rawValue * Self.textBytesMax
    }

    /// Leaves a text, cut where it is too long. Its first byte is its length.
    func leave(_ text: LoopText, _ bytes: UnsafeRawBufferPointer) {
        let count = min(bytes.count, Self.textBytesMax - 1)
        let place = unsafe place(text)
        unsafe place.storeBytes(of: 0, as: UInt8.self)
        if let base = bytes.baseAddress { unsafe (place + 1).copyMemory(from: base, byteCount: count) }
        unsafe place.storeBytes(of: UInt8(count), as: UInt8.self)
    }

    func leave(_ text: LoopText, _ string: String) {
        var string = string
        string.withUTF8 { unsafe leave(text, UnsafeRawBufferPointer($0)) }
    }

    func text(_ text: LoopText) -> String {
        let place = unsafe place(text)
        let count = unsafe Int(place.load(as: UInt8.self))
        return unsafe String(decoding: UnsafeRawBufferPointer(start: place + 1, count: count), as: UTF8.self)
    }
}
