// One turn of the epoll backend: tell what is closed, sleep, then answer each event by the call it announced.

import CPosix
import ClarionBytes
import Glibc

extension Epoll {
    public mutating func turn(
        waitNanoseconds: Int64, into batch: UnsafeMutablePointer<Completion>, capacity: Int
    ) -> Int {
        var sink = unsafe CompletionSink(base: batch, capacity: capacity)
        tellClosed(&sink)
        if sink.isFull { return sink.count }
        if handles.hasStarved && pool.freeCount * 2 >= pool.count { feedStarved() }
        answerEvents(&sink)
        if eventIndex == eventCount && !sink.isFull {
            wait(waitNanoseconds: sink.count > 0 ? 0 : waitNanoseconds)
            answerEvents(&sink)
        }
        if restingListenerCount > 0 { resumeListeners() }
        return sink.count
    }

    /// Closed handles first: their numbers may come back by the accepts of this turn.
    private mutating func tellClosed(_ sink: inout CompletionSink) {
        while closedFirst >= 0 && !sink.isFull {
            let entry = unsafe handles[closedFirst]
            unsafe entry.pointee.flags = []
            unsafe sink.put(Completion(token: Token(raw: entry.pointee.token), kind: .closed, result: 0))
            connectionCount -= 1
            closedFirst = unsafe entry.pointee.next
            if closedFirst < 0 { closedLast = -1 }
        }
    }

    private mutating func feedStarved() {
        var rest = pool.freeCount
        while rest > 0, let handle = handles.relieveFirst() {
            watch(handle)
            rest -= 1
        }
    }

    private mutating func wait(waitNanoseconds: Int64) {
        // With few buffers left, fewer events at a time: the kernel keeps the others ready, and in turn.
        var capacity = EpollLimits.eventsPerWaitMax
        if pool.freeCount > 0 { capacity = min(capacity, pool.freeCount) }
        counters.systemCalls += 1
        let result = unsafe SystemCall.epollWait(
            epoll.number, events.base, capacity: Int32(capacity), milliseconds: sleepMilliseconds(waitNanoseconds))
        eventIndex = 0
        eventCount = max(0, Int(result))
    }

    /// The sleep in the kernel's unit, rounded up so that a deadline has passed after it, and cut at the next accept.
    private func sleepMilliseconds(_ waitNanoseconds: Int64) -> Int32 {
        var nanoseconds = waitNanoseconds < 0 ? Int64.max : waitNanoseconds
        if restingListenerCount > 0 && nanoseconds > 0 {
            nanoseconds = min(nanoseconds, Int64(BackendLimits.acceptPauseNanoseconds))
        }
        if handles.hasStarved && pool.freeCount * 2 >= pool.count {
            // Only those wait that the kernel had no memory to watch.
            nanoseconds = min(nanoseconds, Int64(BackendLimits.acceptPauseNanoseconds))
        }
        if nanoseconds == Int64.max { return -1 }
        let milliseconds = nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 == 0 ? 0 : 1)
        return Int32(min(milliseconds, Int64(Int32.max)))
    }

    private mutating func answerEvents(_ sink: inout CompletionSink) {
        while eventIndex < eventCount && !sink.isFull {
            let event = unsafe events.base[eventIndex]
            let data = unsafe event.data.u64
            let low = UInt32(truncatingIfNeeded: data)
            if data == EpollLimits.wakeData {
                eventIndex += 1
            } else if data >= EpollLimits.listenerData
                && data < EpollLimits.listenerData + UInt64(EpollLimits.listenersMax)
            {
                eventIndex += 1
                acceptReady(Int(data - EpollLimits.listenerData), &sink)
            } else if !isCurrent(Handle(low), generation: UInt32(truncatingIfNeeded: data >> 32)) {
                eventIndex += 1
            } else if unsafe answer(Handle(low), event.events, &sink) {
                eventIndex += 1
            }
        }
    }

    private func isCurrent(_ handle: Handle, generation: UInt32) -> Bool {
        let entry = unsafe handles[handle]
        return unsafe entry.pointee.flags.contains(.open) && entry.pointee.generation == generation
    }

    /// Answers one event of a connection. False when the sink is full before all is told; what was told is not told
    /// again, because each answer takes its flag away or leaves the readiness to the next `epoll_wait`.
    private mutating func answer(_ handle: Handle, _ told: UInt32, _ sink: inout CompletionSink) -> Bool {
        let entry = unsafe handles[handle]
        let failed = told & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
        if unsafe entry.pointee.flags.contains(.writing) && (failed || told & EPOLLOUT.rawValue != 0) {
            unsafe entry.pointee.flags.remove(.writing)
            unsafe sink.put(Completion(token: Token(raw: entry.pointee.token), kind: .writable, result: 0))
            if unsafe !entry.pointee.wantsReading || !(failed || told & EPOLLIN.rawValue != 0) {
                watch(handle)
                return true
            }
            if sink.isFull { return false }
        }
        if unsafe entry.pointee.wantsReading && (failed || told & EPOLLIN.rawValue != 0) { read(handle, &sink) }
        watch(handle)
        return true
    }

    /// Reads what has come, a buffer at a time, up to `readsPerEventMax`: the more messages a turn reads, the more ride
    /// on each send. Stops at a read that leaves room in its buffer, so what came in one buffer costs one call.
    private mutating func read(_ handle: Handle, _ sink: inout CompletionSink) {
        guard pool.freeCount > 0 else {
            if !handles.hasStarved { counters.receiveBuffersExhausted += 1 }
            handles.starve(handle)
            return
        }
        var reads = 1
        while readOnce(handle, &sink) && reads < EpollLimits.readsPerEventMax && !sink.isFull {
            // The events behind this one have a buffer coming each.
            if pool.freeCount < eventCount - eventIndex { return }
            reads += 1
        }
    }

    /// Reads one buffer. True when it was filled, so that there may be more.
    private mutating func readOnce(_ handle: Handle, _ sink: inout CompletionSink) -> Bool {
        let entry = unsafe handles[handle]
        let buffer = pool.take()
        let bytes = unsafe pool.bytes(of: buffer)
        counters.systemCalls += 1
        let result = unsafe SystemCall.receive(handle, into: bytes, capacity: pool.bufferBytes)
        let token = unsafe Token(raw: entry.pointee.token)
        if result > 0 {
            unsafe sink.put(Completion(token: token, kind: .received, result: result, buffer: buffer, bytes: bytes))
            return Int(result) == pool.bufferBytes
        }
        pool.giveBack(buffer)
        if result == -EAGAIN { return false }
        unsafe entry.pointee.flags.remove(.reading)
        unsafe sink.put(Completion(token: token, kind: .received, result: result))
        return false
    }
}
