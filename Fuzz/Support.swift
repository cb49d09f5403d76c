import ClarionBytes

/// Ends the run with a message: libFuzzer keeps the input.
func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { fatalError(message()) }
}

/// A copy with an exact end, so that a read past it is a fault the address sanitizer sees.
@safe final class Exact {
    let base: UnsafeMutablePointer<UInt8>
    let count: Int

    init(_ view: ByteView) {
        count = view.count
        unsafe base = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
        unsafe base.update(from: view.base, count: count)
    }

    deinit { unsafe base.deallocate() }

    /// Valid as long as this object is.
    var view: ByteView { unsafe ByteView(base: base, count: count) }
}

/// Places to cut `count` bytes at: all of them for short inputs, spread ones for long inputs.
func cuts(of count: Int) -> [Int] {
    let cutsMax = 48
    if count <= cutsMax { return Array(0..<count) }
    return (0..<cutsMax).map { $0 * count / cutsMax } + [count - 1]
}

/// The lengths of pieces that `count` bytes are handed over in, chosen by `seed`.
func pieces(of count: Int, seed: UInt8) -> [Int] {
    var lengths: [Int] = []
    var state = UInt32(seed) &+ 1
    var rest = count
    while rest > 0 {
        state = state &* 1_664_525 &+ 1_013_904_223
        let length = min(rest, Int(state >> 24) % (seed < 64 ? 3 : 40) + 1)
        lengths.append(length)
        rest -= length
    }
    return lengths
}

func sameBytes(_ left: ByteView, _ right: ByteView) -> Bool { left == right }
