import ClarionBytes

/// A permutation of 60-bit numbers under a key (a Feistel network of four rounds over halves of 30 bits, with SipHash
/// as its round function): who has seen many socket numbers can still not tell another.
enum SocketNumber {
    private static let halfBits: UInt64 = 30
    private static let halfMask: UInt64 = 1 << halfBits - 1
    static let limit: UInt64 = 1 << 60
    private static let rounds: UInt64 = 4

    private static func mix(_ half: UInt64, round: UInt64, key: SipHash) -> UInt64 {
        key.hash(ByteView(""), seed: half | round << 32) & halfMask
    }

    static func encrypt(_ plain: UInt64, key: SipHash) -> UInt64 {
        var left = plain >> halfBits & halfMask
        var right = plain & halfMask
        for round in 0..<rounds {
            (left, right) = (right, left ^ mix(right, round: round, key: key))
        }
        return left << halfBits | right
    }

    static func decrypt(_ number: UInt64, key: SipHash) -> UInt64 {
        var left = number >> halfBits & halfMask
        var right = number & halfMask
        for round in (0..<rounds).reversed() {
            (left, right) = (right ^ mix(left, round: round, key: key), left)
        }
        return left << halfBits | right
    }
}
