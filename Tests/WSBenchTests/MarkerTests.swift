import Testing

@testable import WSBenchCore

@Suite struct MarkerTests {
    private func text(_ value: UInt64) -> String {
        let words = Marker.digits(value)
        var bytes: [UInt8] = []
        for word in [words.first, words.second] {
            for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * UInt64(byte)))) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func padded(_ value: UInt64) -> String {
        let digits = String(value)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    @Test func digitsAreThoseOfTheDecimalNumber() {
        for value in [
            0, 1, 9, 10, 99, 100, 9_999, 10_000, 99_999_999, 100_000_000, 1_234_567_890_123_456, Marker.numberMax,
        ] {
            #expect(text(value) == padded(value))
        }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<10_000 {
            let value = UInt64.random(in: 0...Marker.numberMax, using: &generator)
            #expect(text(value) == padded(value))
        }
    }

    @Test func everyFourDigitsSplitRight() {
        for value in 0..<10_000 as Range<UInt64> {
            let words = Marker.digits(value * 10_000 + (9_999 - value))
            #expect(Marker.number(words.first, words.second) == value * 10_000 + (9_999 - value))
        }
    }

    @Test func whatIsTooLargeIsCutAtTheTop() {
        #expect(text(Marker.numberMax + 2) == padded(1))
        #expect(text(.max).count == 16)
    }

    @Test func onlyDigitsAreDigits() {
        let good = Marker.digits(1_234_567_890_123_456)
        for byte in 0...255 as ClosedRange<UInt64> {
            for place in 0..<8 as Range<UInt64> {
                let word = good.first & ~(0xFF << (8 * place)) | byte << (8 * place)
                #expect(Marker.areDigits(word) == (0x30...0x39).contains(byte), "byte \(byte) at \(place)")
            }
        }
        #expect(Marker.number(good.first, 0) == nil)
    }

    @Test func theMarkerIsFoundInsideAnEnvelope() {
        let head = #"{"event":"client-x","channel":"c@@d","data":""#
        let marker = Marker.text(sequence: 42, time: 7)
        #expect(marker == "@@" + padded(42) + padded(7) + "00000000")
        let payload = Array((head + marker + #"xx"}"#).utf8)
        unsafe payload.withUnsafeBytes { bytes in
            #expect(unsafe Marker.find(in: bytes) == head.utf8.count)
            #expect(unsafe Marker.sequence(in: bytes, at: head.utf8.count) == 42)
            #expect(unsafe Marker.time(in: bytes, at: head.utf8.count) == 7)
            #expect(unsafe Marker.sequence(in: bytes, at: 0) == nil)
        }
    }

    @Test func aMarkerThatIsCutOrTooFarInIsNone() {
        let marker = Array(Marker.text(sequence: 42, time: 7).utf8)
        for count in 0..<marker.count {
            unsafe Array(marker.prefix(count)).withUnsafeBytes { bytes in #expect(unsafe Marker.find(in: bytes) == nil)
            }
        }
        let far = [UInt8](repeating: 0x20, count: Marker.searchBytesMax) + marker
        unsafe far.withUnsafeBytes { bytes in #expect(unsafe Marker.find(in: bytes) == nil) }
    }
}
