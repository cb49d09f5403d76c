import ClarionBytes
import ClarionWire

// Members, newcomers and kept messages at a channel's home.
//
// Who comes is put on the roster at once and told at the end of the turn's work: all who came to one channel get the
// same frame, made once, behind everything that the home had ordered until then. Work of this worker for its own homes
// waits in `homeWork`: to order a message may close slow readers, and what that causes must not happen in its midst.

extension Core {
    /// The bits of a connection within the node: worker, generation, slot.
    private static func connectionKey(_ mail: Mail) -> UInt64 {
        UInt64(mail.from) << 52 | UInt64(mail.excludedGeneration) << 28 | UInt64(mail.excludedSlot)
    }

    // MARK: Coming

    /// Somebody wants to be let in.
    func takeEnter(_ mail: Mail) {
        guard let frame = mail.frame, let keeper else { return }
        guard let slot = findHome(space: frame.space, name: frame.key, hash: frame.hash) else {
            return turnAway(mail, .nodeFull)
        }
        let extras = extras(of: slot)
        var arrival: Member?
        if let member = Member(packed: frame) {
            let roster = extras.roster ?? Roster(hash: exchange.hash, keeper: keeper)
            extras.roster = roster
            let membersMax = keeper.membersMax(space: frame.space)
            switch roster.add(connection: Core.connectionKey(mail), frame, membersMax: membersMax) {
            case .first:
                counters.members += 1
                arrival = member
            case .again: break
            case .full:
                turnAway(mail, .membersMax)
                return dropHomeIfUnused(slot)
            }
        }
        if extras.newcomers.isEmpty { welcoming.append(slot) }
        extras.newcomers.append(
            Newcomer(
                worker: mail.from, channelSlot: mail.slot, channelGeneration: mail.generation,
                connectionSlot: mail.excludedSlot, connectionGeneration: mail.excludedGeneration, serial: mail.number,
                wantsKept: mail.keeps))
        if let arrival {
            homeText.removeAll()
            keeper.appendArrival(arrival, space: frame.space, name: frame.key, to: &homeText)
            extras.roster?.becomeQuiet(above: keeper.quietMembers(space: frame.space))
            if extras.roster?.isQuiet ?? false { counters.untoldChanges += 1 } else { orderOwn(slot) }
        }
    }

    private func turnAway(_ mail: Mail, _ refusal: EntryRefusal) {
        var answer = Mail(.turnedAway)
        answer.slot = mail.slot
        answer.excludedSlot = mail.excludedSlot
        answer.excludedGeneration = mail.excludedGeneration
        answer.number = mail.number
        answer.excludedNumber = UInt64(refusal.rawValue)
        postInOrder(answer, to: Int(mail.from))
    }

    // MARK: Going

    /// A member's connection has left.
    func takeLeave(_ mail: Mail) {
        guard let name = mail.frame, let slot = findHome(space: name.space, name: name.key, hash: name.hash),
            let roster = homeExtras[slot]?.roster
        else { return }
        if let frame = roster.remove(connection: Core.connectionKey(mail)), let member = Member(packed: frame) {
            counters.members -= 1
            homeText.removeAll()
            keeper?.appendDeparture(member, space: name.space, name: name.key, to: &homeText)
            if unsafe homes[slot].pointee.interestedCount > 0 { tellDeparture(roster, slot, name) }
            frame.release()
        }
        dropHomeIfUnused(slot)
    }

    /// Tells all what stands in `homeText`, or who is there when that was not told for a while.
    private func tellDeparture(_ roster: Roster, _ slot: UInt32, _ name: SharedFrame) {
        if !roster.isQuiet { return orderOwn(slot) }
        guard let keeper, roster.endsQuiet(keeper.quietMembers(space: name.space)) else {
            counters.untoldChanges += 1
            return
        }
        homeText.removeAll()
        keeper.appendWelcome(space: name.space, name: name.key, roster: roster, to: &homeText)
        orderOwn(slot)
    }

    /// Orders what stands in `homeText` as a message of the channel, from the home itself.
    private func orderOwn(_ slot: UInt32) {
        let name = unsafe homes[slot].pointee.name
        order(makeFrame(space: name.space, name: name.key, text: homeText.view), excluded: SocketNumber.limit)
    }

    // MARK: The end of a turn's work

    /// Does what waits for homes of this worker, then tells newcomers, then those who want to know how many they are.
    func settleHomes() {
        if homeWork.isEmpty && welcoming.isEmpty && countsDue.isEmpty || isSettling { return }
        isSettling = true
        doHomeWork()
        while !welcoming.isEmpty {
            welcome(welcoming.removeLast())
            doHomeWork()
        }
        if !countsDue.isEmpty {
            tellCounts()
            doHomeWork()
        }
        isSettling = false
    }

    private func doHomeWork() {
        var next = 0
        while next < homeWork.count {
            let mail = homeWork[next]
            next += 1
            take(mail)
            counters.mailReceived -= 1  // it was no mail
        }
        homeWork.removeAll()
    }

    private func welcome(_ slot: UInt32) {
        guard let extras = homeExtras[slot], let keeper else { return }
        let newcomers = extras.newcomers
        extras.newcomers = []
        let name = unsafe homes[slot].pointee.name
        name.retain()
        homeText.removeAll()
        keeper.appendWelcome(space: name.space, name: name.key, roster: extras.roster, to: &homeText)
        let welcome = makeFrame(space: name.space, name: name.key, text: homeText.view)
        var welcomeAndKept: SharedFrame?
        for newcomer in newcomers {
            var frame = welcome
            if newcomer.wantsKept {
                let whole = welcomeAndKept ?? append(keptOf: slot, to: welcome, keeper)
                welcomeAndKept = whole
                frame = whole
            }
            var answer = Mail(.entered)
            answer.slot = newcomer.channelSlot
            answer.generation = newcomer.channelGeneration
            answer.excludedSlot = newcomer.connectionSlot
            answer.excludedGeneration = newcomer.connectionGeneration
            answer.number = newcomer.serial
            answer.frame = frame
            frame.retain()
            postInOrder(answer, to: Int(newcomer.worker))
        }
        welcome.release()
        welcomeAndKept?.release()
        name.release()
        dropHomeIfUnused(slot)
    }

    /// A frame of `welcome` and the channel's kept message behind it, or word that there is none. One reference.
    private func append(keptOf slot: UInt32, to welcome: SharedFrame, _ keeper: any ChannelKeeper) -> SharedFrame {
        let kept = keptFrame(slot)
        var second = kept
        if kept == nil {
            homeText.removeAll()
            keeper.appendNothingKept(space: welcome.space, name: welcome.key, to: &homeText)
            second = makeFrame(space: welcome.space, name: welcome.key, text: homeText.view)
        }
        guard let second else { preconditionFailure("neither a message nor word of none") }
        let whole = SharedFrame.make(
            byteCount: welcome.byteCount + second.byteCount, key: welcome.key, space: welcome.space, hash: welcome.hash)
        unsafe whole.bytes.update(from: welcome.bytes, count: welcome.byteCount)
        unsafe (whole.bytes + welcome.byteCount).update(from: second.bytes, count: second.byteCount)
        if kept == nil { second.release() }
        return whole
    }

    // MARK: How many there are

    /// Notes that the number of a channel's subscribers has changed.
    func noteCount(_ slot: UInt32) {
        let home = unsafe homes[slot]
        if unsafe home.pointee.isCountDue { return }
        let name = unsafe home.pointee.name
        guard let keeper, keeper.tellsCount(space: name.space, name: name.key) else { return }
        unsafe home.pointee.isCountDue = true
        countsDue.append(slot)
    }

    /// Tells counts: of small channels at once, of large ones every few seconds.
    private func tellCounts() {
        var index = 0
        while index < countsDue.count {
            let slot = countsDue[index]
            let home = unsafe homes[slot]
            let count = unsafe Int(home.pointee.subscriptionCount)
            let isDue = unsafe nowTick &- home.pointee.countTick >= seconds(KeepingLimits.countSeconds)
            if count > KeepingLimits.countedAtOnceMax && !isDue {
                index += 1
                continue
            }
            countsDue[index] = countsDue[countsDue.count - 1]
            _ = countsDue.removeLast()
            unsafe home.pointee.isCountDue = false
            unsafe home.pointee.countTick = nowTick
            let name = unsafe home.pointee.name
            homeText.removeAll()
            keeper?.appendCount(count, space: name.space, name: name.key, to: &homeText)
            orderOwn(slot)
        }
    }
}
