import ClarionBytes
import ClarionWire
import Testing

@Suite struct UTF8StreamTests {
    private func isValid(_ bytes: [UInt8]) -> Bool {
        let owned = Owned(bytes)
        return unsafe UTF8Stream.isValid(owned.base, count: owned.count)
    }

    /// Feeds `pieces` in order; whether all were taken and the end is whole.
    private func isValid(pieces: [[UInt8]]) -> Bool {
        var stream = UTF8Stream()
        for piece in pieces {
            let owned = Owned(piece)
            if unsafe !stream.consume(owned.base, count: owned.count) { return false }
        }
        return stream.isComplete
    }

    /// How many bytes, given one at a time, pass before the stream says no; nil when it never does.
    private func refusedAt(_ bytes: [UInt8]) -> Int? {
        var stream = UTF8Stream()
        for (index, byte) in bytes.enumerated() {
            let owned = Owned([byte])
            if unsafe !stream.consume(owned.base, count: 1) { return index }
        }
        return nil
    }

    static let valid: [[UInt8]] = [
        [], [0x00], [0x7F], [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80],
        [0xEF, 0xBF, 0xBF], [0xEF, 0xBB, 0xBF], [0xF0, 0x90, 0x80, 0x80], [0xF4, 0x8F, 0xBF, 0xBF],
        [0xCE, 0xBA, 0xE1, 0xBD, 0xB9, 0xCF, 0x83, 0xCE, 0xBC, 0xCE, 0xB5], [0xEF, 0xBF, 0xBE],
        [0xF1, 0x8F, 0xBF, 0xBF], [0xE1, 0x80, 0x80],
    ]

    /// Each with the index of the byte that makes it certain; nil where only the end does.
    static let invalid: [([UInt8], Int?)] = [
        ([0x80], 0), ([0xBF], 0), ([0x61, 0x80], 1), ([0xC0, 0x80], 0), ([0xC0, 0xAF], 0), ([0xC1, 0xBF], 0),
        ([0xE0, 0x80, 0x80], 1), ([0xE0, 0x9F, 0xBF], 1), ([0xF0, 0x80, 0x80, 0x80], 1), ([0xF0, 0x8F, 0xBF, 0xBF], 1),
        ([0xED, 0xA0, 0x80], 1), ([0xED, 0xAD, 0xBF], 1), ([0xED, 0xAF, 0xBF, 0xED, 0xBF, 0xBF], 1),
        ([0xED, 0xBF, 0xBF], 1),
        ([0xF4, 0x90, 0x80, 0x80], 1), ([0xF5, 0x80, 0x80, 0x80], 0), ([0xF8, 0x88, 0x80, 0x80, 0x80], 0),
        ([0xFC, 0x84, 0x80, 0x80, 0x80, 0x80], 0), ([0xFE], 0), ([0xFF], 0), ([0xC2], nil), ([0xE1, 0x80], nil),
        ([0xF1, 0x80, 0x80], nil), ([0xC2, 0x41], 1), ([0xE1, 0x80, 0x41], 2), ([0xF1, 0x80, 0x80, 0x41], 3),
        ([0xC2, 0xC2, 0x80], 1), ([0xE1, 0x80, 0xC0], 2), ([0xF1, 0x80, 0xFF], 2),
        ([0xCE, 0xBA, 0xE1, 0xBD, 0xB9, 0xCF, 0x83, 0xCE, 0xBC, 0xCE, 0xB5, 0xF4, 0x90, 0x80, 0x80, 0x65], 12),
    ]

    /// Each case alone, and inside text long enough for the wide ways, cut at every byte.
    @Test func stressTable() {
        for lead in [0, 1, 7, 8, 15, 16, 31, 32, 33, 70] {
            let before = [UInt8](repeating: 0x61, count: lead)
            let after = Array("é€😀 and plain text behind it, more than a vector".utf8)
            for sample in UTF8StreamTests.valid {
                let text = before + sample + after
                #expect(isValid(before + sample) && isValid(text), "\(sample) behind \(lead)")
                for cut in 0...text.count {
                    #expect(isValid(pieces: [Array(text[..<cut]), Array(text[cut...])]), "\(sample) cut at \(cut)")
                }
                #expect(refusedAt(text) == nil)
            }
            for (sample, index) in UTF8StreamTests.invalid {
                let text = before + sample + after
                #expect(!isValid(before + sample) && !isValid(text), "\(sample) behind \(lead)")
                for cut in 0...text.count {
                    #expect(!isValid(pieces: [Array(text[..<cut]), Array(text[cut...])]), "\(sample) cut at \(cut)")
                }
                #expect(refusedAt(before + sample) == index.map { $0 + lead }, "\(sample) behind \(lead)")
            }
        }
    }

    @Test func everyScalarAndEverySurrogate() {
        for value in stride(from: UInt32(0), through: 0x10_FFFF, by: 37) {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let bytes = Array(String(Character(scalar)).utf8)
            if !isValid(bytes) || !isValid(bytes + [0x20, 0x20, 0x20]) {
                Issue.record("U+\(String(value, radix: 16))")
            }
        }
        for value in UInt16(0xD800)...0xDFFF {
            let bytes = [0xED, UInt8(0x80 | value >> 6 & 0x3F), UInt8(0x80 | value & 0x3F)]
            if isValid(bytes) || isValid(bytes + [0x20, 0x20]) { Issue.record("U+\(String(value, radix: 16))") }
        }
    }

    /// Against the standard library, whole and in random pieces.
    @Test func agreesWithTheStandardLibrary() {
        var random = Seeded(4)
        let ascii = Array("plain ascii text".utf8)
        let parts: [[UInt8]] = UTF8StreamTests.valid + UTF8StreamTests.invalid.map(\.0) + [ascii]
        for round in 0..<20_000 {
            var bytes: [UInt8] = []
            if round % 2 == 0 {
                for _ in 0..<Int.random(in: 0..<12, using: &random) {
                    let limit = Bool.random(using: &random) ? UTF8StreamTests.valid.count : parts.count
                    bytes += parts[Int.random(in: 0..<limit, using: &random)]
                }
            } else {
                bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                    [UInt8(0x41), 0x80, 0xBF, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, UInt8.random(in: 0...255, using: &random)]
                        .randomElement(using: &random) ?? 0
                }
            }
            let expected = String(validating: bytes, as: UTF8.self) != nil
            var pieces: [[UInt8]] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Int.random(in: 0...min(rest.count, 20), using: &random)
                pieces.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            if isValid(bytes) != expected || isValid(pieces: pieces) != expected { Issue.record("\(bytes)") }
        }
    }

    @Test func stateIsSmallAndFailureStays() {
        #expect(MemoryLayout<UTF8Stream>.size <= 8)
        var stream = UTF8Stream()
        let bad = Owned([0xFF, 0x41])
        #expect(unsafe !stream.consume(bad.base, count: 1))
        #expect(unsafe !stream.consume(bad.base + 1, count: 1))
        #expect(!stream.isComplete)
    }
}
