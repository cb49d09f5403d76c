// Accepting on the epoll backend: a bounded number a turn, and a rest when the process or the system is full.

import CPosix
public import ClarionBytes
import Glibc

extension Epoll {
    public mutating func accept(listener: Int32, token: Token, namesPeers: Bool) {
        precondition(listenerCount < EpollLimits.listenersMax)
        unsafe listeners.base[listenerCount] = EpollListener(descriptor: listener, token: token.raw, resumeAt: 0)
        listenerCount += 1
        if acceptAllowance > 0 { watchListener(listenerCount - 1) }
    }

    public mutating func peerAddress(_ handle: Handle) -> PeerAddress {
        counters.systemCalls += 1
        return SystemCall.peerAddress(handle)
    }

    /// Whoever has a descriptor can be asked at any time.
    public mutating func nameAllPeers() {}

    public mutating func setAcceptAllowance(_ count: Int) {
        let wasResting = acceptAllowance == 0
        acceptAllowance = count
        if wasResting == (count == 0) { return }
        for index in 0..<listenerCount where unsafe listeners.base[index].resumeAt == 0 {
            if count == 0 { unwatchListener(index) } else { watchListener(index) }
        }
    }

    public mutating func stopAccepting() {
        if acceptAllowance > 0 {
            for index in 0..<listenerCount where unsafe listeners.base[index].resumeAt == 0 { unwatchListener(index) }
        }
        listenerCount = 0
        restingListenerCount = 0
    }

    mutating func acceptReady(_ index: Int, _ sink: inout CompletionSink) {
        // An event of before `stopAccepting`, or of before the rest.
        guard index < listenerCount, unsafe listeners.base[index].resumeAt == 0 else { return }
        let listener = unsafe listeners.base[index]
        var rest = min(EpollLimits.acceptsPerTurnMax, acceptAllowance)
        while rest > 0 && !sink.isFull {
            rest -= 1
            counters.systemCalls += 1
            var result = SystemCall.accept(listener.descriptor)
            if result == -EAGAIN { return }
            if result >= 0 && (connectionCount >= connectionsMax || Int(result) >= handles.count) {
                SystemCall.close(result)
                result = -ENFILE
            }
            if result >= 0 {
                admit(result)
                if acceptAllowance != Int.max { setAcceptAllowance(max(acceptAllowance - 1, 0)) }
                unsafe sink.put(Completion(token: Token(raw: listener.token), kind: .accepted, result: result))
            } else if case .rest = AcceptFailure(result: result) {
                if result == -EMFILE { refuseOne(listener.descriptor) }
                unsafe sink.put(Completion(token: Token(raw: listener.token), kind: .accepted, result: result))
                restListener(index)
                return
            }
        }
    }

    private mutating func admit(_ handle: Handle) {
        handles.admit(handle)
        connectionCount += 1
        handleHighest = max(handleHighest, handle)
    }

    /// Gives the spare descriptor up to take one connection and close it, so that its client learns at once.
    private mutating func refuseOne(_ listener: Int32) {
        guard spareDescriptor >= 0 else { return }
        SystemCall.close(spareDescriptor)
        let refused = SystemCall.accept(listener)
        if refused >= 0 { SystemCall.close(refused) }
        spareDescriptor = SystemCall.spareDescriptor()
        counters.systemCalls += 4
    }

    private mutating func restListener(_ index: Int) {
        counters.acceptPaused += 1
        if acceptAllowance > 0 { unwatchListener(index) }
        unsafe listeners.base[index].resumeAt =
            SystemCall.monotonicNanoseconds() &+ BackendLimits.acceptPauseNanoseconds
        restingListenerCount += 1
    }

    mutating func resumeListeners() {
        let now = SystemCall.monotonicNanoseconds()
        for index in 0..<listenerCount {
            let resumeAt = unsafe listeners.base[index].resumeAt
            if resumeAt == 0 || now < resumeAt { continue }
            restingListenerCount -= 1
            unsafe listeners.base[index].resumeAt = 0
            if spareDescriptor < 0 { spareDescriptor = SystemCall.spareDescriptor() }
            if acceptAllowance > 0 { watchListener(index) }
        }
    }

    private mutating func unwatchListener(_ index: Int) {
        counters.systemCalls += 1
        _ = unsafe SystemCall.epollControl(
            epoll.number, EPOLL_CTL_DEL, listeners.base[index].descriptor, events: 0, data: 0)
    }

    private mutating func watchListener(_ index: Int) {
        counters.systemCalls += 1
        let result = unsafe SystemCall.epollControl(
            epoll.number, EPOLL_CTL_ADD, listeners.base[index].descriptor, events: EPOLLIN.rawValue,
            data: EpollLimits.listenerData + UInt64(index))
        if result < 0 {
            // The kernel has no memory to watch it: as good a reason to rest as any.
            counters.acceptPaused += 1
            unsafe listeners.base[index].resumeAt =
                SystemCall.monotonicNanoseconds() &+ BackendLimits.acceptPauseNanoseconds
            restingListenerCount += 1
        }
    }
}
