/// Why a backend could not be made.
public enum LoopError: Error, Equatable, Sendable {
    /// The system call that failed and its errno.
    case system(call: String, errno: Int32)
    /// The kernel lacks a feature the backend needs; the text names it.
    case unsupported(String)
}
