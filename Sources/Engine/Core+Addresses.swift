import CPosix
import ClarionBytes
import ClarionLoop
import ClarionWire

// How many connections an address may have (`EngineLimits.connectionsPerAddress`), and how fast it may open them
// (`newPerAddress`). A connection is counted when its address is known: at accept; behind a balancer that is trusted,
// when the balancer has named the client, in a PROXY header or in the request of an upgrade. It counts until its TCP
// ends on our side (`terminate`).

extension Core {
    /// Whether connections are counted by address.
    var countsAddresses: Bool { limits.connectionsPerAddress > 0 || limits.newPerAddress.isOn }

    /// Whether peers' addresses have to be asked for, beside the listeners that ask anyway.
    public var wantsPeers: Bool { countsAddresses }

    /// Counts a new connection of the peer itself. Not nil: why it must not stay.
    ///
    /// Balancers whose word is believed are not counted: they speak for many.
    func countPeer(_ slot: UInt32, _ address: PeerAddress) -> CloseReason? {
        unsafe countedAddresses[slot].pointee = .none
        if !countsAddresses || isTrusted(address) { return nil }
        return count(slot, address)
    }

    /// Counts a connection whose client a trusted balancer has named. One that is counted already stays as it is.
    func countClient(_ slot: UInt32, _ client: PeerAddress) -> CloseReason? {
        if !countsAddresses || isTrusted(client) { return nil }
        if unsafe countedAddresses[slot].pointee != .none { return nil }
        return count(slot, client)
    }

    private func count(_ slot: UInt32, _ address: PeerAddress) -> CloseReason? {
        let key = AddressKey(address)
        if key == .none { return nil }
        // Counted without a bound as well: the mark says that its token was taken.
        let most = limits.connectionsPerAddress > 0 ? limits.connectionsPerAddress : Int.max
        if !exchange.addressCounts.take(key, max: most) {
            counters.addressRefusals += 1
            onAddressRefused?(address, .addressFull)
            return .addressFull
        }
        let rule = limits.newPerAddress
        if rule.isOn && !exchange.addressRates.take(key, rule, now: cposix_monotonic_nanoseconds()) {
            exchange.addressCounts.give(key)
            counters.addressRateRefusals += 1
            onAddressRefused?(address, .addressRate)
            return .addressRate
        }
        unsafe countedAddresses[slot].pointee = key
        return nil
    }

    /// Refuses an upgrade whose client has, or opens, more connections than it may. True when it did.
    func refusesClient(_ slot: UInt32, _ head: HTTPHead) -> Bool {
        guard knowsPeers, let reason = countClient(slot, clientAddress(slot, head)) else { return false }
        let text: StaticString =
            reason == .addressFull
            ? "Too many connections from this address." : "Connections from this address come too fast."
        refuseRequest(slot, status: 429, text: text, reason: reason)
        return true
    }

    /// The connection's place is free for another of its address.
    func uncount(_ slot: UInt32) {
        if !knowsPeers { return }
        let key = unsafe countedAddresses[slot].pointee
        if key == .none { return }
        unsafe countedAddresses[slot].pointee = .none
        exchange.addressCounts.give(key)
    }
}
