import ClarionBytes
import Testing

/// As `#expect`, which does not take calls of types that cannot be copied.
func check(
    _ condition: Bool, _ comment: @autoclosure () -> String = "", at location: SourceLocation = #_sourceLocation
) {
    if !condition { Issue.record(Comment(rawValue: "not so: \(comment())"), sourceLocation: location) }
}

/// Calls `body` with a view of `bytes`.
func withView<T>(_ bytes: [UInt8], _ body: (ByteView) -> T) -> T {
    unsafe bytes.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return body(ByteView("")) }
        return unsafe body(ByteView(base: base, count: buffer.count))
    }
}

/// Numbers that only depend on a seed (a 64-bit linear congruence, its upper half).
struct Numbers {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 32) << 32 | (state &* 0xD129_0F5A_0C7A_5B1D) >> 32
    }

    mutating func below(_ bound: Int) -> Int { Int(next() >> 33) % bound }
}
