extension SettingTable {
    /// What the process may do to the system that it runs on.
    static let process: [SettingRow<Settings>] = [
        SettingRow(
            "user", \.user, .text("the name or number of a user, or empty", where: isUser),
            "The user that a node started by root becomes, for good, once its ports are open; certificates, stores and "
                + "files of settings that are read again later must be readable by that user."),
        SettingRow(
            "sandbox", \.sandbox, .choice,
            "With on, system calls that a running node has no use for are refused (seccomp), files can be opened only "
                + "where the configuration points to (Landlock), and io_uring takes only the operations of a worker."),
    ]
}

/// Names are as in passwd(5), so that a slip is told before the system is asked.
private let isUser: @Sendable (String) -> Bool = { text in
    text.utf8.count <= 32
        && text.utf8.allSatisfy { byte in
            byte > 0x20 && byte < 0x7f && byte != UInt8(ascii: ":") && byte != UInt8(ascii: "/")
        }
}
