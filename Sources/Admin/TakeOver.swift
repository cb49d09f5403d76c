import CPosix
import Glibc

/// What a new process has from the node that it takes over from: its listening sockets, and the connection over which
/// it says that it serves.
///
/// The new process asks on the admin socket (`{"command":"take-over"}`), gets a line with the number of sockets and,
/// with that line and the bytes behind it, the sockets (SCM_RIGHTS); it says `{"ready":true}` when it serves and hears
/// `{"leaving":true}`, or an error when that came too late. If the connection ends before that, the node goes on as if
/// nobody had asked.
public struct TakeOver: Sendable {
    /// Owned by who asked.
    public let listeners: [Int32]
    /// The process that is to leave.
    public let process: Int
    private let connection: Int32

    /// How long the node may take to answer.
    private static let answerSeconds = 10
    /// Sockets of one node; more are a mistake.
    private static let listenersMax = 4096

    /// Asks the node at an admin socket for its listening sockets. nil: nobody is there. Throws when somebody is, and
    /// does not hand them over.
    public static func ask(path: String) throws(LocalSocketError) -> TakeOver? {
        let connection: Int32
        do throws(LocalSocketError) {
            connection = try LocalSocket.connect(to: path)
        } catch {
            if error.isNobodyThere { return nil }
            throw error
        }
        var received = Received()
        do throws(LocalSocketError) {
            LocalSocket.setTimeout(connection, seconds: answerSeconds)
            let request: AdminValue = ["command": "take-over", "pid": .integer(Int(getpid()))]
            guard LocalSocket.write(request.json + "\n", to: connection) else { throw silence(path) }
            let answer = try received.answer(from: connection, path)
            if let sentence = answer["error"]?.text { throw LocalSocketError(description: "\(path): \(sentence)") }
            guard let count = answer["sockets"]?.integer, (0...listenersMax).contains(count) else {
                throw silence(path)
            }
            try received.descriptors(count, from: connection, path)
            return TakeOver(
                listeners: received.descriptors, process: answer["pid"]?.integer ?? 0, connection: connection)
        } catch {
            close(connection)
            for descriptor in received.descriptors { close(descriptor) }
            throw error
        }
    }

    /// What became of the other node.
    public enum Outcome: Sendable {
        /// It says that it leaves, or is gone already.
        case leaves
        /// It goes on: it waited for too long.
        case staysOn
    }

    /// Says that this process serves, and hears what the other one does.
    public func tellReady() -> Outcome {
        defer { close(connection) }
        // It may have written its last word and closed already.
        _ = LocalSocket.write(#"{"ready":true}"# + "\n", to: connection)
        var reader = LineReader(connection)
        if let line = reader.next(), let said = AdminValue(json: line) {
            return said["leaving"]?.bool == true ? .leaves : .staysOn
        }
        return process > 0 && kill(pid_t(clamping: process), 0) == 0 ? .staysOn : .leaves
    }

    private static func silence(_ path: String) -> LocalSocketError {
        LocalSocketError(description: "\(path): the node there does not hand its sockets over")
    }

    /// Bytes and descriptors, as they come.
    private struct Received {
        var bytes: [UInt8] = []
        var descriptors: [Int32] = []

        /// The line before the first LF.
        mutating func answer(from connection: Int32, _ path: String) throws(LocalSocketError) -> AdminValue {
            while true {
                if let end = bytes.firstIndex(of: 0x0A) {
                    let line = String(decoding: bytes[..<end], as: UTF8.self)
                    guard let answer = AdminValue(json: line) else { throw TakeOver.silence(path) }
                    return answer
                }
                guard bytes.count < LineReader.lineBytesMax, receive(from: connection) else {
                    throw TakeOver.silence(path)
                }
            }
        }

        mutating func descriptors(_ count: Int, from connection: Int32, _ path: String) throws(LocalSocketError) {
            while descriptors.count < count {
                if !receive(from: connection) { throw TakeOver.silence(path) }
            }
        }

        private mutating func receive(from connection: Int32) -> Bool {
            var chunk = [UInt8](repeating: 0, count: 4096)
            var passed = [Int32](repeating: -1, count: Int(cposix_passed_max))
            var count: Int32 = 0
            let received = unsafe cposix_receive_descriptors(connection, &chunk, chunk.count, &passed, &count)
            descriptors += passed[..<Int(count)]
            if received <= 0 { return false }
            bytes += chunk[..<Int(received)]
            return true
        }
    }
}

extension AdminServer {
    /// How long a new process may take until it serves.
    private static let readySeconds = 60
    private static let tooLate = "this node goes on: the other one did not serve within \(readySeconds) seconds"

    /// The side of the node that is to leave: hands its sockets to the process at the other end, and tells the host
    /// what became of it.
    static func handOver(_ request: AdminValue, to connection: Int32, _ host: any AdminHost) {
        switch host.lendListeners() {
        case .failure(let error):
            _ = LocalSocket.write(AdminService.failure(error.description).json + "\n", to: connection)
        case .success(let descriptors):
            let isTaken = lend(descriptors, to: connection)
            host.endLending(to: isTaken ? request["pid"]?.integer ?? 0 : nil)
            let word = isTaken ? #"{"leaving":true}"# : AdminService.failure(AdminServer.tooLate).json
            _ = LocalSocket.write(word + "\n", to: connection)
        }
    }

    /// Sends the sockets and waits for the word that the other process serves.
    private static func lend(_ descriptors: [Int32], to connection: Int32) -> Bool {
        let answer: AdminValue = ["sockets": .integer(descriptors.count), "pid": .integer(Int(getpid()))]
        guard LocalSocket.write(answer.json + "\n", to: connection) else { return false }
        var start = 0
        while start < descriptors.count {
            let piece = Array(descriptors[start...].prefix(Int(cposix_passed_max)))
            // Descriptors travel with a byte at least.
            var byte: UInt8 = 0x0A
            if unsafe cposix_send_descriptors(connection, &byte, 1, piece, Int32(piece.count)) != 1 { return false }
            start += piece.count
        }
        LocalSocket.setTimeout(connection, seconds: readySeconds)
        var reader = LineReader(connection)
        guard let line = reader.next(), let said = AdminValue(json: line) else { return false }
        return said["ready"]?.bool == true
    }
}

/// Why the process does not do what was asked, for people.
public struct AdminRefusal: Error, CustomStringConvertible, Sendable {
    public let description: String

    public init(_ description: String) { self.description = description }
}
