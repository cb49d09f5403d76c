import ClarionBytes
import ClarionWire

// Heads, and what is read from them: verdicts do not depend on cuts, views stay inside, what is read is written and
// read again as the same; chunked bodies and percent-encoding on the bytes behind.

private func summary(_ result: HTTPHeadResult) -> String? {
    switch result {
    case .needMore: return nil
    case .refused(let status, let reason): return "\(status) \(reason)"
    case .head(let head):
        let framing = "\(head.contentLength ?? -1) \(head.isChunked) \(head.keepsAlive)"
        return "\(head.headByteCount) \(framing) \(head.minorVersion)"
    }
}

private func rewrite(_ head: HTTPHead, to buffer: inout ByteBuffer) {
    buffer.append(head.method)
    buffer.append(" ")
    buffer.append(head.target)
    buffer.append(head.minorVersion == 0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n")
    var fields = HTTPFields(head)
    while let field = fields.next() {
        buffer.append(field.name)
        buffer.append(": ")
        buffer.append(field.value)
        buffer.append("\r\n")
    }
    buffer.append("\r\n")
}

private func checkHead(_ head: HTTPHead, whole: ByteView) {
    require(head.headByteCount <= whole.count, "a head longer than its bytes")
    require(head.path.count + head.query.count <= head.target.count, "parts longer than the target")
    require(head.contentLength == nil || !head.isChunked, "two framings")
    var buffer = ByteBuffer(capacity: 64)
    rewrite(head, to: &buffer)
    let copy = Exact(buffer.view)
    let roomy = HTTPLimits(headBytesMax: 1 << 20, requestLineBytesMax: 1 << 16, fieldLineBytesMax: 1 << 16)
    guard case .head(let again) = unsafe HTTPHead.parse(copy.base, count: copy.count, limits: roomy) else {
        fatalError("what was written is no head")
    }
    require(again.headByteCount == copy.count, "the head ends elsewhere")
    require(sameBytes(again.target, head.target) && sameBytes(again.host, head.host), "other views")
    require(
        again.contentLength == head.contentLength && again.isChunked == head.isChunked
            && again.keepsAlive == head.keepsAlive && again.expectsContinue == head.expectsContinue, "another meaning")
    if case .accept = Upgrade.judge(head) {
        require(head.method == "GET" && head.minorVersion == 1 && !head.isChunked, "an upgrade of a wrong request")
        guard case .accept = Upgrade.judge(again) else { fatalError("another verdict on the upgrade") }
    }
    checkTarget(head)
}

private func checkTarget(_ head: HTTPHead) {
    var buffer = ByteBuffer(capacity: 64)
    if PercentEncoding.appendDecodedPath(head.path, to: &buffer) {
        require(buffer.count <= head.path.count, "a decoded path that grew")
        require(String(validating: buffer.view.array, as: UTF8.self) != nil, "a path that is not UTF-8")
    } else {
        require(buffer.isEmpty, "bytes of a refused path")
    }
    var query = Query(head.query)
    while let parameter = query.next() {
        buffer.removeAll()
        let isDecoded = PercentEncoding.appendDecoded(parameter.value, plusIsSpace: true, to: &buffer)
        require(isDecoded == PercentEncoding.isDecodable(parameter.value), "two answers on one escape")
        require(isDecoded || buffer.isEmpty, "bytes of a refused value")
    }
}

/// How a body ended, and what it was.
private func decodeBody(_ bytes: ByteView, lengths: [Int]) -> (ending: String, body: [UInt8]) {
    var decoder = ChunkedBody(bodyBytesMax: 512, extensionBytesMax: 16)
    var body = ByteBuffer(capacity: 1)
    var position = 0
    for length in lengths {
        let piece = Exact(bytes.slice(from: position, count: length))
        switch unsafe decoder.decode(piece.base, count: piece.count, into: &body) {
        case .needMore: position += length
        case .done(let consumed): return ("done at \(position + consumed)", body.view.array)
        case .refused(let status): return ("refused \(status)", body.view.array)
        }
    }
    return ("more", body.view.array)
}

private func fuzz(_ input: ByteView) {
    // Small limits, so that short inputs reach them.
    let limits = HTTPLimits(headBytesMax: 512, requestLineBytesMax: 96, fieldLineBytesMax: 128, fieldsMax: 8)
    let whole = unsafe HTTPHead.parse(input.base, count: input.count, limits: limits)
    let expected = summary(whole)
    for cut in cuts(of: input.count) {
        let part = Exact(input.slice(from: 0, count: cut))
        if let verdict = summary(unsafe HTTPHead.parse(part.base, count: cut, limits: limits)) {
            require(verdict == expected, "\(verdict) after \(cut) bytes, \(expected ?? "more") after all")
        }
    }
    var bodyStart = 0
    if case .head(let head) = whole {
        checkHead(head, whole: input)
        bodyStart = head.headByteCount
    }
    let rest = input.slice(from: bodyStart)
    let inOne = decodeBody(rest, lengths: [rest.count])
    let cut = decodeBody(rest, lengths: pieces(of: rest.count, seed: rest.isEmpty ? 0 : rest[rest.count - 1]))
    if !rest.isEmpty { require(inOne == cut, "\(inOne.ending) in one, \(cut.ending) in pieces") }
    require(inOne.body.count <= 512, "a body over its bound")
}

@c(LLVMFuzzerTestOneInput)
public func fuzzHTTPHead(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    unsafe fuzz(ByteView(base: bytes, count: count))
    return 0
}
