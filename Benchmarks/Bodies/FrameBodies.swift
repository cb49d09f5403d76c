import ClarionBytes
import ClarionWire

// RFC 6455 frames: reading their heads, unmasking, writing them.

let frameBodies: [BenchmarkBody] = [
    parseBody("wire-frame-parse-64", payloadBytes: 64),
    parseBody("wire-frame-parse-4k", payloadBytes: 4096),
    unmaskBody("wire-unmask-64", byteCount: 64, iterations: 50_000),
    unmaskBody("wire-unmask-4k", byteCount: 4096, iterations: 5_000),
    encodeBody("wire-frame-encode-64", payloadBytes: 64, iterations: 50_000),
    encodeBody("wire-frame-encode-16k", payloadBytes: 16 << 10, iterations: 1_000),
]

/// Heads of masked frames, one after the other, each at another place of the buffer.
private func parseBody(_ name: String, payloadBytes: Int) -> BenchmarkBody {
    BenchmarkBody(name, "frame", iterations: 100_000) {
        let frame = Inputs.clientFrame(Inputs.ascii(payloadBytes))
        let stream = StaticBytes(frame + frame + frame + frame)
        let step = frame.count
        return { iterations in
            var sum = 0
            for index in 0..<iterations {
                let start = (index & 3) * step
                let result = unsafe FrameHeader.parse(
                    stream.base + start, count: stream.count - start, fromClient: true, rsv1Allowed: false)
                if case .header(let header) = result { sum &+= header.payloadCount &+ Int(header.maskKey & 1) }
            }
            return sum
        }
    }
}

private func unmaskBody(_ name: String, byteCount: Int, iterations: Int) -> BenchmarkBody {
    BenchmarkBody(name, "frame", iterations: iterations) {
        let payload = StaticBytes(Inputs.ascii(byteCount))
        return { iterations in
            for index in 0..<iterations {
                unsafe Masking.apply(
                    payload.base, count: payload.count, key: Inputs.maskKey &+ UInt32(truncatingIfNeeded: index),
                    phase: 0)
            }
            return unsafe Int(payload.base[byteCount / 2])
        }
    }
}

private func encodeBody(_ name: String, payloadBytes: Int, iterations: Int) -> BenchmarkBody {
    BenchmarkBody(name, "frame", iterations: iterations) {
        let payload = StaticBytes(Inputs.ascii(payloadBytes))
        let target = BufferBox(capacity: payloadBytes + FrameHeader.headerCountMax)
        return { iterations in
            var sum = 0
            for _ in 0..<iterations {
                target.buffer.removeAll()
                FrameWriter.append(frame: Opcode.text, payload: payload.view, to: &target.buffer)
                sum &+= Int(target.buffer.view[1])
            }
            return sum
        }
    }
}

/// A buffer that a closure can keep.
final class BufferBox {
    var buffer: ByteBuffer

    init(capacity: Int) { buffer = ByteBuffer(capacity: capacity) }
}
