import Foundation
import Histogram
import Testing

@testable import WSBenchReport

@Suite struct HistogramTests {
    /// Encoded by PyPI's hdrhistogram 0.10.8: 64 to 300 s, three digits.
    private static let latencies =
        "HISTFAAAADF4nJNpmSzMwMAgwAABzFDaAYhdb6bsYLD/ABFgYZLkuivPxtEafIG/8RcjEwDIsglr"
    /// The same: 1 to 3 600 000 000, two digits, the values 1 to 10 000.
    private static let ramp = "HISTFAAAADh4nJNpmSzMwMC8kwECmKA0I4i4NnkJg/0HqADTyAYsAww4BhgIDDBQGGDgMMCggZE8qAQAhCRTfw=="

    @Test func histogramsOfAnotherWriterAreRead() throws {
        let first = try HistogramCodec.decode(Self.latencies)
        #expect(first.count == 1_016)
        #expect([0.001, 0.5, 0.99, 1].map { first.value(at: $0) } == [63, 5_001_215, 5_001_215, 250_047_627_263])
        #expect(first.layout == HistogramSnapshot.usualLayout)
        let second = try HistogramCodec.decode(Self.ramp)
        #expect(second.count == 10_000)
        #expect([0.5, 0.9, 0.99, 0.999, 1].map { second.value(at: $0) } == [5_023, 9_023, 9_919, 10_047, 10_047])
    }

    @Test func theUsualLayoutIsThatOfThePackage() {
        let peer = Histogram<UInt64>(lowestDiscernibleValue: 64, highestTrackableValue: 300_000_000_000)
        let layout = HistogramSnapshot.usualLayout
        var value: UInt64 = 0
        while value <= 300_000_000_000 {
            let index = layout.index(of: value)
            #expect(layout.highestValue(at: index) == peer.highestEquivalentForValue(value))
            #expect(layout.lowestValue(at: index) == peer.lowestEquivalentForValue(value))
            #expect(layout.index(of: layout.highestValue(at: index)) == index)
            value = value * 13 / 11 + 1
        }
        #expect(layout.index(of: .max) == layout.count - 1)
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        var generator = SeededGenerator(seed: 7)
        for size in [0, 1, 2, 1_000] {
            let values = (0..<size).map { _ in
                UInt64.random(in: 0...1 << UInt64.random(in: 0...37, using: &generator), using: &generator)
            }
            let histogram = HistogramSnapshot(nanoseconds: values)
            #expect(try HistogramCodec.decode(HistogramCodec.encode(histogram)) == histogram)
        }
        let measured: [(nanoseconds: UInt64, count: UInt64)] = [(100, 1 << 40), (1_000_000, UInt64(Int64.max) >> 1)]
        let huge = HistogramSnapshot(measured)
        #expect(try HistogramCodec.decode(HistogramCodec.encode(huge)) == huge)
    }

    @Test func brokenTextsAreRefused() throws {
        let good = Array(Data(base64Encoded: Self.latencies) ?? Data())
        func refused(_ bytes: [UInt8]) -> Bool {
            (try? HistogramCodec.decode(Data(bytes).base64EncodedString())) == nil
        }
        #expect(!refused(good))
        for count in 0..<good.count { #expect(refused(Array(good[..<count]))) }
        #expect(refused([0] + good.dropFirst()))
        #expect(refused(good + [0]))
        #expect((try? HistogramCodec.decode("no base64!")) == nil)
        // A changed byte anywhere is caught by zlib's checksum or makes another histogram; it never ends the process.
        for index in good.indices {
            var bytes = good
            bytes[index] ^= 0x55
            _ = refused(bytes)
        }
    }

    @Test func sumsAndSummaries() {
        var sum = HistogramSnapshot(nanoseconds: [1_000, 2_000, 2_000])
        sum.add(HistogramSnapshot(nanoseconds: [2_000, 500_000]))
        #expect(sum == HistogramSnapshot(nanoseconds: [1_000, 2_000, 2_000, 2_000, 500_000]))
        #expect(sum.minimum <= 1_000 && sum.maximum >= 500_000 && sum.maximum < 501_000)
        #expect(abs(sum.mean - 101_400) < 500)
        let latency = Latency(sum)
        #expect(latency?.count == 5)
        #expect(abs((latency?.p50 ?? 0) - 2) < 0.07)
        #expect(Latency(HistogramSnapshot(nanoseconds: [])) == nil)
        var empty = HistogramSnapshot(nanoseconds: [])
        empty.add(sum)
        #expect(empty == sum)
        #expect(HistogramSnapshot(nanoseconds: []).value(at: 0.99) == 0)
    }

    @Test func otherLayoutsAreCarriedOver() throws {
        var sum = HistogramSnapshot(nanoseconds: [100])
        sum.add(try HistogramCodec.decode(Self.ramp))
        #expect(sum.count == 10_001)
        #expect(abs(Double(sum.value(at: 0.5)) - 5_000) < 80)
    }
}
