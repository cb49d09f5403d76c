import ClarionBytes
import ClarionWire

/// Bytes with an exact end, so that a read past them is a fault the address sanitizer sees.
@safe final class Owned {
    let base: UnsafeMutablePointer<UInt8>
    let count: Int

    init(_ bytes: some Collection<UInt8>) {
        count = bytes.count
        unsafe base = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
        var index = 0
        for byte in bytes {
            unsafe base[index] = byte
            index += 1
        }
    }

    convenience init(_ text: String) { self.init(Array(text.utf8)) }

    deinit { unsafe base.deallocate() }

    /// Valid as long as this object is.
    var view: ByteView { unsafe ByteView(base: base, count: count) }
    var array: [UInt8] { view.array }
}

/// A generator that gives the same numbers for the same seed (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// What `write` appends to an empty buffer.
func written(_ write: (inout ByteBuffer) -> Void) -> [UInt8] {
    var buffer = ByteBuffer(capacity: 1)
    write(&buffer)
    return buffer.view.array
}

/// What `write` appends, as text; nil when it says false, in which case it must have appended nothing.
func writtenText(_ write: (inout ByteBuffer) -> Bool) -> String? {
    var buffer = ByteBuffer(capacity: 1)
    buffer.append("kept")
    if !write(&buffer) {
        precondition(buffer.view == "kept")
        return nil
    }
    return buffer.view.slice(from: 4).string
}
