import CBench

/// An application of the Pusher protocol, as the server knows it.
public struct PusherApplication: Sendable, Equatable {
    /// The id in the paths of the HTTP API, the key that clients show, and the secret that signs.
    public var id, key, secret: String

    /// Names an application.
    public init(id: String, key: String, secret: String) {
        self.id = id
        self.key = key
        self.secret = secret
    }

    /// The right to subscribe (Pusher Channels, "Authenticating private channels"): the key and the signature of
    /// `socket:channel`, with `:channelData` behind it on presence channels.
    public func authorization(socket: String, channel: String, channelData: String? = nil) -> String {
        let text = "\(socket):\(channel)" + (channelData.map { ":\($0)" } ?? "")
        return "\(key):\(Digest.hmac(Array(text.utf8), secret: Array(secret.utf8)))"
    }

    /// The request that publishes: POST of `body` to the application's events, signed.
    /// - Parameters:
    ///   - prefix: what stands before /apps in the server's paths.
    ///   - host: what the Host header says.
    public func request(prefix: String, host: String, body: [UInt8], unixSeconds: Int64) -> [UInt8] {
        let path = "/apps/\(id)/events"
        let query = "auth_key=\(key)&auth_timestamp=\(unixSeconds)&auth_version=1.0&body_md5=\(Digest.md5(body))"
        let signature = Digest.hmac(Array("POST\n\(path)\n\(query)".utf8), secret: Array(secret.utf8))
        let head = """
            POST \(prefix)\(path)?\(query)&auth_signature=\(signature) HTTP/1.1\r
            Host: \(host)\r
            Content-Type: application/json\r
            Content-Length: \(body.count)\r
            \r

            """
        return Array(head.utf8) + body
    }
}

/// Digests in lower-case hexadecimal digits, by OpenSSL.
enum Digest {
    static func hmac(_ bytes: [UInt8], secret: [UInt8]) -> String {
        unsafe hex(count: 32) { unsafe cbench_hmac_sha256(secret, secret.count, bytes, bytes.count, $0) }
    }

    static func md5(_ bytes: [UInt8]) -> String {
        unsafe hex(count: 16) { unsafe cbench_md5(bytes, bytes.count, $0) }
    }

    private static func hex(count: Int, _ fill: (UnsafeMutablePointer<UInt8>?) -> Int32) -> String {
        let digest = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            let code = unsafe fill(buffer.baseAddress)
            precondition(code == 1, "OpenSSL has no HMAC-SHA256 or MD5")
            initialized = count
        }
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
