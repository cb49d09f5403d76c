import CPosix
import ClarionAdmin
import ClarionLog
import ClarionTransport
import Glibc
import Synchronization

/// Why a successor could not be started, for people.
struct SuccessionError: Error, CustomStringConvertible {
    let description: String
}

/// What the process was started with: listening sockets, and somebody who waits for it to be ready.
struct Inheritance {
    private(set) var listeners: InheritedListeners
    /// How many sockets there were.
    private(set) var count: Int
    /// The node that was asked for its sockets, if one was.
    private var takeOver: TakeOver?
    /// Where the node that started this one waits for a word; -1: nobody does.
    private let ready: Int32

    /// The first descriptor that is handed over, here as in the protocol of socket activation (sd_listen_fds(3)).
    static let firstDescriptor: Int32 = 3
    /// The variable by which a node tells its successor how many sockets it gets.
    static let variable = "_CLARION_SUCCESSOR"

    /// Whether another node waits for this one.
    var isSuccessor: Bool { ready >= 0 || takeOver != nil }

    /// Whether it was asked for its sockets, and may yet go on by itself.
    var isTakeOver: Bool { takeOver != nil }

    /// Takes over what the environment tells of, and takes that out of the environment. Before there are threads.
    init() {
        let environment = Inheritance.environment
        var count = 0
        var ready: Int32 = -1
        if let text = environment[Inheritance.variable], let number = Int(text), number >= 0 {
            count = number
            ready = Inheritance.firstDescriptor + Int32(clamping: number)
            _ = fcntl(ready, F_SETFD, FD_CLOEXEC)
        } else if let process = environment["LISTEN_PID"], process == String(getpid()),
            let number = environment["LISTEN_FDS"].flatMap({ Int($0) }), number > 0
        {
            count = number
        }
        for name in Inheritance.ownVariables { unsafe unsetenv(name) }
        let descriptors = (0..<min(count, Inheritance.descriptorsMax)).map { Inheritance.firstDescriptor + Int32($0) }
        listeners = InheritedListeners(descriptors: descriptors)
        self.count = descriptors.count
        self.ready = ready
    }

    /// Those that are meant for one process only.
    static let ownVariables = [variable, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]
    private static let descriptorsMax = 4096

    /// Asks the node at an admin socket for its listening sockets, unless this process was started with some: a node
    /// that was started with `--take-over` starts its own successor with the same flags. Whether this process may
    /// go on: with these sockets, or because nobody is there.
    mutating func takeOver(from path: String?, _ log: Logger) -> Bool {
        if count > 0 || isSuccessor { return true }
        guard let path else {
            log.error("cannot take over", ["error": "without an admin socket no other node can be asked"])
            return false
        }
        do throws(LocalSocketError) {
            guard let found = try TakeOver.ask(path: path) else {
                log.info("no node to take over from", ["path": .text(path)])
                return true
            }
            listeners = InheritedListeners(descriptors: found.listeners)
            count = found.listeners.count
            takeOver = found
            log.info("taking over", ["pid": LogValue(found.process)])
            return true
        } catch {
            log.error("cannot take over", ["error": .text(error.description)])
            return false
        }
    }

    /// Tells the node that waits that it may leave. False when it does not: two nodes on one port would share its
    /// clients, and neither would reach all.
    func tellReady(_ log: Logger) -> Bool {
        if let takeOver, takeOver.tellReady() == .staysOn {
            log.error(
                "cannot take over",
                ["pid": LogValue(takeOver.process), "error": "the node there waited for too long and goes on"])
            return false
        }
        if ready < 0 { return true }
        var byte: UInt8 = 1
        while unsafe write(ready, &byte, 1) < 0 && errno == EINTR {}
        close(ready)
        return true
    }

    /// The variables of the process.
    static var environment: [String: String] {
        var result: [String: String] = [:]
        var entry = unsafe environ
        while let text = unsafe entry.pointee {
            let line = unsafe String(cString: text)
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { result[String(parts[0])] = String(parts[1]) }
            unsafe entry += 1
        }
        return result
    }
}

/// Starts the same program again with the same arguments and environment, hands the listening sockets to it, and has
/// this process leave when that is ready; or does the same with a process that was started by hand and asks for them.
/// The sockets are never closed meanwhile, so nobody who connects is refused.
final class Succession: Sendable {
    /// How long the new process may take until it is ready.
    private static let readySeconds = 60
    /// Time for the answer to whoever asked to leave before the node does.
    private static let answerMicroseconds: UInt32 = 200_000

    private let program: String
    private let descriptors: [Int32]
    private let isConfined: Bool
    private let log: Logger
    private enum State { case none, underWay, done }
    private let state = Mutex(State.none)

    /// Made at the start: the name of the program's file is that of now, even when the file is replaced.
    /// `isConfined`: the process may not start programs.
    init(descriptors: [Int32], isConfined: Bool, log: Logger) {
        self.descriptors = descriptors
        self.isConfined = isConfined
        self.log = log
        var path = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = unsafe readlink("/proc/self/exe", &path, Int(PATH_MAX))
        let bytes = path.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }
        program = count > 0 ? String(decoding: bytes, as: UTF8.self) : CommandLine.arguments[0]
    }

    /// Whether another process has taken over.
    var isDone: Bool { state.withLock { $0 == .done } }

    /// Starts the successor and waits until it serves. Its process id.
    func begin() -> Result<Int32, SuccessionError> {
        if isConfined {
            return .failure(
                SuccessionError(description: "a node in a sandbox may start no program; let its supervisor restart it"))
        }
        if !isFirst() { return .failure(SuccessionError(description: Succession.underWay)) }
        let result = start()
        switch result {
        case .success(let process): end(with: Int(process))
        case .failure(let error):
            state.withLock { $0 = .none }
            log.error("restart failed", ["why": .text(error.description)])
        }
        return result
    }

    /// Lends the listening sockets to a process that somebody else has started; `endLending` follows.
    func lend() -> Result<[Int32], SuccessionError> {
        isFirst() ? .success(descriptors) : .failure(SuccessionError(description: Succession.underWay))
    }

    /// The process that has the sockets serves; nil: it does not, and nothing has changed.
    func endLending(to process: Int?) {
        if let process { return end(with: process) }
        state.withLock { $0 = .none }
        log.warning("a process that was to take over does not serve; this one goes on")
    }

    private static let underWay = "another process is taking over already"

    private func isFirst() -> Bool {
        state.withLock { state in
            if state != .none { return false }
            state = .underWay
            return true
        }
    }

    private func end(with process: Int) {
        state.withLock { $0 = .done }
        log.info("another process has taken over", ["pid": LogValue(process)])
    }

    /// Has this process end as SIGTERM does.
    func leave() {
        usleep(Succession.answerMicroseconds)
        kill(getpid(), SIGTERM)
    }

    private func start() -> Result<Int32, SuccessionError> {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { return .failure(Succession.error("pipe", errno)) }
        defer { close(ends[0]) }
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
        var environment = Inheritance.environment
        for name in Inheritance.ownVariables + ["WATCHDOG_PID"] { environment[name] = nil }
        environment[Inheritance.variable] = String(descriptors.count)
        let process = spawn(CommandLine.arguments, environment.map { "\($0)=\($1)" }, ready: ends[1])
        close(ends[1])
        if process < 0 { return .failure(Succession.error(program, -process)) }
        var entry = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
        var byte: UInt8 = 0
        var count = 0
        repeat {
            count = Int(unsafe poll(&entry, 1, Int32(Succession.readySeconds) * 1000))
        } while count < 0 && errno == EINTR
        if count > 0, unsafe read(ends[0], &byte, 1) == 1 { return .success(process) }
        if count == 0 { kill(process, SIGKILL) }
        var status: Int32 = 0
        while unsafe waitpid(process, &status, 0) < 0 && errno == EINTR {}
        if count == 0 {
            return .failure(
                SuccessionError(
                    description: "the new process was not ready within \(Succession.readySeconds) seconds; it was ended"
                ))
        }
        let how = status & 0x7F == 0 ? "status \(status >> 8 & 0xFF)" : "signal \(status & 0x7F)"
        return .failure(
            SuccessionError(
                description:
                    "the new process could not start: it ended with \(how); its log says why. This one goes on"))
    }

    private func spawn(_ arguments: [String], _ environment: [String], ready: Int32) -> Int32 {
        func copies(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
            unsafe texts.map { unsafe strdup($0) } + [nil]
        }
        let argumentList = unsafe copies(arguments)
        let environmentList = unsafe copies(environment)
        defer {
            for index in unsafe 0..<argumentList.count { unsafe free(argumentList[index]) }
            for index in unsafe 0..<environmentList.count { unsafe free(environmentList[index]) }
        }
        return unsafe cposix_spawn(
            program, argumentList, environmentList, descriptors, Int32(descriptors.count), ready)
    }

    private static func error(_ what: String, _ code: Int32) -> SuccessionError {
        SuccessionError(description: unsafe "\(what): \(String(cString: strerror(code)))")
    }
}
