import ClarionBytes
import ClarionWire

// Frames: verdicts do not depend on cuts, headers are written as they were read, unmasking agrees with its definition,
// UTF-8 gets one verdict whole, in pieces, and from the standard library. The first byte chooses the settings.

private func checkHeader(_ header: FrameHeader, _ bytes: ByteView) {
    require(header.headerCount >= 2 && header.headerCount <= FrameHeader.headerCountMax, "a header of no length")
    require(header.payloadCount >= 0 && header.payloadCount <= FrameHeader.payloadCountMax, "an impossible length")
    var buffer = ByteBuffer(capacity: 64)
    let target = unsafe buffer.reserve(FrameHeader.headerCountMax)
    let written = unsafe FrameWriter.writeHeader(
        opcode: header.opcode, isFinal: header.isFinal, rsv1: header.rsv == FrameHeader.rsv1,
        payloadCount: header.payloadCount, maskKey: header.isMasked ? header.maskKey : nil, to: target)
    buffer.advance(by: written)
    require(sameBytes(buffer.view, bytes.slice(from: 0, count: header.headerCount)), "another header is written")
}

private func checkPayload(_ header: FrameHeader, _ payload: ByteView, seed: UInt8) {
    let plain = Exact(payload)
    if header.isMasked {
        let start = Int(seed) % (plain.count + 1)
        unsafe Masking.apply(plain.base, count: start, key: header.maskKey, phase: 0)
        unsafe Masking.apply(plain.base + start, count: plain.count - start, key: header.maskKey, phase: start)
        for index in 0..<plain.count {
            let key = UInt8(truncatingIfNeeded: header.maskKey.littleEndian >> UInt32(8 * (index & 3)))
            require(plain.view[index] == payload[index] ^ key, "wrong mask at \(index)")
        }
    }
    let isText = String(validating: plain.view.array, as: UTF8.self) != nil
    require(unsafe UTF8Stream.isValid(plain.base, count: plain.count) == isText, "UTF-8 in one")
    var stream = UTF8Stream()
    var position = 0
    var isAccepted = true
    for length in pieces(of: plain.count, seed: seed) {
        let piece = Exact(plain.view.slice(from: position, count: length))
        isAccepted = unsafe stream.consume(piece.base, count: length)
        if !isAccepted { break }
        position += length
    }
    require((isAccepted && stream.isComplete) == isText, "UTF-8 in pieces")
    if header.opcode == Opcode.close { checkClose(plain.view) }
}

private func checkClose(_ payload: ByteView) {
    guard case .code(let code, let reason) = ClosePayload.parse(payload) else { return }
    var buffer = ByteBuffer(capacity: 64)
    FrameWriter.appendClose(code: code, reason: reason, to: &buffer)
    require(sameBytes(buffer.view.slice(from: 2), payload), "another close frame is written")
}

private func fuzz(_ input: ByteView) {
    if input.isEmpty { return }
    let fromClient = input[0] & 1 != 0
    let rsv1Allowed = input[0] & 2 != 0
    var rest = input.slice(from: 1)
    while !rest.isEmpty {
        let whole = unsafe FrameHeader.parse(
            rest.base, count: rest.count, fromClient: fromClient, rsv1Allowed: rsv1Allowed)
        for cut in 0..<min(rest.count, FrameHeader.headerCountMax) {
            let part = Exact(rest.slice(from: 0, count: cut))
            let verdict = unsafe FrameHeader.parse(
                part.base, count: cut, fromClient: fromClient, rsv1Allowed: rsv1Allowed)
            if verdict == .needMore { continue }
            require(verdict == whole, "\(verdict) after \(cut) bytes, \(whole) after all")
        }
        guard case .header(let header) = whole else { return }
        checkHeader(header, rest)
        let payload = rest.slice(from: header.headerCount, count: header.payloadCount)
        checkPayload(header, payload, seed: input[0])
        if payload.count < header.payloadCount { return }
        rest = rest.slice(from: header.headerCount + header.payloadCount)
    }
}

@c(LLVMFuzzerTestOneInput)
public func fuzzFrames(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    unsafe fuzz(ByteView(base: bytes, count: count))
    return 0
}
