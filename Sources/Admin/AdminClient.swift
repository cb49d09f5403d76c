import Glibc

/// Talks to the admin socket of a node on this machine.
public struct AdminClient {
    private let path: String
    /// How long the node may take to answer.
    private static let answerSeconds = 15
    /// How long a new process may take to start.
    private static let restartSeconds = 100

    public init(path: String) { self.path = path }

    /// Sends a request and returns its answer. Throws when there is no node, or it does not answer.
    public func ask(_ request: AdminValue) throws(LocalSocketError) -> AdminValue {
        let descriptor = try open(request)
        defer { close(descriptor) }
        var reader = LineReader(descriptor)
        guard let line = reader.next(), let answer = AdminValue(json: line) else {
            throw LocalSocketError(description: "\(path): the node did not answer")
        }
        return answer
    }

    /// Sends a request and hands over every line of its answer, until `take` returns false or the node ends.
    public func follow(_ request: AdminValue, take: (AdminValue) -> Bool) throws(LocalSocketError) {
        let descriptor = try open(request)
        defer { close(descriptor) }
        LocalSocket.setTimeout(descriptor, seconds: 0)
        var reader = LineReader(descriptor)
        while let line = reader.next() {
            guard let value = AdminValue(json: line), take(value) else { return }
        }
    }

    private func open(_ request: AdminValue) throws(LocalSocketError) -> Int32 {
        let descriptor: Int32
        do throws(LocalSocketError) {
            descriptor = try LocalSocket.connect(to: path)
        } catch {
            throw LocalSocketError(
                description: "\(error) (is a node running? --port names its port, --socket its admin socket)")
        }
        let isLong = request["command"]?.text == "restart"
        LocalSocket.setTimeout(
            descriptor, seconds: isLong ? AdminClient.restartSeconds : AdminClient.answerSeconds)
        guard LocalSocket.write(request.json + "\n", to: descriptor) else {
            close(descriptor)
            throw LocalSocketError(description: "\(path): the node does not take the request")
        }
        return descriptor
    }
}

/// Where the admin socket of a node is when nothing else is said.
public enum AdminPath {
    /// In the user's runtime folder, else in /run for root, else in a folder of the user's own under /tmp.
    public static func usual(port: Int) -> String {
        let name = "clarion-\(port).sock"
        if let folder = unsafe getenv("XDG_RUNTIME_DIR") {
            let path = unsafe String(cString: folder)
            if path.hasPrefix("/") { return "\(path)/\(name)" }
        }
        return geteuid() == 0 ? "/run/\(name)" : "/tmp/clarion-\(geteuid())/\(name)"
    }

    /// Makes the folder of `usual` under /tmp, for this user only. A folder of somebody else is refused.
    public static func prepare(_ path: String) throws(LocalSocketError) {
        let folder = "/tmp/clarion-\(geteuid())"
        guard path.hasPrefix(folder + "/") else { return }
        unsafe mkdir(folder, 0o700)
        var status = stat()
        guard unsafe lstat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
            status.st_mode & 0o077 == 0
        else { throw LocalSocketError(description: "\(folder) belongs to somebody else, or is open to others") }
    }
}
