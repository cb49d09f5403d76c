import CCrypto
public import ClarionBytes

/// What a request asks for, seen from WebSocket.
public enum UpgradeVerdict {
    /// A right opening handshake; `key` is the value of Sec-WebSocket-Accept.
    case accept(key: InlineArray<28, UInt8>)
    /// A wrong one: answer with `status` (for 426 with Sec-WebSocket-Version: 13) and close.
    case refuse(status: Int, reason: StaticString)
    /// A request without any sign of an upgrade.
    case notAnUpgrade
}

/// The server's side of the opening handshake (RFC 6455 section 4.2).
public enum Upgrade {
    /// Bytes of Sec-WebSocket-Key: 16 bytes in base64.
    static let keyCount = 24
    /// Bytes of Sec-WebSocket-Accept: a SHA-1 digest in base64.
    static let acceptCount = 28
    private static let digestCount = 20
    private static let guid: StaticString = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// What the fields of a head say about an upgrade, gathered in one walk.
    private struct Offer {
        var hasUpgrade = false
        var upgradesToWebSocket = false
        var connectionUpgrades = false
        var keyCount = 0
        var key = ByteView("")
        var versionCount = 0
        var version = ByteView("")
    }

    /// Judges a request. The faults are told in a fixed order; whatever is refused, the connection has to be closed.
    public static func judge(_ head: HTTPHead) -> UpgradeVerdict {
        let offer = gather(head)
        if !offer.hasUpgrade && offer.keyCount == 0 && offer.versionCount == 0 { return .notAnUpgrade }
        if !(head.method == "GET") { return .refuse(status: 400, reason: "an upgrade must be a GET") }
        if head.minorVersion < 1 { return .refuse(status: 400, reason: "an upgrade needs HTTP/1.1") }
        if head.isChunked || head.contentLength ?? 0 > 0 {
            return .refuse(status: 400, reason: "an upgrade must not have a body")
        }
        if !offer.upgradesToWebSocket { return .refuse(status: 400, reason: "Upgrade must name websocket") }
        if !offer.connectionUpgrades { return .refuse(status: 400, reason: "Connection must name upgrade") }
        if offer.versionCount != 1 { return .refuse(status: 400, reason: "one Sec-WebSocket-Version is needed") }
        if !(offer.version == "13") { return .refuse(status: 426, reason: "Sec-WebSocket-Version must be 13") }
        if offer.keyCount != 1 || !isKey(offer.key) {
            return .refuse(status: 400, reason: "one Sec-WebSocket-Key of 16 bytes is needed")
        }
        guard let accept = acceptKey(for: offer.key) else { return .refuse(status: 500, reason: "digest failed") }
        return .accept(key: accept)
    }

    private static func gather(_ head: HTTPHead) -> Offer {
        var offer = Offer()
        var fields = HTTPFields(head)
        while let field = fields.next() {
            switch field.name.count {
            case 7 where field.name.equalsIgnoringCase("upgrade"):
                offer.hasUpgrade = true
                if HTTPTokens.contains("websocket", in: field.value) { offer.upgradesToWebSocket = true }
            case 10 where field.name.equalsIgnoringCase("connection"):
                if HTTPTokens.contains("upgrade", in: field.value) { offer.connectionUpgrades = true }
            case 17 where field.name.equalsIgnoringCase("sec-websocket-key"):
                offer.keyCount += 1
                offer.key = field.value
            case 21 where field.name.equalsIgnoringCase("sec-websocket-version"):
                offer.versionCount += 1
                offer.version = field.value
            default: break
            }
        }
        return offer
    }

    /// Whether `key` is base64 of 16 bytes. The unused bits of the last character may be anything: RFC 6455's own
    /// example in section 4.1 sets them.
    static func isKey(_ key: ByteView) -> Bool {
        if key.count != keyCount { return false }
        let characterCount = keyCount - 2
        var index = 0
        while index < characterCount {
            if !Base64.isCharacter(key[index]) { return false }
            index += 1
        }
        return key[characterCount] == Base64.padding && key[characterCount + 1] == Base64.padding
    }

    /// base64(SHA-1(key + GUID)), RFC 6455 section 4.2.2; nil when the digest could not be made.
    public static func acceptKey(for key: ByteView) -> InlineArray<28, UInt8>? {
        if key.count != keyCount { return nil }
        let guid = ByteView(guid)
        let inputCount = keyCount + guid.count
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: inputCount + digestCount + acceptCount) {
            scratch -> InlineArray<28, UInt8>? in
            guard let input = scratch.baseAddress else { return nil }
            let digest = unsafe input + inputCount
            let encoded = unsafe digest + digestCount
            unsafe memmoveBytes(to: input, from: key.base, count: keyCount)
            unsafe memmoveBytes(to: input + keyCount, from: guid.base, count: guid.count)
            if unsafe ccrypto_sha1(input, inputCount, digest) != 1 { return nil }
            unsafe Base64.encode(ByteView(base: digest, count: digestCount), to: encoded)
            return InlineArray<28, UInt8> { index in unsafe encoded[index] }
        }
    }

    /// Appends the response that ends the handshake; frames follow it.
    ///
    /// - Parameters:
    ///   - subprotocol: one the client offered, or nil.
    ///   - deflate: what was agreed on of permessage-deflate, or nil.
    public static func appendResponse(
        accept key: InlineArray<28, UInt8>, subprotocol: ByteView? = nil, deflate: DeflateAgreement? = nil,
        to buffer: inout ByteBuffer
    ) {
        buffer.append("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        buffer.append("Sec-WebSocket-Accept: ")
        for index in key.indices { buffer.append(key[index]) }
        if let subprotocol {
            buffer.append("\r\nSec-WebSocket-Protocol: ")
            buffer.append(subprotocol)
        }
        if let deflate {
            buffer.append("\r\nSec-WebSocket-Extensions: ")
            deflate.append(to: &buffer)
        }
        buffer.append("\r\n\r\n")
    }

    /// Whether the client offers `subprotocol` (compared exactly, RFC 6455 section 4.1).
    public static func offers(_ subprotocol: StaticString, in head: HTTPHead) -> Bool {
        var fields = HTTPFields(head)
        while let field = fields.next() {
            if !field.name.equalsIgnoringCase("sec-websocket-protocol") { continue }
            var tokens = HTTPTokens(field.value)
            while let token = tokens.next() {
                if token == subprotocol { return true }
            }
        }
        return false
    }
}
