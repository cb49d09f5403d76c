import ClarionBytes

/// The signature of a request to the HTTP API.
///
/// What is signed: METHOD "\n" path "\n" parameters. The path is as sent, without the query and without the node's
/// prefix. The parameters are all of the query but `auth_signature`, "name=value" joined by "&", in the order and form
/// that `RequestQuery` gives them.
enum RequestSignature {
    /// Why a request is not let in. The text goes into the answer (401).
    struct Fault {
        let text: StaticString

        static let invalid = Fault(text: "Authentication signature invalid.")
        static let query = Fault(text: "Authentication signature invalid: the query cannot be read.")
        static let repeated = Fault(text: "Authentication signature invalid: a parameter stands more than once.")
        static let key = Fault(text: "Authentication signature invalid: auth_key is not the application's.")
        static let version = Fault(text: "Authentication signature invalid: auth_version is not 1.0.")
        static let timestamp = Fault(text: "Authentication signature invalid: auth_timestamp is too far from now.")
        static let body = Fault(text: "Authentication signature invalid: body_md5 is not that of the body.")
    }

    /// Nil when the request is signed by `application`.
    ///
    /// `body_md5` must be there when there is a body, and must be right when it is there. (Reverb leaves a sent one out
    /// of what is signed; the Python SDK sends and signs that of an empty body.)
    ///
    /// - Parameters:
    ///   - path: without the node's prefix.
    ///   - unixSeconds: the time of day.
    ///   - toleranceSeconds: how far `auth_timestamp` may be off; nil: it is not looked at.
    static func check(
        method: ByteView, path: ByteView, query: borrowing RequestQuery, body: ByteView, _ application: Application,
        unixSeconds: Int, toleranceSeconds: Int?
    ) -> Fault? {
        guard let signature = query.value("auth_signature"), let key = query.value("auth_key") else { return .invalid }
        if unsafe !key.unsafeBuffer.elementsEqual(application.key) { return .key }
        guard let version = query.value("auth_version"), version == "1.0" else { return .version }
        if let toleranceSeconds {
            guard let timestamp = query.value("auth_timestamp").flatMap({ seconds($0) }),
                abs(timestamp - unixSeconds) <= toleranceSeconds
            else { return .timestamp }
        }
        if !isRight(query.value("body_md5"), body: body) { return .body }
        var expected = ByteBuffer(capacity: 2 * Signing.hmacBytes)
        var canonical = ByteBuffer(capacity: canonicalBytesUsual)
        appendCanonical(method: method, path: path, query: query, to: &canonical)
        if !Signing.appendHMAC(canonical.view, secret: application.secret, to: &expected) { return .invalid }
        return Signing.isEqual(signature, expected.view) ? nil : .invalid
    }

    private static let canonicalBytesUsual = 512

    /// Appends what is signed.
    static func appendCanonical(
        method: ByteView, path: ByteView, query: borrowing RequestQuery, to buffer: inout ByteBuffer
    ) {
        buffer.append(method)
        buffer.append(0x0A)
        buffer.append(path)
        buffer.append(0x0A)
        var isFirst = true
        for index in 0..<query.count {
            let name = query.name(at: index)
            if name == "auth_signature" { continue }
            if !isFirst { buffer.append(0x26) }
            isFirst = false
            buffer.append(name)
            buffer.append(0x3D)
            buffer.append(query.value(at: index))
        }
    }

    private static func isRight(_ sent: ByteView?, body: ByteView) -> Bool {
        guard let sent else { return body.isEmpty }
        var expected = ByteBuffer(capacity: 2 * Signing.md5Bytes)
        return Signing.appendMD5(body, to: &expected) && Signing.isEqual(sent, expected.view)
    }

    /// Digits of a timestamp: those of a year beyond 30000.
    private static let secondsDigitsMax = 12

    private static func seconds(_ digits: ByteView) -> Int? {
        if digits.isEmpty || digits.count > secondsDigitsMax { return nil }
        var value = 0
        var index = 0
        while index < digits.count {
            if digits[index] < 0x30 || digits[index] > 0x39 { return nil }
            value = value * 10 + Int(digits[index] - 0x30)
            index += 1
        }
        return value
    }
}
