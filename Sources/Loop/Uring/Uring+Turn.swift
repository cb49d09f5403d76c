// One turn of the io_uring backend: hand over, sleep, and translate what the kernel tells.

import CUring
import ClarionBytes
import Glibc

extension Uring {
    public mutating func turn(
        waitNanoseconds: Int64, into batch: UnsafeMutablePointer<Completion>, capacity: Int
    ) -> Int {
        var sink = unsafe CompletionSink(base: batch, capacity: capacity)
        if restingListenerCount > 0 { resumeListeners() }
        if handles.hasStarved && buffers.heldCount * 2 <= buffers.count { feedStarved() }
        while !stash.isEmpty && !sink.isFull { if translate(stash.oldest, &sink) { stash.dropOldest() } }
        if ring.hasOverflowed { counters.completionOverflows += 1 }
        let waits = waitNanoseconds != 0 && sink.count == 0 && stash.isEmpty && ring.readyCount == 0
        if waits || ring.pendingCount > 0 || ring.wantsEnter {
            enter(waits: waits, nanoseconds: sleepNanoseconds(waitNanoseconds))
        }
        if stash.isEmpty {
            while !sink.isFull && ring.readyCount > 0 { if translate(ring.first, &sink) { ring.dropFirst() } }
        }
        return sink.count
    }

    private func sleepNanoseconds(_ waitNanoseconds: Int64) -> Int64 {
        let pause = Int64(BackendLimits.acceptPauseNanoseconds)
        return restingListenerCount > 0 && (waitNanoseconds < 0 || waitNanoseconds > pause) ? pause : waitNanoseconds
    }

    /// Half of the buffers are back: those that found none may ask again, as many as there are buffers.
    private mutating func feedStarved() {
        var rest = buffers.count - buffers.heldCount
        while rest > 0, let handle = handles.relieveFirst() {
            rearmReceive(handle)
            rest -= 1
        }
    }

    /// One completion of the ring becomes at most one of the worker's. False when it has to be looked at once more.
    private mutating func translate(_ completion: RingCompletion, _ sink: inout CompletionSink) -> Bool {
        let name = Token(raw: completion.data)
        switch UringOperation(rawValue: name.operation) {
        case .receive: received(completion, name, &sink)
        case .send: noteSend(index: Int(name.slot), result: completion.result)
        case .accept: return accepted(completion, name, &sink)
        case .poll: polled(name, &sink)
        case .close: closed(name, &sink)
        case .wake:
            if completion.hasMore { break }
            counters.rearmed += 1
            armWake()
        case .shutdown: shutDown(name)
        case .silent, nil: break
        }
        return true
    }

    /// The entry of a completion that is not stale.
    private func current(_ name: Token) -> UnsafeMutablePointer<HandleEntry>? {
        let handle = Handle(bitPattern: name.slot)
        guard handle >= 0, Int(handle) < handles.count else { return nil }
        let entry = unsafe handles[handle]
        return unsafe entry.pointee.flags != [] && entry.pointee.generation == name.generation ? entry : nil
    }

    private mutating func received(_ completion: RingCompletion, _ name: Token, _ sink: inout CompletionSink) {
        if completion.buffer != nil { buffers.noteTaken() }
        guard let entry = unsafe current(name) else {
            if let buffer = completion.buffer { buffers.giveBack(buffer) }
            return
        }
        let result = completion.result
        let isWanted = unsafe entry.pointee.flags.contains(.reading)
        let token = unsafe Token(raw: entry.pointee.token)
        if let buffer = completion.buffer {
            if isWanted && result > 0 {
                let bytes = unsafe buffers.bytes(of: buffer)
                unsafe sink.put(Completion(token: token, kind: .received, result: result, buffer: buffer, bytes: bytes))
            } else {
                buffers.giveBack(buffer)
            }
        }
        if completion.hasMore { return }
        let handle = Handle(bitPattern: name.slot)
        unsafe entry.pointee.flags.remove([.receiveArmed, .receiveCancelled])
        if !isWanted { return closeWhenIdle(handle) }
        switch result {
        case 1...: rearmReceive(handle)
        // Cancelled for a pause that may be over, or interrupted.
        case -ECANCELED, -EINTR, -EAGAIN: rearmReceive(handle)
        case -ENOBUFS:
            if !handles.hasStarved { counters.receiveBuffersExhausted += 1 }
            handles.starve(handle)
        default:
            unsafe entry.pointee.flags.remove(.reading)
            unsafe sink.put(Completion(token: token, kind: .received, result: result))
        }
    }

    private mutating func rearmReceive(_ handle: Handle) {
        if unsafe handles[handle].pointee.wantsReading { counters.rearmed += 1 }
        armReceive(handle)
    }

    private mutating func polled(_ name: Token, _ sink: inout CompletionSink) {
        guard let entry = unsafe current(name) else { return }
        unsafe entry.pointee.flags.remove(.writing)
        if unsafe entry.pointee.flags.contains(.closing) { return closeWhenIdle(Handle(bitPattern: name.slot)) }
        unsafe sink.put(Completion(token: Token(raw: entry.pointee.token), kind: .writable, result: 0))
    }

    private mutating func shutDown(_ name: Token) {
        guard let entry = unsafe current(name) else { return }
        unsafe entry.pointee.flags.remove(.shuttingDown)
        closeWhenIdle(Handle(bitPattern: name.slot))
    }

    private mutating func closed(_ name: Token, _ sink: inout CompletionSink) {
        guard unsafe current(name) != nil else { return }
        tellClosed(Handle(bitPattern: name.slot), &sink)
    }

    mutating func tellClosed(_ handle: Handle, _ sink: inout CompletionSink) {
        let entry = unsafe handles[handle]
        unsafe entry.pointee.flags = []
        if Int(handle) < directCount { directOpenCount -= 1 }
        unsafe sink.put(Completion(token: Token(raw: entry.pointee.token), kind: .closed, result: 0))
    }
}
