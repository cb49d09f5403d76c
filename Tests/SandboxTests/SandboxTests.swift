import CSandboxTries
import ClarionSandbox
import Glibc
import Synchronization
import Testing

/// Each test confines a process of its own and looks at what it may still do. Where the kernel lacks something, the test
/// says so by passing over that part, as a node does.
@Suite struct SandboxTests {
    /// What a node never does fails with EPERM, in the thread that set the filter and in those that were there before.
    @Test func systemCallsAreFiltered() async {
        await #expect(processExitsWith: .success) {
            let early = OtherThread()
            precondition(try! Sandbox.filterSystemCalls() > 100)
            checkFilter()
            early.run(checkFilter)
            // What a node does goes on: threads, memory, files, sockets, names.
            let late = OtherThread()
            late.run(checkFilter)
            precondition(reads("/dev/null"))
            var found: UnsafeMutablePointer<addrinfo>?
            precondition(unsafe getaddrinfo("localhost", "80", nil, &found) == 0)
            unsafe freeaddrinfo(found)
        }
    }

    @Test func filesAreConfined() async {
        await #expect(processExitsWith: .success) {
            let folder = "/tmp/clarion-sandbox-\(getpid())"
            let (inside, outside) = (folder + "/inside", folder + "/outside")
            for path in [folder, inside, outside] { precondition(unsafe mkdir(path, 0o700) == 0) }
            for path in [inside, outside] { precondition(makes(path + "/old")) }
            var rules = FileRules()
            rules.read(fileAt: folder + "/none/old")
            rules.writable = [inside, folder + "/missing"]
            rules.ports = [0]
            try! Sandbox.forbidNewPrivileges()
            guard case .confined(let version) = try! Sandbox.confineFiles(rules) else { exit(0) }
            precondition(reads(inside + "/old") && makes(inside + "/new"))
            precondition(unsafe unlink(inside + "/new") == 0)
            precondition(reads("/etc/hosts") && makes("/dev/null"))
            for path in ["/etc/shadow", "/etc/fstab", outside + "/old", folder] { precondition(!reads(path), path) }
            for path in [outside + "/new", "/tmp/clarion-new", "/etc/hosts", inside + "/../outside/new"] {
                precondition(!makes(path), path)
            }
            precondition(unsafe unlink(outside + "/old") == -1 && errno == EACCES)
            precondition(unsafe mkdir(inside + "/folder", 0o700) == -1 && errno == EACCES)
            if version >= Sandbox.portVersion {
                precondition(csandboxtries_listen(0) == 0)
                precondition(csandboxtries_listen(54_321) == EACCES)
            }
            let thread = OtherThread()
            thread.run { precondition(!reads("/etc/shadow")) }
        }
    }

    /// A file that is replaced can still be read, and so can one that a link leads to.
    @Test func replacedFilesCanBeRead() async {
        await #expect(processExitsWith: .success) {
            let folder = "/tmp/clarion-replaced-\(getpid())"
            let (live, archive) = (folder + "/live", folder + "/archive")
            for path in [folder, live, archive] { precondition(unsafe mkdir(path, 0o700) == 0) }
            precondition(makes(archive + "/cert1"))
            precondition(unsafe symlink(archive + "/cert1", live + "/cert") == 0)
            var rules = FileRules()
            rules.read(fileAt: live + "/cert")
            let fixed = rules
            let replacement = OtherThread()
            replacement.run {
                try! Sandbox.forbidNewPrivileges()
                guard case .confined = try! Sandbox.confineFiles(fixed) else { exit(0) }
                precondition(reads(live + "/cert") && !reads(folder))
            }
            // The main thread is not confined, and plays the tool that renews certificates.
            precondition(makes(archive + "/cert2"))
            precondition(unsafe symlink(archive + "/cert2", live + "/next") == 0)
            precondition(unsafe rename(live + "/next", live + "/cert") == 0)
            replacement.run { precondition(reads(live + "/cert")) }
        }
    }

    @Test func memoryIsHidden() async {
        await #expect(processExitsWith: .success) {
            precondition(csandboxtries_is_dumpable() == 1)
            try! Sandbox.hideMemory()
            precondition(csandboxtries_is_dumpable() == 0)
        }
    }
}

@Suite struct ProcessUserTests {
    @Test func unknownUsersAndRootAreRefused() {
        for name in ["clarion-nobody-has-this-name", "4294967295", "12x", "root", "0"] {
            #expect(throws: SandboxError.self, "\(name)") { _ = try ProcessUser(named: name) }
        }
    }

    /// There is no way back, in no thread. Only root can show it.
    @Test(.enabled(if: geteuid() == 0)) func becomesAUser() async {
        await #expect(processExitsWith: .success) {
            let early = OtherThread()
            let user = try! ProcessUser(named: "nobody")
            try! user.become()
            let number = getuid()
            precondition(number != 0)
            early.run {
                precondition(getuid() == number && geteuid() == number && getgid() != 0)
                precondition(setuid(0) == -1 && setgid(0) == -1)
                precondition(!reads("/etc/shadow"))
            }
            // Once more is no change; somebody else is out of reach.
            try! ProcessUser(named: "nobody").become()
            precondition((try? ProcessUser(named: "daemon")) == nil)
        }
    }
}

// MARK: What a process tries

private func checkFilter() {
    if let name = unsafe csandboxtries_allowed() { fatalError(unsafe "allowed: \(String(cString: name))") }
    if let name = unsafe csandboxtries_refused() { fatalError(unsafe "refused: \(String(cString: name))") }
}

private func reads(_ path: String) -> Bool {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    if descriptor >= 0 { close(descriptor) }
    return descriptor >= 0
}

/// Whether the file can be opened for writing, and is made if it is not there.
private func makes(_ path: String) -> Bool {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    if descriptor >= 0 { close(descriptor) }
    return descriptor >= 0
}

/// A thread that waits for work, one piece at a time, and whose caller waits for it.
private final class OtherThread: Sendable {
    private let work = Mutex<(@Sendable () -> Void)?>(nil)

    init() {
        let box = unsafe Unmanaged.passRetained(self).toOpaque()
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<OtherThread>.fromOpaque(context).takeRetainedValue().loop()
                return nil
            }, unsafe box)
        precondition(result == 0)
        pthread_detach(thread)
    }

    private func loop() {
        while true {
            while work.withLock({ $0 == nil }) { usleep(1_000) }
            work.withLock { $0 }?()
            work.withLock { $0 = nil }
        }
    }

    func run(_ body: @escaping @Sendable () -> Void) {
        work.withLock { $0 = body }
        while work.withLock({ $0 != nil }) { usleep(1_000) }
    }
}
