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
    /// Addresses are wanted: not one standing accept, but several that each bring one connection, with room of their
    /// own for its address. A bit for each that is in flight.
    var namesPeers: Bool
    var armedPlaces: UInt16
}

/// Room for the address of one connection to come. The kernel writes it before it tells of the accept.
struct AcceptPlace: BitwiseCopyable {
    var address: sockaddr_storage
    var length: socklen_t
}

extension Uring {
    public mutating func accept(listener: Int32, token: Token, namesPeers: Bool) {
        var index = 0
        while unsafe listeners.base[index].isOpen {
            index += 1
            precondition(index < UringLimits.listenersMax)
        }
        let generation = unsafe listeners.base[index].generation
        unsafe listeners.base[index] = UringListener(
            descriptor: listener, generation: generation, token: token.raw, resumeAt: 0, isOpen: true,
            namesPeers: namesPeers, armedPlaces: 0)
        armAccept(index)
    }

    public mutating func peerAddress(_ handle: Handle) -> PeerAddress {
        unsafe _ = handles.open(handle)
        return unsafe addresses.base[Int(handle)]
    }

    public mutating func stopAccepting() {
        for index in 0..<UringLimits.listenersMax where unsafe listeners.base[index].isOpen {
            if unsafe listeners.base[index].namesPeers {
                for place in 0..<UringLimits.acceptPlaces
                where unsafe listeners.base[index].armedPlaces & (1 << UInt16(place)) != 0 {
                    unsafe curing_prep_cancel(nextEntry(), acceptName(index, place), Token(uring: .silent).raw)
                }
                unsafe listeners.base[index].armedPlaces = 0
            } else if unsafe listeners.base[index].resumeAt == 0 {
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
        if unsafe listeners.base[index].namesPeers {
            for place in 0..<UringLimits.acceptPlaces { armPlace(index, place) }
            return
        }
        unsafe curing_prep_accept(nextEntry(), listeners.base[index].descriptor, acceptName(index))
    }

    /// Asks for one connection with its address.
    private mutating func armPlace(_ index: Int, _ place: Int) {
        let bit = UInt16(1) << UInt16(place)
        if unsafe listeners.base[index].armedPlaces & bit != 0 { return }
        unsafe listeners.base[index].armedPlaces |= bit
        let room = unsafe acceptPlaces.base + (index * UringLimits.acceptPlaces + place)
        unsafe room.pointee.length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        unsafe curing_prep_accept_one(
            nextEntry(), listeners.base[index].descriptor, &room.pointee.address, &room.pointee.length,
            acceptName(index, place))
    }

    private func acceptName(_ index: Int, _ place: Int = 0) -> UInt64 {
        unsafe Token(
            uring: .accept, generation: listeners.base[index].generation, slot: UInt32(place << 8 | index)
        ).raw
    }

    /// Keeps what the kernel wrote for an accept that is done, before the place is used again.
    private func noteAddress(_ index: Int, _ place: Int, _ handle: Handle) {
        let room = unsafe acceptPlaces.base + (index * UringLimits.acceptPlaces + place)
        let length = unsafe min(Int(room.pointee.length), MemoryLayout<sockaddr_storage>.size)
        unsafe addresses.base[Int(handle)] = unsafe withUnsafeBytes(of: &room.pointee.address) {
            unsafe PeerAddress(socketAddress: UnsafeRawBufferPointer(rebasing: $0.prefix(length)))
        }
    }

    /// False when another completion had to be told first.
    mutating func accepted(_ completion: RingCompletion, _ name: Token, _ sink: inout CompletionSink) -> Bool {
        let index = Int(name.slot & 0xFF)
        let place = Int(name.slot >> 8)
        precondition(index < UringLimits.listenersMax && place < UringLimits.acceptPlaces)
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
            if listener.namesPeers { noteAddress(index, place, result) }
            unsafe sink.put(Completion(token: token, kind: .accepted, result: result))
        } else if case .rest = AcceptFailure(result: result) {
            unsafe sink.put(Completion(token: token, kind: .accepted, result: result))
            if listener.namesPeers { unsafe listeners.base[index].armedPlaces &= ~(1 << UInt16(place)) }
            if !completion.hasMore && listener.resumeAt == 0 { rest(index) }
            return true
        }
        if listener.namesPeers {
            unsafe listeners.base[index].armedPlaces &= ~(1 << UInt16(place))
            if listener.resumeAt == 0 { armPlace(index, place) }
        } else if !completion.hasMore {
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
