import Glibc
import Synchronization

/// What a sink may hold until its target takes it.
public struct LogSinkBounds: Sendable {
    /// Lines waiting; one more is dropped and counted.
    public var linesMax = 4_096
    /// Bytes waiting, all lines together.
    public var bytesMax = 256 * 1024

    public init() {}

    public init(linesMax: Int, bytesMax: Int) {
        self.linesMax = linesMax
        self.bytesMax = bytesMax
    }
}

/// The sink could not start its thread.
public struct LogSinkError: Error, CustomStringConvertible {
    /// The errno of `pthread_create`.
    public let code: Int32

    public var description: String { "no thread for the log: \(unsafe String(cString: strerror(code)))" }
}

/// Takes finished lines from any thread and writes them to a descriptor from a thread of its own.
///
/// A target that does not take its lines (a pipe that nobody reads) never holds up a caller: the queue fills to its
/// bound, more lines are dropped and counted, and a line tells the count when the target takes lines again.
@safe public final class LogSink: Sendable {
    private struct Queue {
        var lines: [String] = []
        var byteCount = 0
        /// Dropped since the writer last told.
        var untold: UInt64 = 0
        var droppedTotal: UInt64 = 0
        /// The writer holds lines that are not written yet.
        var isWriting = false
        var isClosed = false
    }

    private let queue = Mutex(Queue())
    private let descriptor: Int32
    private let bounds: LogSinkBounds
    /// Owned by the sink, valid until `deinit`: counts lines put since the writer last looked. The thread retains the
    /// sink.
    private nonisolated(unsafe) let wake: UnsafeMutablePointer<sem_t>
    /// How the writer words its own line about what was dropped.
    private let dropReport: @Sendable (_ count: UInt64) -> String

    /// A sink that writes to `descriptor`, which stays the caller's. Ends with `close`.
    /// - Throws: `LogSinkError` when the system gives no thread.
    public init(
        descriptor: Int32, bounds: LogSinkBounds = LogSinkBounds(),
        dropReport: @escaping @Sendable (_ count: UInt64) -> String = { "log lines dropped count=\($0)" }
    ) throws(LogSinkError) {
        self.descriptor = descriptor
        self.bounds = bounds
        self.dropReport = dropReport
        unsafe wake = .allocate(capacity: 1)
        unsafe sem_init(wake, 0, 0)
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(self)
        let code = unsafe pthread_create(&thread, nil, writerThread, context.toOpaque())
        guard code == 0 else {
            unsafe context.release()
            throw LogSinkError(code: code)
        }
        pthread_detach(thread)
    }

    deinit {
        unsafe sem_destroy(wake)
        unsafe wake.deallocate()
    }

    /// Lines dropped since the start, for the metrics.
    public var droppedCount: UInt64 { queue.withLock { $0.droppedTotal } }

    /// Queues one line, without its line end. Never blocks on the target.
    public func put(_ line: String) {
        let isFirst = queue.withLock { queue -> Bool in
            guard !queue.isClosed else { return false }
            let byteCount = line.utf8.count + 1
            guard queue.lines.count < bounds.linesMax, queue.byteCount + byteCount <= bounds.bytesMax else {
                queue.untold += 1
                queue.droppedTotal += 1
                return false
            }
            queue.lines.append(line)
            queue.byteCount += byteCount
            return queue.lines.count == 1
        }
        if isFirst { unsafe sem_post(wake) }
    }

    /// Waits until everything put so far is written, but no longer than `milliseconds`. True when it is.
    @discardableResult
    public func flush(withinMilliseconds milliseconds: Int) -> Bool {
        for attempt in 0...max(0, milliseconds) {
            if queue.withLock({ $0.lines.isEmpty && !$0.isWriting && $0.untold == 0 }) { return true }
            if attempt < milliseconds { usleep(1_000) }
        }
        return false
    }

    /// Takes no more lines; the thread writes what is queued and ends.
    public func close() {
        queue.withLock { $0.isClosed = true }
        unsafe sem_post(wake)
    }

    /// The body of the thread: sleeps until a line is put, then writes all there are.
    fileprivate func write() {
        var batch: [String] = []
        while true {
            while unsafe sem_wait(wake) != 0 {}
            let (untold, isClosed) = queue.withLock { queue in
                swap(&batch, &queue.lines)
                queue.isWriting = true
                return (queue.untold, queue.isClosed)
            }
            writeAll(batch)
            if untold > 0 { writeAll([dropReport(untold)]) }
            batch.removeAll(keepingCapacity: true)
            let isMore = queue.withLock { queue -> Bool in
                queue.untold -= untold
                queue.byteCount = queue.lines.reduce(0) { $0 + $1.utf8.count + 1 }
                queue.isWriting = false
                return queue.untold > 0 && queue.lines.isEmpty
            }
            if isMore { unsafe sem_post(wake) }
            if isClosed { return }
        }
    }

    private func writeAll(_ lines: [String]) {
        guard !lines.isEmpty else { return }
        var bytes: [UInt8] = []
        for line in lines {
            bytes.append(contentsOf: line.utf8)
            bytes.append(UInt8(ascii: "\n"))
        }
        var start = 0
        while start < bytes.count {
            let written = unsafe bytes.withUnsafeBytes { buffer in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[start...])
                return unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
            }
            if written > 0 {
                start += written
            } else if written < 0, errno == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&waiting, 1, -1)
            } else if written < 0, errno == EINTR {
                continue
            } else {
                // The target is gone (closed pipe, full disk): what it refused is lost, and counted.
                let lost = UInt64(lines.count)
                queue.withLock { $0.droppedTotal += lost }
                return
            }
        }
    }
}

/// Runs `LogSink.write` with every signal blocked: signals belong to the thread that waits for them, and a closed
/// pipe must not end the process.
private func writerThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    var signals = sigset_t()
    unsafe sigfillset(&signals)
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    let sink = unsafe Unmanaged<LogSink>.fromOpaque(argument).takeRetainedValue()
    sink.write()
    return nil
}
