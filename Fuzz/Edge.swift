import ClarionBytes
import ClarionLoop
import ClarionTransport
import ClarionWire

// What stands before HTTP, or says who is there: PROXY headers, the hello of TLS, addresses, URLs of endpoints. A
// verdict does not change with further bytes, and comes as early as it can be told.

private func proxy(_ bytes: ByteView) -> ProxyHeader { unsafe ProxyHeader.parse(bytes.base, count: bytes.count) }
private func hello(_ bytes: ByteView) -> ClientHello { unsafe ClientHello.scan(bytes.base, count: bytes.count) }

private func checkProxy(_ input: ByteView) {
    let whole = proxy(input)
    for cut in cuts(of: input.count) {
        let part = Exact(input.slice(from: 0, count: cut))
        let verdict = withExtendedLifetime(part) { proxy(part.view) }
        if verdict == .needMore { continue }
        require(verdict == whole, "PROXY: \(verdict) after \(cut) bytes, \(whole) after all")
    }
    switch whole {
    case .needMore: require(input.count < 232, "\(input.count) bytes are not enough for a PROXY header")
    case .header(let count, _): require(count > 0 && count <= input.count && count <= 232, "a header of \(count)")
    case .refused: return
    }
}

private func checkHello(_ input: ByteView) {
    let whole = hello(input)
    for cut in cuts(of: input.count) {
        let part = Exact(input.slice(from: 0, count: cut))
        let verdict = withExtendedLifetime(part) { hello(part.view) }
        guard case .needMore(let wanted) = verdict else {
            require(verdict == whole, "hello: \(verdict) after \(cut) bytes, \(whole) after all")
            continue
        }
        require(wanted > cut && wanted <= ClientHello.bytesMax, "\(wanted) wanted after \(cut)")
    }
}

private func checkText(_ input: ByteView) {
    let text = Exact(input)
    let bytes = unsafe UnsafeBufferPointer(start: text.base, count: text.count)
    if let address = withExtendedLifetime(text, { unsafe PeerAddress(text: bytes) }) {
        var shown = address.description
        let again = shown.withUTF8 { unsafe PeerAddress(text: $0) }
        require(again == address, "\(address) does not read as itself")
    }
    let string = String(decoding: input.array, as: UTF8.self)
    _ = AddressRange(string)
    if let network = IPNetwork(string) { require(!string.isEmpty, "\(network) of nothing") }
    if let url = EndpointURL(string) { require(EndpointURL(url.description) == url, "\(url) does not read as itself") }
}

private func fuzz(_ input: ByteView) {
    if input.isEmpty { return }
    let rest = input.slice(from: 1)
    switch input[0] % 3 {
    case 0: checkProxy(rest)
    case 1: checkHello(rest)
    default: checkText(rest)
    }
}

@c(LLVMFuzzerTestOneInput)
public func fuzzEdge(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    unsafe fuzz(ByteView(base: bytes, count: count))
    return 0
}
