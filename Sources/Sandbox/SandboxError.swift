import Glibc

/// What the system refused when a process was to be confined.
public struct SandboxError: Error, CustomStringConvertible, Equatable {
    public let description: String

    init(_ description: String) { self.description = description }

    /// - Parameter code: an errno.
    init(_ what: String, code: Int32) { self.init(unsafe "\(what): \(String(cString: strerror(code)))") }
}
