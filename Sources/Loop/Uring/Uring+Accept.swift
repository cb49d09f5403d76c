// Accepting on the io_uring backend: one standing accept for each listener, and a rest when the table or the system is
// full.

import CUring
public import ClarionBytes
import Glibc

/// A listening descriptor of the worker, or a place for one.
struct UringListener: BitwiseCopyable {
    var descriptor: Int32
    /// Changes when accepting stops: what an older accept still brings is closed at once. Below
    /// `Token.generationLimit`.
    var generation: UInt32
    var token: UInt64
    /// When accepting goes on after a pause, in monotonic nanoseconds; 0 when it does not rest.
    var resumeAt: UInt64
    /// Whether the place is used.
    var isOpen: Bool
}

extension Uring {
    public mutating func accept(listener: Int32, token: Token) {
        var index = 0
        while unsafe listeners.base[index].isOpen {
            index += 1
            precondition(index < UringLimits.listenersMax)
        }
        let generation = unsafe listeners.base[index].generation
        unsafe listeners.base[index] = UringListener(
            descriptor: listener, generation: generation, token: token.raw, resumeAt: 0, isOpen: true)
        armAccept(index)
    }

    public mutating func stopAccepting() {
        for index in 0..<UringLimits.listenersMax where unsafe listeners.base[index].isOpen {
            if unsafe listeners.base[index].resumeAt == 0 {
                unsafe curing_prep_cancel(nextEntry(), acceptName(index), Token(uring: .silent).raw)
            }
            unsafe listeners.base[index].isOpen = false
            unsafe listeners.base[index].resumeAt = 0
            unsafe listeners.base[index].generation =
                unsafe (listeners.base[index].generation + 1) % Token.generationLimit
        }
        restingListenerCount = 0
    }

    private mutating func armAccept(_ index: Int) {
        unsafe curing_prep_accept(nextEntry(), listeners.base[index].descriptor, acceptName(index))
    }

    private func acceptName(_ index: Int) -> UInt64 {
        unsafe Token(uring: .accept, generation: listeners.base[index].generation, slot: UInt32(index)).raw
    }

    /// False when another completion had to be told first.
    mutating func accepted(_ completion: RingCompletion, _ name: Token, _ sink: inout CompletionSink) -> Bool {
        let index = Int(name.slot)
        precondition(index < UringLimits.listenersMax)
        let listener = unsafe listeners.base[index]
        let result = completion.result
        guard listener.isOpen, listener.generation == name.generation else {
            if result >= 0 {
                unsafe curing_prep_close(nextEntry(), UInt32(bitPattern: result), Token(uring: .silent).raw)
            }
            return true
        }
        let token = Token(raw: listener.token)
        if result >= 0 {
            // Kernels before 6.10 may tell of the accept before the close that made its place free.
            if unsafe handles[result].pointee.flags.contains(.closing) {
                tellClosed(result, &sink)
                return false
            }
            handles.admit(result)
            unsafe sink.put(Completion(token: token, kind: .accepted, result: result))
        } else if case .rest = AcceptFailure(result: result) {
            unsafe sink.put(Completion(token: token, kind: .accepted, result: result))
            if !completion.hasMore { rest(index) }
            return true
        }
        if !completion.hasMore {
            counters.rearmed += 1
            armAccept(index)
        }
        return true
    }

    private mutating func rest(_ index: Int) {
        counters.acceptPaused += 1
        restingListenerCount += 1
        unsafe listeners.base[index].resumeAt =
            SystemCall.monotonicNanoseconds() &+ BackendLimits.acceptPauseNanoseconds
    }

    mutating func resumeListeners() {
        let now = SystemCall.monotonicNanoseconds()
        for index in 0..<UringLimits.listenersMax {
            let resumeAt = unsafe listeners.base[index].resumeAt
            if resumeAt == 0 || now < resumeAt { continue }
            restingListenerCount -= 1
            unsafe listeners.base[index].resumeAt = 0
            armAccept(index)
        }
    }
}
