public import ClarionBytes
import ClarionWire

// A channel at its home: who wants it, who may be told how many want it, and questions about it.

extension Core {
    // MARK: Finding

    func findHome(space: UInt16, name: ByteView, hash: UInt64) -> UInt32? {
        homeNames.find(hash) { slot in
            let known = unsafe homes[slot].pointee.name
            return known.space == space && known.key == name
        }
    }

    // MARK: Who wants it

    /// At the home: worker `mail.from` has `mail.number` subscribers of a channel now. Does not consume the name.
    func takeInterest(_ mail: Mail) {
        guard let name = mail.frame else { return }
        let count = UInt32(truncatingIfNeeded: mail.number)
        let known = findHome(space: name.space, name: name.key, hash: name.hash)
        guard let slot = known ?? (count > 0 ? makeHome(name) : nil) else { return }
        let home = unsafe homes[slot]
        let index = interestIndex(slot, worker: UInt32(mail.from), count: count)
        guard let index, let interested = unsafe home.pointee.interested else { return }
        let before = unsafe Int(home.pointee.subscriptionCount)
        unsafe home.pointee.subscriptionCount += count
        unsafe home.pointee.subscriptionCount -= interested[index].subscriberCount
        unsafe interested[index] = InterestedWorker(
            worker: UInt32(mail.from), slot: mail.slot, generation: mail.generation, subscriberCount: count)
        let now = unsafe Int(home.pointee.subscriptionCount)
        if let observer { observer.subscriptionsChanged(space: name.space, name: name.key, from: before, to: now) }
        if before == 0 { counters.homeChannels += 1 }
        if now == 0 { counters.homeChannels -= 1 }
        if now > 0 { noteCount(slot) }
        if count == 0 {
            unsafe home.pointee.interestedCount -= 1
            unsafe interested[index] = unsafe interested[Int(home.pointee.interestedCount)]
            dropHomeIfUnused(slot)
        } else if mail.wantsAnswer {
            var answer = Mail(.joined)
            answer.slot = mail.slot
            answer.generation = mail.generation
            if Int(mail.from) == workerIndex { takeJoined(answer) } else { post(answer, to: Int(mail.from)) }
        }
    }

    /// The place of a worker in a home's list, made if it is not there and is wanted.
    private func interestIndex(_ slot: UInt32, worker: UInt32, count: UInt32) -> Int? {
        let home = unsafe homes[slot]
        for index in unsafe 0..<Int(home.pointee.interestedCount) {
            if let interested = unsafe home.pointee.interested, unsafe interested[index].worker == worker {
                return index
            }
        }
        if count == 0 { return nil }
        if unsafe home.pointee.interestedCount == home.pointee.interestedCapacity {
            let capacity = unsafe max(Int(home.pointee.interestedCapacity) * 2, 1)
            let larger = UnsafeMutablePointer<InterestedWorker>.allocate(capacity: capacity)
            if let old = unsafe home.pointee.interested {
                unsafe larger.update(from: old, count: Int(home.pointee.interestedCount))
                unsafe old.deallocate()
            }
            unsafe home.pointee.interested = unsafe larger
            unsafe home.pointee.interestedCapacity = UInt32(capacity)
        }
        let index = unsafe Int(home.pointee.interestedCount)
        if let interested = unsafe home.pointee.interested {
            unsafe (interested + index).initialize(
                to: InterestedWorker(worker: worker, slot: 0, generation: 0, subscriberCount: 0))
        }
        unsafe home.pointee.interestedCount += 1
        return index
    }

    /// A home for the channel that `name` names; retains it.
    func makeHome(_ name: SharedFrame) -> UInt32? {
        guard let slot = homes.take() else { return nil }
        name.retain()
        unsafe homes[slot].pointee = unsafe HomeChannel(name: name)
        homeNames.insert(name.hash, slot: slot)
        return slot
    }

    /// Forgets a channel that no worker wants and that keeps nothing.
    func dropHomeIfUnused(_ slot: UInt32) {
        let home = unsafe homes[slot]
        if unsafe home.pointee.interestedCount > 0 { return }
        if let extras = homeExtras[slot] {
            if !extras.isEmpty { return }
            homeExtras[slot] = nil
        }
        if unsafe home.pointee.isCountDue { _ = removeFirst(slot, from: &countsDue) }
        unsafe homeNames.remove(home.pointee.name.hash, slot: slot)
        freeHomeMemory(slot)
        homes.give(slot)
    }

    func freeHomeMemory(_ slot: UInt32) {
        unsafe homes[slot].pointee.interested?.deallocate()
        unsafe homes[slot].pointee.interested = nil
        unsafe homes[slot].pointee.name.release()
    }

    // MARK: Questions to a home

    public func homeSubscriptionCount(space: UInt16, name: ByteView) -> Int {
        guard let slot = findHome(space: space, name: name, hash: hash(space: space, name: name)) else { return 0 }
        return unsafe Int(homes[slot].pointee.subscriptionCount)
    }

    public func forEachHomeChannel(space: UInt16, _ body: (_ name: ByteView, _ subscriptionCount: Int) -> Void) {
        for slot in 0..<UInt32(homes.touched) where homes.isInUse(slot) {
            let home = unsafe homes[slot].pointee
            if home.name.space == space { body(home.name.key, Int(home.subscriptionCount)) }
        }
    }
}
