import ClarionBytes
import ClarionLoop
import Synchronization

/// What connections are counted by where their number for each address is bounded: the whole address in IPv4, the
/// network of 64 bits in IPv6, because that is what one customer of a provider has at the least.
struct AddressKey: BitwiseCopyable, Hashable, Sendable {
    let high: UInt64
    let low: UInt64

    /// Nobody: it is not counted. No address has this key.
    static let none = AddressKey(high: 0, low: 0)
    /// In IPv4 the low word holds more than this, in IPv6 nothing of the address.
    private static let version6Mark: UInt64 = 1

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// `.none` for peers without an address: Unix-domain sockets, and those who were gone before they could be asked.
    init(_ address: PeerAddress) {
        if address.kind != .ip {
            self = .none
        } else if address.isVersion4 {
            self.init(high: 0, low: address.low)
        } else {
            self.init(high: address.high, low: AddressKey.version6Mark)
        }
    }

    /// Which of `count` parts of a table it belongs to.
    func part(of count: Int, _ hash: SipHash) -> Int {
        var words = (high, low)
        let value = unsafe withUnsafeBytes(of: &words) { raw -> UInt64 in
            guard let base = unsafe raw.assumingMemoryBound(to: UInt8.self).baseAddress else { return 0 }
            return unsafe hash.hash(ByteView(base: base, count: raw.count), seed: 0)
        }
        return Int(value % UInt64(count))
    }
}

/// How many connections of the node each address has. Shared by all workers.
///
/// Two look-ups in the life of a connection, none of them on the way of a message: so a lock for each of 64 parts,
/// held for the time of one look-up. What a part needs grows with the addresses that are there at the same time.
final class AddressCounts: Sendable {
    private static let partCount = 64
    private let hash: SipHash
    private let parts: [AddressPart]

    /// - Parameter hash: keyed, so that nobody can choose addresses that meet in one part.
    init(hash: SipHash) {
        self.hash = hash
        parts = (0..<AddressCounts.partCount).map { _ in AddressPart() }
    }

    /// Counts one more connection. False, and nothing counted, when there are `max` already.
    func take(_ key: AddressKey, max: Int) -> Bool {
        let part = parts[partIndex(key)]
        return part.counts.withLock { counts in
            let now = counts[key] ?? 0
            if now >= max { return false }
            counts[key] = now + 1
            return true
        }
    }

    /// One connection less. The address must have been taken.
    func give(_ key: AddressKey) {
        let part = parts[partIndex(key)]
        part.counts.withLock { counts in
            guard let now = counts[key] else { preconditionFailure("an address that nobody had counted") }
            counts[key] = now > 1 ? now - 1 : nil
        }
    }

    /// Connections of an address now.
    func count(_ key: AddressKey) -> Int { parts[partIndex(key)].counts.withLock { $0[key] ?? 0 } }

    /// Addresses that have connections now. Looks at every part: for tests and metrics.
    var addressCount: Int { parts.reduce(0) { sum, part in sum + part.counts.withLock { $0.count } } }

    private func partIndex(_ key: AddressKey) -> Int { key.part(of: AddressCounts.partCount, hash) }
}

/// A part of the table, with its lock.
private final class AddressPart: Sendable {
    let counts = Mutex<[AddressKey: Int]>([:])
}
