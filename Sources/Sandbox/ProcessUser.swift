import CSandbox
import Glibc

/// A user of the system that a process can become for the rest of its life.
public struct ProcessUser: Sendable {
    private let found: csandbox_user
    /// As the system writes it.
    public let name: String

    /// - Parameter name: a name, or a number that the system has a name for.
    /// - Throws: `SandboxError` when there is no such user, when it is root, who would keep all privileges, or when
    ///   this process may not become it.
    public init(named name: String) throws(SandboxError) {
        var found = csandbox_user()
        let code = unsafe csandbox_find_user(name, &found)
        if code == ENOENT {
            throw SandboxError(
                "there is no user \(name): make one (`useradd --system \(name)`), or name another with --user")
        }
        if code != 0 { throw SandboxError("user \(name)", code: code) }
        self.found = found
        self.name = unsafe withUnsafeBytes(of: &found.name) {
            unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        if found.user == 0 { throw SandboxError("user \(name) is root, who has all privileges") }
        if geteuid() != 0 && !isCurrent {
            throw SandboxError("only root can become user \(name); start as root, or without a user")
        }
    }

    /// Whether this process is that user already and has no other's identity to go back to.
    private var isCurrent: Bool {
        var found = found
        return unsafe csandbox_is(&found) != 0
    }

    /// Takes this user's identity and groups in all threads. There is no way back.
    public func become() throws(SandboxError) {
        if isCurrent { return }
        var found = found
        let code = unsafe csandbox_become(&found)
        if code != 0 { throw SandboxError("cannot become user \(name)", code: code) }
    }

    /// Makes a file this user's.
    public func own(_ path: String) throws(SandboxError) {
        if isCurrent { return }
        if unsafe lchown(path, found.user, found.group) != 0 { throw SandboxError(path, code: errno) }
    }
}
