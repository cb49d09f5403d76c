import ClarionEngine
import ClarionLog
import ClarionSettings
import ClarionTransport
import Glibc

extension SecureOptions {
    /// nil where no TLS is configured.
    init?(_ settings: TLSSettings) {
        guard settings.isEnabled, settings.certificates.count == settings.keys.count else { return nil }
        var identities: [SecureIdentity] = []
        for index in settings.certificates.indices {
            let ocsp = index < settings.ocspAnswers.count ? settings.ocspAnswers[index] : "-"
            identities.append(
                SecureIdentity(
                    certificatePath: settings.certificates[index], keyPath: settings.keys[index],
                    ocspPath: ocsp == "-" ? nil : ocsp))
        }
        self.init(identities: identities)
        requiresVersion13 = settings.versionMin == .v13
        if settings.clientCertificates != .none { clientAuthorityPath = settings.clientAuthority }
        requiresClientCertificate = settings.clientCertificates == .required
    }
}

/// Keeps a node's certificates those of their files. Used by one thread at a time.
struct SecureReload {
    private let options: SecureOptions
    private var states: [FileState]
    /// Seconds between two looks at the files.
    static let lookSeconds = 2
    /// Certificates that end sooner are worth a warning.
    private static let shortSeconds: Int64 = 14 * 86_400

    init(_ options: SecureOptions) {
        self.options = options
        states = options.paths.map(FileState.init)
    }

    /// Reads the files again when one of them is another than it was, or when `always`. What cannot be used changes
    /// nothing, and is what is returned.
    mutating func look(_ node: Node, always: Bool, _ log: Logger) -> String? {
        let found = options.paths.map(FileState.init)
        if !always && found == states { return nil }
        states = found
        do throws(SecureError) {
            let context = try SecureContext(options)
            node.use(context)
            log.info("certificates reloaded", ["expires": .text(SecureReload.day(context.expirySeconds))])
            SecureReload.warnOfExpiry(context, log)
            return nil
        } catch {
            return "certificates not reloaded; the old ones stay in use: \(error.description)"
        }
    }

    static func warnOfExpiry(_ context: SecureContext, _ log: Logger) {
        if context.expirySeconds - Int64(time(nil)) < shortSeconds {
            log.warning("a certificate expires soon", ["expires": .text(day(context.expirySeconds))])
        }
    }

    /// A date in UTC, such as 2030-01-31.
    static func day(_ seconds: Int64) -> String {
        var moment = time_t(seconds)
        var parts = unsafe tm()
        unsafe gmtime_r(&moment, &parts)
        let month = unsafe Int(parts.tm_mon) + 1
        let day = unsafe Int(parts.tm_mday)
        return unsafe "\(Int(parts.tm_year) + 1900)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day)"
    }
}

/// What tells that a file is another one, or has been written to. A link's is that of the file it leads to.
private struct FileState: Equatable {
    private var device: UInt = 0
    private var inode: UInt = 0
    private var byteCount = 0
    private var seconds = 0
    private var nanoseconds = 0

    init(path: String) {
        var facts = stat()
        guard unsafe stat(path, &facts) == 0 else { return }
        device = UInt(facts.st_dev)
        inode = UInt(facts.st_ino)
        byteCount = Int(facts.st_size)
        seconds = facts.st_mtim.tv_sec
        nanoseconds = facts.st_mtim.tv_nsec
    }
}
