import CCrypto
import ClarionBytes
import ClarionWire

/// Signatures as the Pusher protocol has them: HMAC-SHA256 and MD5 in lower-case hexadecimal digits.
enum Signing {
    static let hmacBytes = 32
    static let md5Bytes = 16

    /// Appends the signature of `text` under `secret`; false, and nothing appended, if the library fails.
    static func appendHMAC(_ text: ByteView, secret: [UInt8], to buffer: inout ByteBuffer) -> Bool {
        var digest = InlineArray<32, UInt8>(repeating: 0)
        let isDone = unsafe secret.withUnsafeBufferPointer { key in
            unsafe withDigest(&digest) { out in
                unsafe ccrypto_hmac_sha256(key.baseAddress, key.count, text.base, text.count, out) == 1
            }
        }
        if isDone {
            unsafe withDigest(&digest) { unsafe Hex.append(ByteView(base: $0, count: hmacBytes), to: &buffer) }
        }
        return isDone
    }

    /// Appends the MD5 of `text`; false, and nothing appended, if the library fails.
    static func appendMD5(_ text: ByteView, to buffer: inout ByteBuffer) -> Bool {
        var digest = InlineArray<32, UInt8>(repeating: 0)
        let isDone = unsafe withDigest(&digest) { unsafe ccrypto_md5(text.base, text.count, $0) == 1 }
        if isDone { unsafe withDigest(&digest) { unsafe Hex.append(ByteView(base: $0, count: md5Bytes), to: &buffer) } }
        return isDone
    }

    /// In a time that depends on the lengths only.
    static func isEqual(_ left: ByteView, _ right: ByteView) -> Bool {
        unsafe left.count == right.count && ccrypto_equal(left.base, right.base, left.count) == 1
    }

    private static func withDigest<Outcome>(
        _ digest: inout InlineArray<32, UInt8>, _ body: (UnsafeMutablePointer<UInt8>) -> Outcome
    ) -> Outcome {
        var span = digest.mutableSpan
        return unsafe span.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress.unsafelyUnwrapped) }
    }
}
