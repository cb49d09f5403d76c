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
    /// own for its address. So it is too while the number of connections is bounded.
    var namesPeers: Bool
    /// A bit for each accept of one connection that is in flight.
    var armedPlaces: UInt16 = 0
    /// A bit for each of them that brings an ordinary descriptor.
    var ordinaryPlaces: UInt16 = 0
    /// A standing accept is in flight, and whether it was told to end.
    var isStanding = false
    var isStandingCancelled = false
    /// Told to end: what still comes is told, and nothing is armed again but by `settleEnding`.
    var isEnding = false
    /// How often `settleEnding` may still look for who was left behind.
    var settlingRounds = UringLimits.settlingRoundsMax
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
            namesPeers: namesPeers)
        armAccept(index)
    }

    public mutating func nameAllPeers() {
        for index in 0..<UringLimits.listenersMax where unsafe listeners.base[index].isOpen {
            unsafe listeners.base[index].namesPeers = true
            cancelStanding(index)
            if unsafe listeners.base[index].resumeAt == 0 { armAccept(index) }
        }
    }

    public mutating func setAcceptAllowance(_ count: Int) {
        if count == acceptAllowance { return }
        acceptAllowance = count
        for index in 0..<UringLimits.listenersMax where unsafe listeners.base[index].isOpen {
            if count != Int.max { cancelStanding(index) }
            if unsafe listeners.base[index].resumeAt == 0 { armAccept(index) }
        }
    }

    private mutating func cancelAllStanding() {
        for index in 0..<UringLimits.listenersMax where unsafe listeners.base[index].isOpen { cancelStanding(index) }
    }

    /// A standing accept ends; what it still brings is taken.
    private mutating func cancelStanding(_ index: Int) {
        guard unsafe listeners.base[index].isStanding && !listeners.base[index].isStandingCancelled else { return }
        unsafe listeners.base[index].isStandingCancelled = true
        unsafe curing_prep_cancel(
            nextEntry(), acceptName(index, UringLimits.standingPlace), Token(uring: .silent).raw)
    }

    public mutating func peerAddress(_ handle: Handle) -> PeerAddress {
        unsafe _ = handles.open(handle)
        return unsafe addresses.base[Int(handle)]
    }

    public mutating func endAccepting() {
        for index in 0..<UringLimits.listenersMax where unsafe listeners.base[index].isOpen {
            cancelPlaces(index)
            cancelStanding(index)
            unsafe listeners.base[index].isEnding = true
            unsafe listeners.base[index].resumeAt = 0
        }
        restingListenerCount = 0
        settleEnding()
    }

    public var hasEndedAccepting: Bool {
        for index in 0..<UringLimits.listenersMax {
            let listener = unsafe listeners.base[index]
            if listener.isOpen && (!listener.isEnding || listener.isStanding || listener.armedPlaces != 0) {
                return false
            }
        }
        return true
    }

    /// Sees to it that an ending that met a connection does not leave it behind. A listener's queue wakes one of all
    /// that wait for it (an exclusive wait); when that is an accept which is being cancelled, nobody is told of the
    /// connection until the next one comes. So where something waits when our last accept is over, we take one, and end
    /// again. A few times only: a queue that stays full is a successor's, who takes them as fast as it wants to.
    private mutating func settleEnding() {
        for index in 0..<UringLimits.listenersMax {
            let listener = unsafe listeners.base[index]
            guard listener.isOpen && listener.isEnding && !listener.isStanding && listener.armedPlaces == 0,
                listener.settlingRounds > 0, SystemCall.isReadable(listener.descriptor)
            else { continue }
            unsafe listeners.base[index].settlingRounds = listener.settlingRounds - 1
            // It tries at once, then waits; the cancellation behind it ends the wait.
            armPlace(index, 0)
            cancelPlaces(index)
        }
    }

    private mutating func cancelPlaces(_ index: Int) {
        for place in 0..<UringLimits.acceptPlaces
        where unsafe listeners.base[index].armedPlaces & (1 << UInt16(place)) != 0 {
            unsafe curing_prep_cancel(nextEntry(), acceptName(index, place), Token(uring: .silent).raw)
        }
    }

    public mutating func stopAccepting() {
        for index in 0..<UringLimits.listenersMax where unsafe listeners.base[index].isOpen {
            cancelPlaces(index)
            unsafe listeners.base[index].armedPlaces = 0
            cancelStanding(index)
            unsafe listeners.base[index].isStanding = false
            unsafe listeners.base[index].isStandingCancelled = false
            unsafe listeners.base[index].isOpen = false
            unsafe listeners.base[index].resumeAt = 0
            unsafe listeners.base[index].generation =
                unsafe (listeners.base[index].generation + 1) % Token.generationLimit
        }
        restingListenerCount = 0
    }

    /// Ordinary descriptors are taken, and soon.
    private var isDirectScarce: Bool { descriptorsEnd > 0 && directOpenCount + UringLimits.directScarce > directCount }

    /// No place of the file table is left beside those that accepts in flight may take.
    private var isDirectFull: Bool {
        var taken = directOpenCount
        for index in 0..<UringLimits.listenersMax {
            taken += unsafe (listeners.base[index].armedPlaces & ~listeners.base[index].ordinaryPlaces).nonzeroBitCount
        }
        return taken >= directCount
    }

    private mutating func armAccept(_ index: Int) {
        let listener = unsafe listeners.base[index]
        if listener.isEnding { return }
        if listener.namesPeers || acceptAllowance != Int.max || isDirectScarce {
            var rest = min(acceptAllowance, UringLimits.acceptPlaces) - listener.armedPlaces.nonzeroBitCount
            for place in 0..<UringLimits.acceptPlaces
            where rest > 0 && listener.armedPlaces & (1 << UInt16(place)) == 0 {
                armPlace(index, place)
                rest -= 1
            }
        } else if !listener.isStanding {
            armStanding(index)
        }
    }

    private mutating func armStanding(_ index: Int) {
        unsafe listeners.base[index].isStanding = true
        unsafe listeners.base[index].isStandingCancelled = false
        unsafe curing_prep_accept(
            nextEntry(), listeners.base[index].descriptor, acceptName(index, UringLimits.standingPlace))
    }

    /// Asks for one connection with its address.
    private mutating func armPlace(_ index: Int, _ place: Int) {
        // Not `|=`: the compiler (6.3.1) fails on that under the thread sanitizer.
        let armed = unsafe listeners.base[index].armedPlaces
        unsafe listeners.base[index].armedPlaces = armed | (1 << UInt16(place))
        let isOrdinary = descriptorsEnd > 0 && isDirectFull
        let ordinary = unsafe listeners.base[index].ordinaryPlaces & ~(1 << UInt16(place))
        unsafe listeners.base[index].ordinaryPlaces = ordinary | (isOrdinary ? 1 << UInt16(place) : 0)
        let room = unsafe acceptPlaces.base + (index * UringLimits.acceptPlaces + place)
        unsafe room.pointee.length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let descriptor = unsafe listeners.base[index].descriptor
        if isOrdinary {
            unsafe curing_prep_accept_ordinary(
                nextEntry(), descriptor, &room.pointee.address, &room.pointee.length, acceptName(index, place))
        } else {
            unsafe curing_prep_accept_one(
                nextEntry(), descriptor, &room.pointee.address, &room.pointee.length, acceptName(index, place))
        }
    }

    /// The slot is the listener in its low bits, whether the accept brings an ordinary descriptor, and the place.
    private func acceptName(_ index: Int, _ place: Int) -> UInt64 {
        let listener = unsafe listeners.base[index]
        let isOrdinary = place < UringLimits.acceptPlaces && listener.ordinaryPlaces & (1 << UInt16(place)) != 0
        return Token(
            uring: .accept, generation: listener.generation,
            slot: UInt32(place << 8 | (isOrdinary ? UringLimits.ordinaryBit : 0) | index)
        ).raw
    }

    /// The handle that an accept has brought, or the error: as well one for a descriptor that is to be left to others.
    private mutating func broughtHandle(_ result: Int32, _ name: Token) -> Int32 {
        guard result >= 0, Int(name.slot) & UringLimits.ordinaryBit != 0 else { return result }
        let handle = Int32(directCount) + result
        if Int(result) < descriptorsEnd { return handle }
        unsafe curing_prep_close(nextEntry(), file(of: handle), Token(uring: .silent).raw)
        return -EMFILE
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
        let index = Int(name.slot & 0xFF) & ~UringLimits.ordinaryBit
        let place = Int(name.slot >> 8)
        precondition(index < UringLimits.listenersMax && place <= UringLimits.standingPlace)
        let listener = unsafe listeners.base[index]
        let result = broughtHandle(completion.result, name)
        guard listener.isOpen, listener.generation == name.generation else {
            if result >= 0 { unsafe curing_prep_close(nextEntry(), file(of: result), Token(uring: .silent).raw) }
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
            if Int(result) < directCount {
                directOpenCount += 1
                if isDirectScarce { cancelAllStanding() }
            }
            if acceptAllowance != Int.max { acceptAllowance = max(acceptAllowance - 1, 0) }
            if place < UringLimits.acceptPlaces {
                noteAddress(index, place, result)
            } else if listener.namesPeers {
                unsafe addresses.base[Int(result)] = .unknown
            }
            unsafe sink.put(Completion(token: token, kind: .accepted, result: result))
        } else if listener.isEnding {
            noteEnded(index, place, completion)
            if !completion.hasMore { settleEnding() }
            return true
        } else if case .rest = AcceptFailure(result: result) {
            unsafe sink.put(Completion(token: token, kind: .accepted, result: result))
            noteEnded(index, place, completion)
            if !completion.hasMore && listener.resumeAt == 0 { rest(index) }
            return true
        }
        noteEnded(index, place, completion)
        if !completion.hasMore && listener.isEnding { settleEnding() }
        if !completion.hasMore && listener.resumeAt == 0 { armAccept(index) }
        return true
    }

    /// An accept that tells no more is not in flight any more.
    private mutating func noteEnded(_ index: Int, _ place: Int, _ completion: RingCompletion) {
        if completion.hasMore { return }
        if place < UringLimits.acceptPlaces {
            let armed = unsafe listeners.base[index].armedPlaces
            unsafe listeners.base[index].armedPlaces = armed & ~(1 << UInt16(place))
        } else {
            if unsafe !listeners.base[index].isStandingCancelled { counters.rearmed += 1 }
            unsafe listeners.base[index].isStanding = false
            unsafe listeners.base[index].isStandingCancelled = false
        }
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
