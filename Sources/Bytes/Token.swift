/// What an operation is about, as the kernel carries it: the operation, a slot, and the slot's generation.
///
/// 64 bits: operation (8) · generation (24) · slot (32). Invariant: a token whose generation differs from that of its
/// slot is stale; whoever receives it drops it (and gives back what came with it).
@frozen
public struct Token: Equatable, Sendable {
    public var raw: UInt64

    /// Generations count modulo this.
    public static let generationLimit: UInt32 = 1 << 24

    @inlinable
    public init(raw: UInt64) { self.raw = raw }

    @inlinable
    public init(operation: UInt8, generation: UInt32, slot: UInt32) {
        precondition(generation < Token.generationLimit)
        raw = UInt64(operation) << 56 | UInt64(generation) << 32 | UInt64(slot)
    }

    @inlinable public var operation: UInt8 { UInt8(truncatingIfNeeded: raw >> 56) }
    @inlinable public var generation: UInt32 { UInt32(truncatingIfNeeded: raw >> 32) & (Token.generationLimit - 1) }
    @inlinable public var slot: UInt32 { UInt32(truncatingIfNeeded: raw) }
}
