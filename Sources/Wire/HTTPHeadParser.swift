import ClarionBytes

/// One reading of a request head: request line, field lines, then what the fields mean together.
///
/// Invariant: `position` is the start of a line, and everything in front of it was checked.
@safe struct HTTPHeadParser {
    /// Points to `count` readable bytes of the caller, valid during the call.
    private let bytes: UnsafePointer<UInt8>
    private let count: Int
    private let limits: HTTPLimits
    private var position = 0

    private var hostCount = 0
    private var contentLengthCount = 0
    private var transferEncodingCount = 0
    private var saysClose = false
    private var saysKeepAlive = false

    init(bytes: UnsafePointer<UInt8>, count: Int, limits: HTTPLimits) {
        unsafe self.bytes = unsafe bytes
        self.count = count
        self.limits = limits
    }

    /// What one step found: nil inside means "go on".
    private enum Line {
        case line(ByteView)
        case stop(HTTPHeadResult)
    }

    mutating func run() -> HTTPHeadResult {
        var head: HTTPHead
        switch nextLine(bytesMax: limits.requestLineBytesMax, isField: false) {
        case .stop(let result): return result
        case .line(let line):
            switch HTTPHeadParser.requestLine(line) {
            case .head(let started): head = started
            case let other: return other
            }
        }
        let fieldsStart = position
        var fieldCount = 0
        while true {
            if position < count, unsafe bytes[position] != 0x0D, fieldCount == limits.fieldsMax {
                return .refused(status: 431, reason: "too many header fields")
            }
            switch nextLine(bytesMax: limits.fieldLineBytesMax, isField: true) {
            case .stop(let result): return result
            case .line(let line):
                if line.isEmpty {
                    let fieldBytes = position - 2 - fieldsStart
                    head.fieldLines = unsafe ByteView(base: bytes + fieldsStart, count: fieldBytes)
                    head.headByteCount = position
                    return finish(head)
                }
                fieldCount += 1
                if let refusal = take(line, into: &head) { return refusal }
            }
        }
    }

    /// The line at `position`, which moves behind its line end. Only CR LF ends a line; no other control character may
    /// stand in one, except a tab in a field.
    private mutating func nextLine(bytesMax: Int, isField: Bool) -> Line {
        let start = position
        var stop = start
        let windowEnd = min(count, start + bytesMax + 1)
        while true {
            stop = unsafe ByteScan.control(bytes, from: stop, to: windowEnd)
            if isField, stop < windowEnd, unsafe bytes[stop] == 0x09 {
                stop += 1
                continue
            }
            break
        }
        if stop == windowEnd {
            if stop - start <= bytesMax { return .stop(.needMore) }
            return .stop(
                isField
                    ? .refused(status: 431, reason: "header field too large")
                    : .refused(status: 414, reason: "request line too long"))
        }
        if unsafe bytes[stop] != 0x0D {
            return .stop(.refused(status: 400, reason: "control character in request head"))
        }
        if stop + 1 == count { return .stop(.needMore) }
        if unsafe bytes[stop + 1] != 0x0A {
            return .stop(.refused(status: 400, reason: "bare carriage return in request head"))
        }
        position = stop + 2
        return .line(unsafe ByteView(base: bytes + start, count: stop - start))
    }

    /// method SP target SP HTTP/1.x (RFC 9112 section 3), exactly one space each.
    private static func requestLine(_ line: ByteView) -> HTTPHeadResult {
        let malformed = HTTPHeadResult.refused(status: 400, reason: "malformed request line")
        guard let methodEnd = line.firstIndex(of: 0x20) else { return malformed }
        let method = line.slice(from: 0, count: methodEnd)
        if !HTTPSyntax.isToken(method) { return malformed }
        let rest = line.slice(from: methodEnd + 1)
        guard let targetEnd = rest.firstIndex(of: 0x20) else { return malformed }
        let target = rest.slice(from: 0, count: targetEnd)
        let version = rest.slice(from: targetEnd + 1)
        if version.count != 8 || !version.hasPrefix("HTTP/") || version[6] != 0x2E { return malformed }
        guard let major = HTTPSyntax.digit(version[5]), let minor = HTTPSyntax.digit(version[7]) else {
            return malformed
        }
        if major != 1 { return .refused(status: 505, reason: "HTTP version not supported") }
        if target.isEmpty || target[0] != 0x2F {
            return .refused(status: 400, reason: "request target must be in origin form")
        }
        if !HTTPSyntax.isTarget(target) { return .refused(status: 400, reason: "invalid character in request target") }
        let pathCount = target.firstIndex(of: 0x3F) ?? target.count
        return .head(
            HTTPHead(
                method: method, target: target, path: target.slice(from: 0, count: pathCount),
                query: target.slice(from: pathCount + 1), minorVersion: min(minor, 1)))
    }

    /// Checks one field line and notes what it says about the message; a refusal, or nil.
    private mutating func take(_ line: ByteView, into head: inout HTTPHead) -> HTTPHeadResult? {
        let colon = unsafe ByteScan.first(0x3A, in: line.base, from: 0, to: line.count)
        let name = line.slice(from: 0, count: colon)
        // Also catches a folded line and white space before the colon: neither is a token character.
        if colon == line.count || !HTTPSyntax.isToken(name) {
            return .refused(status: 400, reason: "malformed header field")
        }
        let value = HTTPSyntax.trimmed(line.slice(from: colon + 1))
        switch name.count {
        case 4 where name.equalsIgnoringCase("host"):
            hostCount += 1
            if hostCount > 1 || !HTTPSyntax.isHost(value) { return .refused(status: 400, reason: "invalid Host") }
            head.host = value
        case 6 where name.equalsIgnoringCase("expect"):
            if !value.equalsIgnoringCase("100-continue") {
                return .refused(status: 417, reason: "expectation not supported")
            }
            head.expectsContinue = head.minorVersion >= 1
        case 10 where name.equalsIgnoringCase("connection"):
            if HTTPTokens.contains("close", in: value) { saysClose = true }
            if HTTPTokens.contains("keep-alive", in: value) { saysKeepAlive = true }
        case 14 where name.equalsIgnoringCase("content-length"):
            contentLengthCount += 1
            guard contentLengthCount == 1, let length = HTTPSyntax.length(value) else {
                return .refused(status: 400, reason: "invalid Content-Length")
            }
            head.contentLength = length
        case 17 where name.equalsIgnoringCase("transfer-encoding"):
            transferEncodingCount += 1
            if transferEncodingCount > 1 || !value.equalsIgnoringCase("chunked") || head.minorVersion == 0 {
                return .refused(status: 400, reason: "invalid Transfer-Encoding")
            }
            head.isChunked = true
        default: break
        }
        return nil
    }

    /// What only the whole head can tell.
    private func finish(_ head: HTTPHead) -> HTTPHeadResult {
        if hostCount == 0 && head.minorVersion >= 1 { return .refused(status: 400, reason: "missing Host") }
        if contentLengthCount > 0 && transferEncodingCount > 0 {
            return .refused(status: 400, reason: "both Content-Length and Transfer-Encoding")
        }
        var head = head
        head.keepsAlive = !saysClose && (head.minorVersion >= 1 || saysKeepAlive)
        return .head(head)
    }
}
