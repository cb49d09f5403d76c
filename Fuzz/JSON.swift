import ClarionBytes
import ClarionWire

// JSON: no input traps; an accepted text is walked, written again from what was read, accepted again, and written the
// same; strings survive being wrapped into strings; raising the depth limit changes no other verdict.

/// Writes `value` from what the readers say. Recursion is bounded by the depth that was accepted.
private func rewrite(_ value: JSONValue, to buffer: inout ByteBuffer) {
    switch value.kind {
    case .object:
        buffer.append("{")
        var isFirst = true
        var members = JSONMembers(value)
        while let member = members.next() {
            if !isFirst { buffer.append(",") }
            isFirst = false
            rewrite(member.key, to: &buffer)
            buffer.append(":")
            rewrite(member.value, to: &buffer)
        }
        require(isFirst == value.isEmptyContainer, "an object empty and not")
        buffer.append("}")
    case .array:
        buffer.append("[")
        var isFirst = true
        var elements = JSONElements(value)
        while let element = elements.next() {
            if !isFirst { buffer.append(",") }
            isFirst = false
            rewrite(element, to: &buffer)
        }
        require(isFirst == value.isEmptyContainer, "an array empty and not")
        buffer.append("]")
    case .string: rewriteString(value, to: &buffer)
    default: buffer.append(value.raw)
    }
}

private func rewriteString(_ value: JSONValue, to buffer: inout ByteBuffer) {
    var text = ByteBuffer(capacity: 16)
    guard value.appendUnescaped(to: &text) else {
        require(text.isEmpty, "bytes of a refused string")
        return buffer.append(value.raw)
    }
    require(text.count == value.unescapedCount, "two lengths of one string")
    require(value.equals(text.view), "a string that differs from itself")
    require(value.hasEscapes || sameBytes(text.view, value.content), "content is not the text")
    JSONWriter.append(string: text.view, to: &buffer)
}

private func fuzz(_ input: ByteView) {
    let deep = JSON.parseResult(input, depthMax: JSON.depthLimit)
    switch (JSON.parseResult(input), deep) {
    case (.value(let usual), .value(let value)): require(sameBytes(usual.raw, value.raw), "two values")
    case (.failure(.tooDeep), _), (.failure(.malformed), .failure(.malformed)): break
    default: fatalError("the depth limit changes the verdict")
    }
    guard case .value(let value) = deep else { return }
    var first = ByteBuffer(capacity: 64)
    rewrite(value, to: &first)
    let copy = Exact(first.view)
    guard let again = JSON.parse(copy.view, depthMax: JSON.depthLimit) else {
        fatalError("what was written is no JSON")
    }
    require(again.kind == value.kind && sameBytes(again.raw, copy.view), "another value")
    var second = ByteBuffer(capacity: 64)
    rewrite(again, to: &second)
    require(sameBytes(second.view, copy.view), "writing is not stable")
    _ = value.member("a")
    _ = value.member(ignoringCase: "event")
    _ = value.integer
    var wrapped = ByteBuffer(capacity: 64)
    JSONWriter.append(stringified: value.raw, to: &wrapped)
    let string = Exact(wrapped.view)
    require(JSON.parse(string.view)?.equals(value.raw) == true, "wrapping loses something")
}

@c(LLVMFuzzerTestOneInput)
public func fuzzJSON(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    unsafe fuzz(ByteView(base: bytes, count: count))
    return 0
}
