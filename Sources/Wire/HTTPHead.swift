public import ClarionBytes

/// What the bytes at the start of a connection say.
public enum HTTPHeadResult {
    /// Right so far, and not whole: call again with all bytes so far and more.
    case needMore
    case head(HTTPHead)
    /// To be answered with `status`, and the connection closed: what follows cannot be trusted to be a request.
    case refused(status: Int, reason: StaticString)
}

/// The head of an HTTP/1.1 request (RFC 9112), read strictly: what two readers could understand differently is refused.
///
/// All views point into the bytes it was parsed from and are valid as long as those are.
public struct HTTPHead {
    /// A token, as sent: methods are case-sensitive.
    public internal(set) var method: ByteView
    /// The request target in origin form: begins with "/", visible ASCII, no fragment.
    public internal(set) var target: ByteView
    /// The target up to its "?", not decoded.
    public internal(set) var path: ByteView
    /// The target behind its first "?", not decoded; empty without one.
    public internal(set) var query: ByteView
    /// 0 or 1 (a higher minor version counts as 1).
    public internal(set) var minorVersion: Int
    /// Bytes of the head, its empty line included; what follows is the body.
    public internal(set) var headByteCount: Int = 0
    /// The length of the body when a field states it; never together with `isChunked`.
    public internal(set) var contentLength: Int?
    /// The body comes in chunks (RFC 9112 section 7.1).
    public internal(set) var isChunked = false
    /// Whether the peer wants to send another request on this connection.
    public internal(set) var keepsAlive = false
    /// The Host field's value; empty when an HTTP/1.0 request has none.
    public internal(set) var host = ByteView("")
    /// The client waits for "100 Continue" before it sends the body (RFC 9110 section 10.1.1).
    public internal(set) var expectsContinue = false
    /// The field lines, each with its line end, checked.
    var fieldLines = ByteView("")

    /// Reads a head from `count` readable bytes that begin with the request line.
    ///
    /// The first fault in the order of the bytes decides, as soon as it is certain, so the verdict is the same however
    /// the bytes arrived. Linear; reads again from the start at each call.
    public static func parse(_ bytes: UnsafePointer<UInt8>, count: Int, limits: HTTPLimits) -> HTTPHeadResult {
        var parser = unsafe HTTPHeadParser(bytes: bytes, count: min(count, limits.headBytesMax), limits: limits)
        let result = parser.run()
        if case .needMore = result, count >= limits.headBytesMax {
            return .refused(status: 431, reason: "request head too large")
        }
        return result
    }

    /// The value of the first field of that name, without the white space around it.
    ///
    /// - Parameter lowercaseName: in lower case; compared without regard to case.
    public func field(_ lowercaseName: StaticString) -> ByteView? {
        var fields = HTTPFields(self)
        while let field = fields.next() {
            if field.name.equalsIgnoringCase(lowercaseName) { return field.value }
        }
        return nil
    }

    /// How many fields have that name (in lower case).
    public func fieldCount(_ lowercaseName: StaticString) -> Int {
        var fields = HTTPFields(self)
        var count = 0
        while let field = fields.next() {
            if field.name.equalsIgnoringCase(lowercaseName) { count += 1 }
        }
        return count
    }

    /// Calls `body` for each field in order, until it returns false.
    public func forEachField(_ body: (_ name: ByteView, _ value: ByteView) -> Bool) {
        var fields = HTTPFields(self)
        while let field = fields.next() {
            if !body(field.name, field.value) { return }
        }
    }
}

/// One field of a head.
public struct HTTPField {
    /// A token, as sent: compare without regard to case.
    public var name: ByteView
    /// Without the white space around it; maybe empty.
    public var value: ByteView
}

/// Walks the fields of a head in order.
public struct HTTPFields {
    private let lines: ByteView
    private var position = 0

    public init(_ head: HTTPHead) { lines = head.fieldLines }

    public mutating func next() -> HTTPField? {
        if position >= lines.count { return nil }
        let end = unsafe ByteScan.first(0x0D, in: lines.base, from: position, to: lines.count)
        let line = lines.slice(from: position, count: end - position)
        position = end + 2
        let colon = unsafe ByteScan.first(0x3A, in: line.base, from: 0, to: line.count)
        return HTTPField(
            name: line.slice(from: 0, count: colon), value: HTTPSyntax.trimmed(line.slice(from: colon + 1)))
    }
}
