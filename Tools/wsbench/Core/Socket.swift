import CBench
import Glibc

/// The bytes of one connection: a socket, and TLS over it where the run speaks TLS. Whoever holds it owns both; a copy
/// is the same connection.
@safe struct Socket {
    let descriptor: Int32
    /// OpenSSL's state of the connection, nil for plain TCP. Given back by `close`.
    let secure: OpaquePointer?

    init(_ descriptor: Int32, secure: OpaquePointer? = nil) {
        self.descriptor = descriptor
        unsafe self.secure = unsafe secure
    }

    /// Bytes received, 0 at the end, or a negative errno.
    @inline(__always)
    func receive(_ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
        guard let secure = unsafe secure else { return unsafe cbench_receive(descriptor, bytes, count) }
        return unsafe cbench_tls_receive(secure, bytes, count)
    }

    /// Bytes sent, or a negative errno.
    @inline(__always)
    func send(_ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
        guard let secure = unsafe secure else { return unsafe cbench_send(descriptor, bytes, count) }
        return unsafe cbench_tls_send(secure, bytes, count)
    }

    /// Sends all bytes on a blocking socket.
    func sendAll(_ bytes: [UInt8]) -> Bool {
        unsafe bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let sent = unsafe send(buffer.baseAddress! + done, buffer.count - done)
                if sent <= 0 { return false }
                done += sent
            }
            return true
        }
    }

    /// Ends the connection.
    /// - Parameter resets: at once, as when a machine vanishes.
    func close(resets: Bool = false) {
        if let secure = unsafe secure { unsafe cbench_tls_close(secure, resets ? 0 : 1) }
        if resets { cbench_close_reset(descriptor) } else { cbench_close(descriptor) }
    }

    /// Gives back this process's copy of a connection that another process goes on with.
    func abandon() {
        if let secure = unsafe secure { unsafe cbench_tls_close(secure, 0) }
        cbench_close(descriptor)
    }
}

/// How a thread makes its connections secure.
@safe final class SecureContext {
    private let context: OpaquePointer
    private let host: String

    /// - Throws: when the certificates cannot be read.
    init(plan: BenchPlan) throws(BenchPlanError) {
        host = plan.host
        let made = unsafe plan.authorities.map { unsafe cbench_tls_context($0) } ?? cbench_tls_context(nil)
        guard let made = unsafe made else {
            throw BenchPlanError(
                description: "the certificates in \(plan.authorities ?? "") cannot be read; name a PEM file with --ca")
        }
        unsafe context = unsafe made
    }

    deinit { unsafe cbench_tls_context_free(context) }

    /// Begins a handshake; nil without memory.
    func open(_ descriptor: Int32, resumes: Bool) -> OpaquePointer? {
        unsafe cbench_tls_open(context, descriptor, host, resumes ? 1 : 0)
    }

    /// Why the latest call failed, for people.
    static func reason(_ secure: OpaquePointer?) -> String {
        let textBytesMax = 160
        let text = unsafe [UInt8](unsafeUninitializedCapacity: textBytesMax) { buffer, count in
            unsafe buffer.initialize(repeating: 0)
            unsafe buffer.withMemoryRebound(to: CChar.self) {
                unsafe cbench_tls_reason(secure, $0.baseAddress, textBytesMax)
            }
            count = textBytesMax
        }
        return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
    }
}
