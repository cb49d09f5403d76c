import ClarionBytes
import ClarionWire
import Testing

/// Messages through zlib (RFC 7692 section 7.2; hardening 2.16 and 2.17).
@Suite struct DeflateStreamsTests {
    private func deflated(_ bytes: [UInt8], windowBits: Int = 15, level: Int = 6) throws -> [UInt8] {
        let encoder = try #require(DeflateEncoder(level: level, windowBits: windowBits, memoryLevel: 6))
        defer { encoder.free() }
        return try #require(deflated(bytes, encoder))
    }

    private func deflated(_ bytes: [UInt8], _ encoder: DeflateEncoder) -> [UInt8]? {
        let owned = Owned(bytes)
        var buffer = ByteBuffer()
        return encoder.append(owned.view, countMax: bytes.count + 64, to: &buffer) ? buffer.view.array : nil
    }

    /// "message", "too big" or "malformed", and what came out.
    private func inflated(
        _ bytes: [UInt8], limit: Int = 1 << 20, _ decoder: DeflateDecoder
    ) -> (verdict: String, bytes: [UInt8]) {
        let owned = Owned(bytes)
        var pool = BlockPool()
        var block = Block()
        defer { pool.give(&block) }
        switch decoder.inflate(owned.view, limit: limit, into: &block, pool: &pool) {
        case .tooBig: return ("too big", [])
        case .malformed: return ("malformed", [])
        case .message(let count):
            guard let base = unsafe block.base else { return ("message", []) }
            return unsafe ("message", ByteView(base: base, count: count).array)
        }
    }

    private func inflated(_ bytes: [UInt8], limit: Int = 1 << 20) throws -> (verdict: String, bytes: [UInt8]) {
        let decoder = try #require(DeflateDecoder(windowBits: 15))
        defer { decoder.free() }
        return inflated(bytes, limit: limit, decoder)
    }

    private func verdict(_ bytes: [UInt8], limit: Int = 1 << 20) throws -> String {
        try inflated(bytes, limit: limit).verdict
    }

    private func sample(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = Seeded(seed)
        var bytes: [UInt8] = []
        while bytes.count < count {
            let distance = Int.random(in: 1...max(bytes.count, 1), using: &random)
            if bytes.count > 8 && Bool.random(using: &random) {
                for _ in 0..<Int.random(in: 3...40, using: &random) { bytes.append(bytes[bytes.count - distance]) }
            } else {
                bytes.append(UInt8.random(in: 97...104, using: &random))
            }
        }
        return Array(bytes.prefix(count))
    }

    @Test func whatIsDeflatedIsInflated() throws {
        for count in [0, 1, 2, 5, 100, 255, 256, 257, 512, 4_096, 40_000, 300_000] {
            let bytes = sample(count, seed: UInt64(count))
            for windowBits in [8, 9, 12, 15] {
                let wire = try deflated(bytes, windowBits: windowBits)
                let back = try inflated(wire)
                #expect(back.verdict == "message" && back.bytes == bytes, "\(count) bytes, window \(windowBits)")
            }
        }
    }

    /// RFC 7692 section 7.2.3: the examples of a message, a second one with context, stored and final blocks.
    @Test func examplesOfTheStandard() throws {
        let hello = Array("Hello".utf8)
        #expect(try deflated(hello) == [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00])
        let decoder = try #require(DeflateDecoder(windowBits: 15))
        defer { decoder.free() }
        #expect(inflated([0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], decoder).bytes == hello)
        #expect(inflated([0xf2, 0x00, 0x11, 0x00, 0x00], decoder).bytes == hello)
        let stored: [UInt8] = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]
        #expect(inflated(stored, decoder).bytes == hello)
        #expect(inflated([0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], decoder).bytes == hello)
        // The window outlives a final block.
        #expect(inflated([0xf2, 0x00, 0x11, 0x00, 0x00], decoder).bytes == hello)
        #expect(
            inflated([0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00], decoder).bytes
                == hello)
        // Without the empty block that the standard wants behind a final one.
        #expect(inflated([0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], decoder).bytes == hello)
        #expect(inflated([0x00], decoder).verdict == "message")
        #expect(inflated([], decoder).verdict == "message")
    }

    @Test func contextsAreTakenOverAndForgotten() throws {
        let encoder = try #require(DeflateEncoder(level: 6, windowBits: 12, memoryLevel: 5))
        let decoder = try #require(DeflateDecoder(windowBits: 12))
        defer {
            encoder.free()
            decoder.free()
        }
        let bytes = sample(700, seed: 5)
        let first = try #require(deflated(bytes, encoder))
        let second = try #require(deflated(bytes, encoder))
        #expect(second.count < first.count / 4)
        #expect(inflated(first, decoder).bytes == bytes)
        #expect(inflated(second, decoder).bytes == bytes)
        encoder.reset()
        #expect(deflated(bytes, encoder) == first)
        // One that refers to an earlier message says nothing to somebody who has not got it.
        decoder.reset()
        #expect(inflated(second, decoder).verdict == "malformed")
    }

    @Test func whatDoesNotShrinkIsRefused() throws {
        var random = Seeded(7)
        let noise = (0..<2_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let encoder = try #require(DeflateEncoder(level: 6, windowBits: 15, memoryLevel: 6))
        defer { encoder.free() }
        let owned = Owned(noise)
        var buffer = ByteBuffer()
        buffer.append("kept")
        #expect(!encoder.append(owned.view, countMax: noise.count - 1, to: &buffer))
        #expect(buffer.view == "kept")
        encoder.reset()
        #expect(encoder.append(owned.view, countMax: noise.count + 64, to: &buffer))
        #expect(try inflated(buffer.view.slice(from: 4).array).bytes == noise)
    }

    /// An encoder with a window of 9 bits never looks back further than a window of 8 bits reaches.
    @Test func theSmallestWindowIsKept() throws {
        for seed in 1...40 {
            let bytes = sample(3_000, seed: UInt64(seed))
            let wire = try deflated(bytes, windowBits: 8, level: 1 + seed % 9)
            let distance = try #require(FarthestDistance.of(wire))
            #expect(distance <= 256 && distance > 0)
            #expect(try #require(FarthestDistance.of(deflated(bytes, windowBits: 9))) <= 512)
            #expect(try #require(FarthestDistance.of(deflated(bytes, windowBits: 12))) <= 4_096)
        }
    }

    @Test func slicesMakeOneMessage() throws {
        let bytes = sample(200_000, seed: 3)
        let encoder = try #require(DeflateEncoder(level: 6, windowBits: 15, memoryLevel: 8))
        defer { encoder.free() }
        let owned = Owned(bytes)
        var output = ByteBuffer()
        var position = 0
        while true {
            let end = min(position + 10_000, bytes.count)
            let room = unsafe output.reserve(1_000)
            let step = unsafe encoder.encode(
                owned.view.slice(from: position, count: end - position), ends: end == bytes.count, to: room,
                capacity: 1_000)
            position += step.taken
            output.advance(by: step.written)
            if step.isDone && position == bytes.count { break }
        }
        output.truncate(to: output.count - DeflateEncoder.tailCount)
        #expect(try inflated(output.view.array).bytes == bytes)
    }

    // MARK: Attacks

    @Test func bombsStopAtTheBound() throws {
        for count in [10_000, 1 << 20, 6 << 20] {
            let bomb = try deflated([UInt8](repeating: 0x20, count: count))
            for limit in [1, 512, 10_000, 65_536] where limit < count {
                #expect(try verdict(bomb, limit: limit) == "too big")
            }
            #expect(try verdict(bomb, limit: count - 1) == "too big")
            #expect(try inflated(bomb, limit: count).bytes.count == count)
        }
    }

    /// However much would come out, memory grows with the bound only.
    @Test func bombsTakeLittleMemory() throws {
        let bomb = Owned(try deflated([UInt8](repeating: 0x20, count: 6 << 20)))
        let decoder = try #require(DeflateDecoder(windowBits: 15))
        defer { decoder.free() }
        var pool = BlockPool()
        var block = Block()
        #expect(decoder.inflate(bomb.view, limit: 10_000, into: &block, pool: &pool) == .tooBig)
        #expect(pool.outstandingBytes <= 16 << 10)
        pool.give(&block)
    }

    @Test func garbageIsMalformed() throws {
        let bytes = sample(2_000, seed: 9)
        let whole = try deflated(bytes)
        for cut in stride(from: 1, to: whole.count - 1, by: 7) {
            #expect(try verdict(Array(whole.prefix(cut))) == "malformed", "cut at \(cut)")
        }
        let wrong: [[UInt8]] = [
            [0x06], [0x07], [0xFF], [0xFF, 0xFF, 0xFF], [0x04, 0x00], [0xED, 0xFD],
            // A stored block whose length and its complement differ, and one that is cut.
            [0x00, 0x09, 0x00, 0xF6, 0xFE, 0x41], [0x00, 0x09, 0x00, 0xF6, 0xFF, 0x41],
            // A distance before the beginning.
            [0x4B, 0x04, 0x61, 0x00, 0x00],
        ]
        for bytes in wrong { #expect(try verdict(bytes) == "malformed", "\(bytes)") }
        // Whatever it is: a verdict, and the decoder is of use again.
        let decoder = try #require(DeflateDecoder(windowBits: 15))
        defer { decoder.free() }
        var random = Seeded(11)
        for _ in 0..<3_000 {
            var mutated = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                mutated[Int.random(in: 0..<mutated.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = inflated(mutated, limit: 3_000, decoder)
            decoder.reset()
        }
        #expect(inflated(whole, decoder).bytes == bytes)
    }

    @Test func emptyAndStoredBlocks() throws {
        let empty: [UInt8] = [0x00, 0x00, 0x00, 0xFF, 0xFF]
        let many = Array(repeatElement(empty, count: 2_000).joined()) + [0x00]
        #expect(try inflated(many).bytes == [])
        let one: [UInt8] = [0x00, 0x01, 0x00, 0xFE, 0xFF, 0x41]
        let stored = Array(repeatElement(one, count: 500).joined()) + [0x00]
        #expect(try inflated(stored).bytes == [UInt8](repeating: 0x41, count: 500))
        #expect(try verdict(stored, limit: 499) == "too big")
        // The bound first, whatever comes behind it.
        #expect(try verdict(stored.dropLast() + [0x07], limit: 100) == "too big")
        #expect(try verdict(stored.dropLast() + [0x07], limit: 500) == "malformed")
    }
}

/// The farthest distance in a message, found by a reader of its own.
private struct FarthestDistance {
    private let bytes: [UInt8]
    private var position = 0
    private var farthest = 0

    static func of(_ message: [UInt8]) -> Int? {
        var reader = FarthestDistance(bytes: message + [0x00, 0x00, 0xFF, 0xFF])
        return reader.run() ? reader.farthest : nil
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func bits(_ count: Int) -> Int? {
        var value = 0
        for index in 0..<count {
            if position / 8 >= bytes.count { return nil }
            value |= Int(bytes[position / 8] >> UInt8(position % 8) & 1) << index
            position += 1
        }
        return value
    }

    private mutating func run() -> Bool {
        while bytes.count * 8 - position >= 3 {
            guard let head = bits(3) else { return false }
            switch head >> 1 {
            case 0:
                position = (position + 7) / 8 * 8
                guard let count = bits(16), bits(16) != nil else { return false }
                position += count * 8
            case 1:
                var lengths = [Int](repeating: 8, count: 288)
                for index in 144..<256 { lengths[index] = 9 }
                for index in 256..<280 { lengths[index] = 7 }
                if !codes(lengths, [Int](repeating: 5, count: 32)) { return false }
            case 2:
                guard let (literals, distances) = tables(), codes(literals, distances) else { return false }
            default: return false
            }
        }
        return true
    }

    private mutating func tables() -> ([Int], [Int])? {
        guard let literalCount = bits(5), let distanceCount = bits(5), let codeCount = bits(4) else { return nil }
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        var meta = [Int](repeating: 0, count: 19)
        for index in 0..<codeCount + 4 {
            guard let length = bits(3) else { return nil }
            meta[order[index]] = length
        }
        let table = Self.table(meta)
        var lengths: [Int] = []
        while lengths.count < literalCount + 257 + distanceCount + 1 {
            guard let symbol = symbol(table) else { return nil }
            switch symbol {
            case 16:
                guard let more = bits(2), let last = lengths.last else { return nil }
                lengths += [Int](repeating: last, count: more + 3)
            case 17: lengths += [Int](repeating: 0, count: (bits(3) ?? 0) + 3)
            case 18: lengths += [Int](repeating: 0, count: (bits(7) ?? 0) + 11)
            default: lengths.append(symbol)
            }
        }
        return (Array(lengths.prefix(literalCount + 257)), Array(lengths.dropFirst(literalCount + 257)))
    }

    private static func table(_ lengths: [Int]) -> [Int: Int] {
        var table: [Int: Int] = [:]
        var code = 0
        for length in 1...15 {
            for (symbol, own) in lengths.enumerated() where own == length {
                table[length << 16 | code] = symbol
                code += 1
            }
            code <<= 1
        }
        return table
    }

    private mutating func symbol(_ table: [Int: Int]) -> Int? {
        var code = 0
        for length in 1...15 {
            guard let bit = bits(1) else { return nil }
            code = code << 1 | bit
            if let symbol = table[length << 16 | code] { return symbol }
        }
        return nil
    }

    private mutating func codes(_ literals: [Int], _ distances: [Int]) -> Bool {
        let literalTable = Self.table(literals)
        let distanceTable = Self.table(distances)
        while true {
            guard let literal = symbol(literalTable) else { return false }
            if literal == 256 { return true }
            if literal < 256 { continue }
            let lengthIndex = literal - 257
            if lengthIndex >= 8 && lengthIndex < 28 { _ = bits((lengthIndex - 4) / 4) }
            guard let index = symbol(distanceTable) else { return false }
            let extraCount = index < 4 ? 0 : (index - 2) / 2
            guard let extra = bits(extraCount) else { return false }
            let base = index < 4 ? index + 1 : 1 + (2 + index % 2) << extraCount
            farthest = max(farthest, base + extra)
        }
    }
}
