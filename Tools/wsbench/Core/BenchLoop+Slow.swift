import CBench

/// Readers that take only so many bytes a second: they are not read when something arrives but in turns.
struct SlowReading {
    /// Time between two turns.
    static let turnNanoseconds: UInt64 = 20_000_000
    /// A small buffer, so that the server and not the kernel sees how slow the reader is.
    static let receiveBytesUsual: Int32 = 4_096

    let receiveBytes = Self.receiveBytesUsual
    private let bytesPerSecond: Int
    private var nextAt: UInt64 = 0
    private var latestAt: UInt64 = 0
    /// Bytes that may be taken from each, as far as they were not whole.
    private var credit: Double = 0
    /// Whether the slow ones are slow by now: they subscribe at the usual speed.
    var isOn = false

    init(plan: BenchPlan) { bytesPerSecond = plan.slowBytesPerSecond }

    /// The bytes that each may take now, or how long to wait.
    mutating func take(now: UInt64) -> (bytes: Int, pause: Int64) {
        if now < nextAt { return (0, Int64(nextAt - now)) }
        if latestAt > 0 { credit += Double(bytesPerSecond) * Double(now - latestAt) / 1e9 }
        latestAt = now
        nextAt = now + Self.turnNanoseconds
        let bytes = Int(credit)
        credit -= Double(bytes)
        return (bytes, Int64(Self.turnNanoseconds))
    }
}

extension BenchLoop {
    /// From here on arrivals at slow readers are not looked at.
    mutating func startSlowReading() {
        guard shape == .slow, !slowReading.isOn else { return }
        slowReading.isOn = true
        for index in 0..<count where unsafe subscribers[index].isSlow && subscribers[index].descriptor >= 0 {
            _ = unsafe cbench_watch(epoll, 1, subscribers[index].descriptor, Self.endInterest, UInt64(index))
        }
    }

    /// A turn of the slow readers; the nanoseconds until the next.
    mutating func readSlowly(now: UInt64) -> Int64 {
        guard slowReading.isOn else { return -1 }
        let (bytes, pause) = slowReading.take(now: now)
        guard bytes > 0 else { return pause }
        for index in 0..<count where unsafe subscribers[index].isSlow && subscribers[index].descriptor >= 0 {
            _ = read(index, bytesMax: bytes)
        }
        return pause
    }
}
