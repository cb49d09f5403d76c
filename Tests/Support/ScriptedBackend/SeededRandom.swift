/// Numbers that only depend on a seed (SplitMix64), so that a failing run can be had again.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// A number from 0 to `bound` - 1; `bound` > 0.
    public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// A number from `least` to `most`.
    public mutating func between(_ least: Int, _ most: Int) -> Int { least + below(most - least + 1) }

    /// True in `perMille` of 1000 cases.
    public mutating func happens(_ perMille: Int) -> Bool { perMille > 0 && below(1000) < perMille }
}
