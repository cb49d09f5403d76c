import CSandbox
import Glibc

/// Takes from the process, step by step and for ever, what it does not need.
public enum Sandbox {
    /// What `confineFiles` found.
    public enum Files: Sendable, Equatable {
        /// The rules hold, by this version of Landlock.
        case confined(version: Int)
        /// The kernel has no Landlock: files are as before.
        case unavailable(why: String)
    }

    /// This thread, and those it starts, never gain a privilege by executing a program.
    public static func forbidNewPrivileges() throws(SandboxError) {
        let code = csandbox_no_new_privileges()
        if code != 0 { throw SandboxError("no_new_privs", code: code) }
    }

    /// No core dump of this process is written, and no other process of the same user may look into its memory.
    public static func hideMemory() throws(SandboxError) {
        let code = csandbox_hide_memory()
        if code != 0 { throw SandboxError("PR_SET_DUMPABLE", code: code) }
    }

    /// Opens files by rules from now on. Holds for this thread and those it starts, so it comes before all others.
    /// Rules for what does not exist are passed over.
    public static func confineFiles(_ rules: FileRules) throws(SandboxError) -> Files {
        let version = csandbox_landlock_version()
        if version < 1 { return .unavailable(why: unsafe String(cString: strerror(-version))) }
        let set = csandbox_landlock_make(version)
        if set < 0 { throw SandboxError("landlock_create_ruleset", code: -set) }
        defer { close(set) }
        try allow(rules.readable + FileRules.ofTheSystem, CSANDBOX_READ, set, version)
        try allow(rules.writable + FileRules.changedOfTheSystem, CSANDBOX_WRITE, set, version)
        try allow(rules.socketFolders, CSANDBOX_SOCKETS, set, version)
        if version >= portVersion {
            for port in rules.ports {
                let code = csandbox_landlock_allow_port(set, port)
                if code != 0 { throw SandboxError("landlock_add_rule, port \(port)", code: code) }
            }
        }
        let code = csandbox_landlock_enforce(set)
        if code != 0 { throw SandboxError("landlock_restrict_self", code: code) }
        return .confined(version: Int(version))
    }

    /// Landlock knows ports since this version.
    public static let portVersion = 4

    private static func allow(
        _ paths: [String], _ kind: csandbox_kind, _ set: Int32, _ version: Int32
    ) throws(SandboxError) {
        for path in paths {
            let code = unsafe csandbox_landlock_allow(set, version, path, kind)
            // What does not exist, or cannot be reached anyway, needs no rule.
            if code != 0 && ![ENOENT, ENOTDIR, EACCES].contains(code) {
                throw SandboxError("landlock_add_rule, \(path)", code: code)
            }
        }
    }

    /// System calls that a running node has no use for fail from now on, in all threads. It must have made everything
    /// that it makes only once: listeners and rings.
    /// - Returns: how many calls are allowed.
    public static func filterSystemCalls() throws(SandboxError) -> Int {
        resolveOnce()
        let code = csandbox_filter_calls()
        if code != 0 { throw SandboxError("seccomp", code: code) }
        return Int(csandbox_filter_count())
    }

    /// Has the C library load what it resolves names with, while libraries can still be loaded.
    private static func resolveOnce() {
        var found: UnsafeMutablePointer<addrinfo>?
        if unsafe getaddrinfo("localhost", nil, nil, &found) == 0 { unsafe freeaddrinfo(found) }
    }
}
