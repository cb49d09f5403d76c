import ClarionBytes
import ClarionLoop

// How many connections an address may have (`EngineLimits.connectionsPerAddress`). A connection is counted when its
// address is known: at accept; behind a balancer that is trusted, when the balancer has named the client, in a PROXY
// header or in the request of an upgrade. It counts until its TCP ends on our side (`terminate`).

extension Core {
    /// Whether connections are counted by address.
    var countsAddresses: Bool { limits.connectionsPerAddress > 0 }

    /// Whether peers' addresses have to be asked for, beside the listeners that ask anyway.
    public var wantsPeers: Bool { countsAddresses }

    /// Counts a new connection of the peer itself. False: its address has as many as it may have.
    ///
    /// Balancers whose word is believed are not counted: they speak for many.
    func countPeer(_ slot: UInt32, _ address: PeerAddress) -> Bool {
        unsafe countedAddresses[slot].pointee = .none
        if !countsAddresses || isTrusted(address) { return true }
        return count(slot, address)
    }

    /// Counts a connection whose client a trusted balancer has named. One that is counted already stays as it is.
    func countClient(_ slot: UInt32, _ client: PeerAddress) -> Bool {
        if !countsAddresses || isTrusted(client) { return true }
        if unsafe countedAddresses[slot].pointee != .none { return true }
        return count(slot, client)
    }

    private func count(_ slot: UInt32, _ address: PeerAddress) -> Bool {
        let key = AddressKey(address)
        if key == .none { return true }
        if !exchange.addressCounts.take(key, max: limits.connectionsPerAddress) {
            noteAddressFull(address)
            return false
        }
        unsafe countedAddresses[slot].pointee = key
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

    private func noteAddressFull(_ address: PeerAddress) {
        counters.addressRefusals += 1
        onAddressFull?(address, limits.connectionsPerAddress)
    }
}
