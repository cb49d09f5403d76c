import CFuzzClient
import ClarionTransport
import Glibc

// A client of TLS in front of a scripted connection: what it says is encrypted, what it hears decrypted, by OpenSSL.
// What it sends can be changed on the way. As long as nothing was changed, OpenSSL must have nothing to say against the
// node.

/// How the next bytes of a client are changed.
enum Change: Int {
    case none, flip, cut, twice, late, drop
}

@safe final class SecureClient {
    private let client: OpaquePointer
    /// The rest of it is not heard: it would be told of its own changes.
    private(set) var wasChanged = false
    private(set) var isDone = false
    private var change = Change.none
    private var place = 0
    /// Bytes that go behind the next ones.
    private var late: [UInt8] = []

    init?(_ choice: Int) {
        guard let made = unsafe fuzz_client_make(UInt8(choice)) else { return nil }
        unsafe client = made
    }

    deinit { unsafe fuzz_client_free(client) }

    func hear(_ bytes: [UInt8]) {
        if wasChanged || bytes.isEmpty { return }
        let told = unsafe fuzz_client_hear(client, bytes, bytes.count)
        require(told >= 0, "OpenSSL does not understand the node")
        isDone = told == 1
    }

    func say(_ bytes: [UInt8]) { unsafe fuzz_client_say(client, bytes, bytes.count) }

    func ask(_ what: Int) {
        unsafe fuzz_client_ask(client, Int32(what))
        // Who asks for another handshake is refused, and OpenSSL's client takes that for an end.
        if what == 3 { wasChanged = true }
    }

    func changeNext(_ how: Change, at place: Int) {
        change = how
        self.place = place
    }

    /// Bytes that did not come from this client went to the node.
    func disturb() { wasChanged = true }

    /// What there is to send, changed if that was asked for.
    func take() -> [UInt8] {
        var bytes = unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
            count = unsafe fuzz_client_take(client, buffer.baseAddress, buffer.count)
        }
        if bytes.isEmpty { return [] }
        if change == .none {
            defer { late = [] }
            return bytes + late
        }
        wasChanged = true
        switch change {
        case .none: break
        case .flip: bytes[place % bytes.count] ^= 1 << UInt8(place & 7)
        case .cut: bytes.removeLast(place % bytes.count + 1)
        case .twice: bytes += bytes
        case .late:
            late = bytes
            bytes = []
        case .drop: bytes = []
        }
        change = .none
        return bytes
    }

    /// A certificate for the node, made once.
    static let context: SecureContext? = {
        var certificate = [CChar](repeating: 0, count: 64)
        var key = certificate
        guard unsafe fuzz_client_identity(&certificate, &key, certificate.count) == 1 else { return nil }
        defer { unsafe _ = (unlink(certificate), unlink(key)) }
        func path(_ characters: [CChar]) -> String {
            String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        return try? SecureContext(
            SecureOptions(identities: [SecureIdentity(certificatePath: path(certificate), keyPath: path(key))]))
    }()
}
