import ClarionBytes
import ClarionWire

// permessage-deflate: any field of offers gets an answer that is an offer itself; any bytes are inflated within their
// bound or refused, in pieces of any size alike, and what came out goes through the encoder and back.
// The first byte chooses what the rest is.

private let windows = [8, 9, 12, 15]

private func checkOffer(_ value: ByteView) {
    guard let offer = offered(by: value) else { return }
    for agreement in [
        DeflateAgreement.shared(offer, windows: windows), DeflateAgreement.dedicated(offer, windowBits: 12),
    ] {
        require((8...15).contains(agreement.serverWindowBits), "a window of \(agreement.serverWindowBits) bits")
        require((8...15).contains(agreement.clientWindowBits), "a window of \(agreement.clientWindowBits) bits")
        require(agreement.serverWindowBits <= offer.serverWindowBitsMax ?? 15, "a larger window than offered")
        require(!offer.serverNoContextTakeover || !agreement.serverTakesOver, "takes over what it must not")
        var answer = ByteBuffer()
        agreement.append(to: &answer)
        require(offered(by: answer.view) != nil, "the answer is not legal")
    }
}

private func offered(by value: ByteView) -> DeflateOffer? {
    var head = ByteBuffer()
    head.append("GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Extensions: ")
    head.append(value)
    head.append("\r\n\r\n")
    let exact = Exact(head.view)
    guard case .head(let parsed) = unsafe HTTPHead.parse(exact.base, count: exact.count, limits: HTTPLimits()) else {
        return nil
    }
    return DeflateOffer.first(in: parsed)
}

private func checkInflating(_ payload: ByteView, limit: Int, windowBits: Int) {
    guard let decoder = DeflateDecoder(windowBits: windowBits) else { return }
    defer { decoder.free() }
    var pool = BlockPool()
    var block = Block()
    defer { pool.give(&block) }
    let exact = Exact(payload)
    let verdict = decoder.inflate(exact.view, limit: limit, into: &block, pool: &pool)
    require(pool.outstandingBytes <= 4 * (limit + DeflateDecoder.stepBytes), "more memory than the bound allows")
    guard case .message(let count) = verdict else {
        // It is of use again.
        decoder.reset()
        let empty = Exact(ByteView("\u{0}"))
        require(decoder.inflate(empty.view, limit: 1, into: &block, pool: &pool) == .message(0), "it is broken")
        return
    }
    require(count <= limit, "\(count) bytes with a bound of \(limit)")
    guard count > 0, let base = unsafe block.base else { return }
    let plain = unsafe Exact(ByteView(base: base, count: count))
    checkRoundTrip(plain.view, windowBits: windowBits)
}

private func checkRoundTrip(_ plain: ByteView, windowBits: Int) {
    guard let encoder = DeflateEncoder(level: 6, windowBits: windowBits, memoryLevel: 5),
        let decoder = DeflateDecoder(windowBits: windowBits)
    else { return }
    defer {
        encoder.free()
        decoder.free()
    }
    var pool = BlockPool()
    // Twice: the second message refers to the first.
    for _ in 0..<2 {
        var wire = ByteBuffer()
        require(
            encoder.append(plain, countMax: plain.count + plain.count / 8 + 64, to: &wire), "it does not fit")
        var block = Block()
        let exact = Exact(wire.view)
        let verdict = decoder.inflate(exact.view, limit: plain.count, into: &block, pool: &pool)
        require(verdict == .message(plain.count), "\(verdict) of \(plain.count) bytes")
        if let base = unsafe block.base, plain.count > 0 {
            require(unsafe sameBytes(ByteView(base: base, count: plain.count), plain), "other bytes come out")
        }
        pool.give(&block)
    }
}

private func fuzz(_ input: ByteView) {
    if input.isEmpty { return }
    let rest = input.slice(from: 1)
    let choice = Int(input[0])
    switch choice % 3 {
    case 0: checkOffer(rest)
    case 1: checkInflating(rest, limit: [0, 1, 100, 10_000, 1 << 20][choice / 3 % 5], windowBits: 8 + choice % 8)
    default: checkRoundTrip(rest, windowBits: 8 + choice % 8)
    }
}

@c(LLVMFuzzerTestOneInput)
public func fuzzDeflate(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    unsafe fuzz(ByteView(base: bytes, count: count))
    return 0
}
