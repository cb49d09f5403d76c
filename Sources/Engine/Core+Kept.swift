public import ClarionBytes
import ClarionWire

// Last messages that homes keep for newcomers, also while nobody is on the channel. Bounded in number, bytes and time.

extension Core {
    func extras(of slot: UInt32) -> HomeExtras {
        if let extras = homeExtras[slot] { return extras }
        let extras = HomeExtras()
        homeExtras[slot] = extras
        return extras
    }

    /// A home for a channel that nobody is on, with a name of its own: `frame` may be large.
    func makeKeepingHome(_ frame: SharedFrame) -> UInt32? {
        if frame.byteCount > limits.keptBytesMax { return nil }
        let name = SharedFrame.make(byteCount: 0, key: frame.key, space: frame.space, hash: frame.hash)
        defer { name.release() }
        return makeHome(name)
    }

    /// Keeps `frame` as the last message of the channel. Takes a reference of its own.
    func keep(_ frame: SharedFrame, at slot: UInt32) {
        let extras = extras(of: slot)
        if frame.byteCount > limits.keptBytesMax {
            forgetKept(extras)
            return
        }
        frame.retain()
        forgetKept(extras)
        extras.kept = frame
        extras.keptTick = nowTick
        counters.keptMessages += 1
        counters.keptBytes += UInt64(frame.byteCount)
        if !extras.isListed {
            extras.isListed = true
            keptPlaces.append(KeptPlace(slot: slot, generation: homes.generation(of: slot), tick: nowTick))
        }
        while isKeepingTooMuch && forgetOldestKept() {}
    }

    private var isKeepingTooMuch: Bool {
        counters.keptMessages > UInt64(limits.keptMessagesMax) || counters.keptBytes > UInt64(limits.keptBytesMax)
    }

    private func forgetKept(_ extras: HomeExtras) {
        guard let kept = extras.kept else { return }
        counters.keptMessages -= 1
        counters.keptBytes -= UInt64(kept.byteCount)
        kept.release()
        extras.kept = nil
    }

    /// The message that a channel keeps, if it has one that is not too old. Borrowed.
    func keptFrame(_ slot: UInt32) -> SharedFrame? {
        guard let extras = homeExtras[slot], let kept = extras.kept else { return nil }
        return nowTick &- extras.keptTick < seconds(limits.keptSeconds) ? kept : nil
    }

    /// Forgets messages whose time is over.
    func forgetOldKept() {
        while keptNext < keptPlaces.count {
            let place = keptPlaces[keptNext]
            if nowTick &- place.tick < seconds(limits.keptSeconds) { return }
            takeKeptPlace(place, evicting: false)
        }
    }

    /// Makes room. False when there is nothing to forget.
    private func forgetOldestKept() -> Bool {
        guard keptNext < keptPlaces.count else { return false }
        takeKeptPlace(keptPlaces[keptNext], evicting: true)
        counters.keptEvicted += 1
        return true
    }

    /// Takes the oldest place off the list; one whose message was renewed meanwhile goes to the list's end.
    private func takeKeptPlace(_ place: KeptPlace, evicting: Bool) {
        keptNext += 1
        if keptNext * 2 >= keptPlaces.count {
            keptPlaces.removeFirst(keptNext)
            keptNext = 0
        }
        guard homes.generation(of: place.slot) == place.generation, let extras = homeExtras[place.slot] else { return }
        let isRenewed = nowTick &- extras.keptTick < seconds(limits.keptSeconds)
        if extras.kept != nil && isRenewed && !evicting {
            keptPlaces.append(KeptPlace(slot: place.slot, generation: place.generation, tick: extras.keptTick))
            return
        }
        extras.isListed = false
        forgetKept(extras)
        dropHomeIfUnused(place.slot)
    }

    // MARK: Questions to a home

    /// Members of a channel whose home this is; 0 when it has none.
    public func homeMemberCount(space: UInt16, name: ByteView) -> Int {
        guard let slot = findHome(space: space, name: name, hash: hash(space: space, name: name)) else { return 0 }
        return homeExtras[slot]?.roster?.count ?? 0
    }

    public func forEachHomeMember(space: UInt16, name: ByteView, _ body: (Member) -> Void) {
        guard let slot = findHome(space: space, name: name, hash: hash(space: space, name: name)) else { return }
        homeExtras[slot]?.roster?.forEachMember(body)
    }

    /// The payload of the message that a channel keeps, and for how many seconds more; false when it keeps none.
    public func withHomeKept(space: UInt16, name: ByteView, _ body: (ByteView, _ secondsLeft: Int) -> Void) -> Bool {
        guard let slot = findHome(space: space, name: name, hash: hash(space: space, name: name)),
            let frame = keptFrame(slot), let extras = homeExtras[slot]
        else { return false }
        let payload = unsafe frame.view.slice(from: FrameWriter.headerCount(ofFrame: frame.bytes))
        let age = Int((nowTick &- extras.keptTick) / Clock.ticksPerSecond)
        body(payload, max(limits.keptSeconds - age, 0))
        return true
    }
}
