import ClarionBytes
public import ClarionLoop
import ClarionTransport
public import ClarionWire

// Who is at the other end, where somebody wants to know: the socket's address, what a trusted balancer says of its
// client before the client's own bytes, or in a request's field. Nobody else's word counts.

extension Core {
    /// Notes the address of a new connection, and whether a PROXY header comes first.
    func begin(_ slot: UInt32, at address: PeerAddress, _ traits: ListenerTraits) {
        unsafe peers[slot].pointee = address
        guard traits.contains(.proxied), isTrusted(address) else { return }
        unsafe connections[slot].pointee.flags.insert(.proxied)
        setTimerEarlier(slot, at: nowTick + seconds(PeerLimits.proxyHeaderSeconds))
    }

    /// Whether what a peer says of its clients is believed. Who may use a Unix-domain socket is on this machine.
    func isTrusted(_ address: PeerAddress) -> Bool {
        if address.kind == .local { return true }
        for range in limits.trustedProxies where range.contains(address) { return true }
        return false
    }

    /// Keeps what has come until the header is whole, then goes on with what stands behind it.
    func gatherProxyHeader(_ slot: UInt32, _ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        let connection = unsafe connections[slot]
        let used = unsafe Int(connection.pointee.messageCount)
        let room = used + count + BackendLimits.receiveSpareBytes
        unsafe pool.grow(&connection.pointee.message, used: used, to: room)
        guard let base = unsafe connection.pointee.message.base else { return }
        unsafe (base + used).update(from: bytes, count: count)
        unsafe connection.pointee.messageCount = UInt32(used + count)
        switch unsafe ProxyHeader.parse(base, count: used + count) {
        case .needMore:
            return
        case .refused:
            counters.proxyHeadersRefused += 1
            terminate(slot, reason: .proxyHeader)
        case .header(let byteCount, let client):
            counters.proxyHeaders += 1
            if let client {
                unsafe peers[slot].pointee = client
                if let reason = countClient(slot, client) { return terminate(slot, reason: reason) }
            }
            var block = unsafe connection.pointee.message
            unsafe connection.pointee.message = Block()
            unsafe connection.pointee.messageCount = 0
            unsafe connection.pointee.flags.remove(.proxied)
            unsafe connection.pointee.phaseTick = nowTick
            let isSecured = unsafe connection.pointee.flags.contains(.handshaking)
            setTimer(slot, at: nowTick + seconds(isSecured ? limits.handshakeSeconds : limits.headSeconds))
            let rest = used + count - byteCount
            if rest > 0, let base = unsafe block.base {
                if isSecured {
                    unsafe receiveGuarded(slot, base + byteCount, count: rest)
                } else {
                    unsafe receivePlain(slot, base + byteCount, count: rest)
                }
            }
            pool.give(&block)
        }
    }

    /// The time for a PROXY header.
    func proxyTimerFired(_ slot: UInt32) {
        let deadline = unsafe connections[slot].pointee.phaseTick + seconds(PeerLimits.proxyHeaderSeconds)
        if nowTick < deadline { return setTimer(slot, at: deadline) }
        counters.proxyHeadersRefused += 1
        terminate(slot, reason: .proxyHeader)
    }

    /// The client of a connection: the peer, or whom a trusted balancer has named. `.unknown` where nobody asked for
    /// addresses.
    func peerAddress(_ slot: UInt32) -> PeerAddress { knowsPeers ? unsafe peers[slot].pointee : .unknown }

    /// The client of a request: as `peerAddress`, and what trusted balancers say in X-Forwarded-For. Each of them adds
    /// whom it was asked by at the end, so the client is the last that is not one of them.
    func clientAddress(_ slot: UInt32, _ head: HTTPHead) -> PeerAddress {
        var client = peerAddress(slot)
        guard client.kind != .unknown, isTrusted(client), head.fieldCount("x-forwarded-for") > 0 else { return client }
        var list: [ByteView] = []
        head.forEachField { name, value in
            if name.equalsIgnoringCase("x-forwarded-for") { list.append(value) }
            return list.count < PeerLimits.forwardedFieldsMax
        }
        var hops = 0
        for value in list.reversed() {
            var end = value.count
            while end > 0 {
                var start = end
                while start > 0 && value[start - 1] != 0x2C { start -= 1 }
                let word = PeerLimits.trimmed(value.slice(from: start, count: end - start))
                // What is no address was not written by a balancer: the trail ends before it.
                guard let address = PeerLimits.address(word) else { return client }
                client = address
                hops += 1
                if !isTrusted(client) || hops >= PeerLimits.forwardedHopsMax { return client }
                end = start - 1
            }
        }
        return client
    }
}

extension Session {
    /// Who is at the other end, or whom a trusted balancer named; `.unknown` where the node does not ask.
    public var peerAddress: PeerAddress { core.peerAddress(slot) }

    /// The same for a request, with what trusted balancers say in X-Forwarded-For.
    public func clientAddress(_ head: HTTPHead) -> PeerAddress { core.clientAddress(slot, head) }
}

enum PeerLimits {
    /// Seconds from accept to the end of a PROXY header: a balancer sends it at once.
    static let proxyHeaderSeconds = 2
    /// Lines of X-Forwarded-For, and addresses in them, that are looked at.
    static let forwardedFieldsMax = 16
    static let forwardedHopsMax = 32

    /// An address as balancers write it: `192.0.2.1`, `2001:db8::1`, or with a port `192.0.2.1:80`, `[2001:db8::1]:80`.
    static func address(_ word: ByteView) -> PeerAddress? {
        var text = word
        if text.count > 2, text[0] == 0x5B {
            guard let end = text.firstIndex(of: 0x5D), isPort(text.slice(from: end + 1)) else { return nil }
            text = text.slice(from: 1, count: end - 1)
        } else if let colon = text.firstIndex(of: 0x3A), text.slice(from: colon + 1).firstIndex(of: 0x3A) == nil {
            guard isPort(text.slice(from: colon)) else { return nil }
            text = text.slice(from: 0, count: colon)
        }
        return unsafe PeerAddress(text: text.unsafeBuffer)
    }

    static func trimmed(_ text: ByteView) -> ByteView {
        var start = 0
        var end = text.count
        while start < end && (text[start] == 0x20 || text[start] == 0x09) { start += 1 }
        while end > start && (text[end - 1] == 0x20 || text[end - 1] == 0x09) { end -= 1 }
        return text.slice(from: start, count: end - start)
    }

    /// Nothing, or a colon and up to five digits.
    private static func isPort(_ text: ByteView) -> Bool {
        if text.isEmpty { return true }
        guard text[0] == 0x3A, text.count > 1, text.count <= 6 else { return false }
        for index in 1..<text.count where text[index] < 0x30 || text[index] > 0x39 { return false }
        return true
    }
}
