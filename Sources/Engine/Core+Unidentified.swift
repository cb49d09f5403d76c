import ClarionBytes
import Synchronization

// Connections that have not said what they want: accepted, but neither TLS nor the head of a first request is complete.
// The node bounds their number (`EngineLimits.unidentifiedMax`), and over it each worker ends its oldest one for every
// newcomer: whoever says nothing makes room for those who do, long before his time is over.

/// A connection's place in its worker's list of those.
struct UnidentifiedLink: BitwiseCopyable {
    /// Slots of its neighbours; `UnidentifiedList.none` at the ends.
    var older: UInt32
    var newer: UInt32
    var isListed: Bool
}

/// The ends of that list. Invariant: `count` connections from `oldest` by `newer` to `newest`, in the order of accept.
struct UnidentifiedList: BitwiseCopyable {
    static let none = UInt32.max
    var oldest = none
    var newest = none
    var count = 0
}

extension Core {
    /// Of the connections that all workers may hold, so many hundredths may be unidentified where nothing is set.
    private static let unidentifiedPercent = 75

    private var unidentifiedMax: Int {
        limits.unidentifiedMax > 0
            ? limits.unidentifiedMax : max(limits.connectionsMax * workerCount * Core.unidentifiedPercent / 100, 1)
    }

    /// A connection has been accepted. Ends the oldest of this worker when there are too many; a worker that has no
    /// other lets it in, so they may be as many more as there are workers.
    func awaitIdentity(_ slot: UInt32) {
        let link = unsafe unidentifiedLinks[slot]
        unsafe link.pointee = UnidentifiedLink(
            older: unidentified.newest, newer: UnidentifiedList.none, isListed: true)
        if unidentified.newest == UnidentifiedList.none {
            unidentified.oldest = slot
        } else {
            unsafe unidentifiedLinks[unidentified.newest].pointee.newer = slot
        }
        unidentified.newest = slot
        unidentified.count += 1
        counters.unidentified = UInt64(unidentified.count)
        let all = exchange.unidentified.wrappingAdd(1, ordering: .relaxed).newValue
        if all > unidentifiedMax && unidentified.oldest != slot {
            counters.unidentifiedCut += 1
            terminate(unidentified.oldest, reason: .unidentified, reset: true)
        }
    }

    /// The worker is full. Ends the oldest of them when they are a good part of it: the next one finds room.
    func makeRoom() {
        guard unidentified.count > limits.connectionsMax / 4 else { return }
        counters.unidentifiedCut += 1
        terminate(unidentified.oldest, reason: .unidentified, reset: true)
    }

    /// The connection has said what it wants, or ends. Does nothing when it is not listed any more.
    func endAwaitingIdentity(_ slot: UInt32) {
        let link = unsafe unidentifiedLinks[slot]
        guard unsafe link.pointee.isListed else { return }
        let (older, newer) = unsafe (link.pointee.older, link.pointee.newer)
        unsafe link.pointee.isListed = false
        if older == UnidentifiedList.none {
            unidentified.oldest = newer
        } else {
            unsafe unidentifiedLinks[older].pointee.newer = newer
        }
        if newer == UnidentifiedList.none {
            unidentified.newest = older
        } else {
            unsafe unidentifiedLinks[newer].pointee.older = older
        }
        unidentified.count -= 1
        counters.unidentified = UInt64(unidentified.count)
        exchange.unidentified.wrappingSubtract(1, ordering: .relaxed)
    }
}
