import CTLS
import Glibc

/// One certificate with its key, by their files.
public struct SecureIdentity: Sendable, Equatable {
    /// PEM: the certificate, then those that lead from it to a root.
    public var certificatePath: String
    /// PEM, not encrypted.
    public var keyPath: String
    /// DER: an answer of the certificate's OCSP responder, sent to clients that ask for one.
    public var ocspPath: String?

    public init(certificatePath: String, keyPath: String, ocspPath: String? = nil) {
        self.certificatePath = certificatePath
        self.keyPath = keyPath
        self.ocspPath = ocspPath
    }
}

/// What a node's TLS is made with.
public struct SecureOptions: Sendable, Equatable {
    /// At least one; the first is for clients that ask for no name, or for one that no certificate has.
    public var identities: [SecureIdentity]
    /// TLS 1.2 is refused.
    public var requiresVersion13 = false
    /// PEM: issuers of clients' certificates. nil: clients are not asked for one.
    public var clientAuthorityPath: String?
    /// A client without a certificate is refused.
    public var requiresClientCertificate = false

    public init(identities: [SecureIdentity]) { self.identities = identities }

    /// Every file that is read.
    public var paths: [String] {
        identities.flatMap { [$0.certificatePath, $0.keyPath] + ($0.ocspPath.map { [$0] } ?? []) }
            + (clientAuthorityPath.map { [$0] } ?? [])
    }
}

/// Certificates or keys that cannot be used; the sentence names the file and says why.
public struct SecureError: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

/// Certificates, keys and rules that sessions are begun with. Never changes; a reload makes a new one, and sessions
/// that run keep what they need of the old.
@safe public final class SecureContext: Sendable {
    /// Owned; OpenSSL counts who uses it, from any thread.
    nonisolated(unsafe) let raw: OpaquePointer
    /// When the first of the certificates ends, in seconds since 1970.
    public let expirySeconds: Int64

    /// Reads all files.
    /// - Throws: for a file that cannot be read or parsed, a key that is not the certificate's, and a certificate whose
    ///   time is over or has not come.
    public init(_ options: SecureOptions) throws(SecureError) {
        // What is no file, such as a pipe, could keep whoever reads it waiting for ever.
        for path in options.paths {
            var facts = stat()
            if unsafe stat(path, &facts) == 0, facts.st_mode & S_IFMT != S_IFREG {
                throw SecureError("\(path): not a regular file")
            }
        }
        let strings = SecureStrings(options)
        var error = [CChar](repeating: 0, count: SecureContext.errorBytesMax)
        let made = unsafe strings.withOptions { pointer in
            unsafe error.withUnsafeMutableBufferPointer { buffer in
                unsafe ctls_context_make(pointer, buffer.baseAddress, buffer.count)
            }
        }
        guard let made = unsafe made else {
            let text = error.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw SecureError(String(decoding: text, as: UTF8.self))
        }
        unsafe raw = unsafe made
        expirySeconds = unsafe ctls_context_expiry(made)
    }

    deinit { unsafe ctls_context_free(raw) }

    private static let errorBytesMax = 1024
}

/// The options as the library takes them: C strings that live as long as this.
@safe private final class SecureStrings {
    private var owned: [UnsafeMutablePointer<CChar>] = unsafe []
    private var identities: [ctls_identity] = unsafe []
    private var options = unsafe ctls_options()

    init(_ given: SecureOptions) {
        for identity in given.identities {
            unsafe identities.append(
                ctls_identity(
                    certificate_path: keep(identity.certificatePath), key_path: keep(identity.keyPath),
                    ocsp_path: identity.ocspPath.map { unsafe UnsafePointer(keep($0)) }))
        }
        unsafe options.identity_count = given.identities.count
        unsafe options.version_min = given.requiresVersion13 ? 13 : 12
        unsafe options.client_ca_path = given.clientAuthorityPath.map { unsafe UnsafePointer(keep($0)) }
        unsafe options.client_required = given.requiresClientCertificate ? 1 : 0
    }

    deinit { while let text = unsafe owned.popLast() { unsafe text.deallocate() } }

    private func keep(_ text: String) -> UnsafeMutablePointer<CChar> {
        let bytes = text.utf8CString
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        for (index, byte) in bytes.enumerated() { unsafe (copy + index).initialize(to: byte) }
        unsafe owned.append(copy)
        return unsafe copy
    }

    func withOptions(_ body: (UnsafePointer<ctls_options>) -> OpaquePointer?) -> OpaquePointer? {
        unsafe identities.withUnsafeBufferPointer { buffer in
            unsafe options.identities = buffer.baseAddress
            return unsafe withUnsafePointer(to: &options) { unsafe body($0) }
        }
    }
}
