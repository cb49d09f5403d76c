import ClarionBytes
import Synchronization

/// How fast connections of each address come, on the whole node: a token bucket for each that came lately. Shared by
/// all workers, like `AddressCounts`.
///
/// Its memory is bounded: a part that is full forgets first those whose bucket is full again, which changes nothing for
/// them, and when nobody's is, all. So a flood from very many addresses lets some of them in again early; that flood is
/// what `EngineLimits.accepts` is for.
final class AddressRates: Sendable {
    private static let partCount = 64
    /// Addresses in one part: 65 536 together, in about 3 MiB.
    static let addressesPerPartMax = 1024
    private let hash: SipHash
    private let parts: [RatePart]

    /// - Parameter hash: keyed, so that nobody can choose addresses that meet in one part.
    init(hash: SipHash) {
        self.hash = hash
        parts = (0..<AddressRates.partCount).map { _ in RatePart() }
    }

    /// Takes a token for one more connection. False, and nothing taken, when there is none.
    func take(_ key: AddressKey, _ rule: BucketRule, now: UInt64) -> Bool {
        parts[key.part(of: AddressRates.partCount, hash)].fullAt.withLock { moments in
            let fullAt = moments[key]
            if let fullAt {
                if rule.wait(fullAt: fullAt, now: now) > 0 { return false }
            } else if moments.count >= AddressRates.addressesPerPartMax {
                moments = moments.filter { $0.value > now }
                if moments.count >= AddressRates.addressesPerPartMax { moments.removeAll(keepingCapacity: true) }
            }
            moments[key] = rule.taking(1, fullAt: fullAt ?? 0, now: now)
            return true
        }
    }

    /// Addresses that are remembered now. Looks at every part: for tests.
    var addressCount: Int { parts.reduce(0) { sum, part in sum + part.fullAt.withLock { $0.count } } }
}

/// A part of the table, with its lock: by address the moment at which its bucket is full again (`BucketRule`).
private final class RatePart: Sendable {
    let fullAt = Mutex<[AddressKey: UInt64]>([:])
}
