import ClarionBytes
import ClarionWire

// permessage-deflate: a message that stands alone, both ways.

let deflateBodies: [BenchmarkBody] = [
    BenchmarkBody("wire-deflate-512", "message", iterations: 2_000) {
        let message = StaticBytes(Inputs.json(512))
        guard let encoder = DeflateEncoder(level: 6, windowBits: 15, memoryLevel: 8) else {
            preconditionFailure("no memory for an encoder")
        }
        return { iterations in
            var buffer = ByteBuffer(capacity: 1024)
            var sum = 0
            for _ in 0..<iterations {
                buffer.removeAll()
                encoder.reset()
                precondition(encoder.append(message.view, countMax: message.count, to: &buffer), "it shrinks")
                sum &+= buffer.view.count
            }
            return sum
        }
    },
    BenchmarkBody("wire-inflate-512", "message", iterations: 2_000) {
        let inflater = Inflater(Inputs.json(512))
        return { iterations in inflater.run(iterations) }
    },
]

/// A compressed message, and what reads it.
private final class Inflater {
    private let decoder: DeflateDecoder
    private let compressed: StaticBytes
    private let limit: Int
    private var block = Block()
    private var pool = BlockPool()

    init(_ message: [UInt8]) {
        var buffer = ByteBuffer(capacity: 1024)
        guard let encoder = DeflateEncoder(level: 6, windowBits: 15, memoryLevel: 8),
            encoder.append(StaticBytes(message).view, countMax: message.count, to: &buffer),
            let decoder = DeflateDecoder(windowBits: 15)
        else { preconditionFailure("no memory for streams") }
        encoder.free()
        compressed = StaticBytes(buffer.view.array)
        self.decoder = decoder
        limit = message.count
    }

    func run(_ iterations: Int) -> Int {
        var sum = 0
        for _ in 0..<iterations {
            decoder.reset()
            guard case .message(let count) = decoder.inflate(compressed.view, limit: limit, into: &block, pool: &pool)
            else { preconditionFailure("the message cannot be read") }
            sum &+= count
        }
        return sum
    }
}
