/// The pages of documentation that are made of the table of settings. `clarion config --markdown` prints them, `make
/// docs` writes them, and a test compares them with what is in docs/.
public enum SettingsMarkdown {
    /// docs/CONFIGURATION.md.
    public static var configuration: String {
        """
        # Configuration

        <!-- Made by `make docs` from the table of settings. Change the table in Sources/Settings, not this page. -->

        A setting has one value out of four places; the first that has one wins:

        1. the **flag** of `clarion start`,
        2. the **environment**: the `CLARION_` variable, then the variables of other programs in the order given here,
        3. the **file** named by `--config` or `CLARION_CONFIG`, in TOML,
        4. the **default**.

        `clarion config` prints the effective value of every setting and where it came from, secrets masked; it \
        takes the same flags as
        `clarion start`, and `--json`. A value that is not allowed, a key of the file that does not exist, and \
        a file that cannot be read end
        the command with status 78 and a line that names the place; a wrong flag ends it with 64. An empty \
        variable counts as not set. Sizes
        in bytes may be written with `KiB` or `MiB`. Lists stand between commas or spaces in flags and \
        variables, and are lists in the file.

        A flag is visible to everybody who can list processes: give secrets by environment or file.

        ```toml
        host = "0.0.0.0"
        port = 8080

        [realtime]
        mode = "envelope"
        secret = "a long random text"

        [limits]
        slow_consumer_policy = "skip"

        [[apps]]
        id = "shop"
        key = "shop-key"
        secret = "another long random text"
        allowed_origins = ["shop.example.org", "*.shop.example.org"]
        rate_limit = { enabled = true, max_attempts = 100, decay_seconds = 10 }
        ```

        ## The node

        \(table(SettingTable.node, prefix: "", defaults: Settings()))

        The bounds under `limits.` are settings too: see [LIMITS.md](LIMITS.md).

        ## Applications

        In the file each application is one `[[apps]]`, with `id`, `key` and `secret`. Flags and the variables \
        below concern the first
        application; `CLARION_APP2_…` and `REVERB_APP2_…` the second, and so on up to \
        \(Layers.environmentAppsMax). When nobody gives an
        application an identity, the node has one with the id `app-id`, the key `app-key` and the secret \
        `app-secret`, and says so in a warning
        when it listens on more than the loopback address.

        \(table(SettingTable.app, prefix: "app", defaults: AppSettings.embedded))

        ## Listeners

        The node listens on `host` and `port`, with TLS when there is a `tls.cert`. Each `[[listeners]]` of the file \
        is one more place,
        at most \(SettingTable.furtherListenersMax) of them:

        ```toml
        port = 443

        [tls]
        cert = ["example.org.pem", "example.net.pem"]
        key = ["example.org.key", "example.net.key"]

        [[listeners]]
        host = "127.0.0.1"
        port = 8080

        [[listeners]]
        socket = "/run/clarion.sock"
        ```

        \(fileTable(SettingTable.listener, defaults: ListenerSettings()))

        Certificates, keys and OCSP answers are read again on SIGHUP, and when their files change. New connections \
        get the new ones;
        what cannot be used is reported and leaves the old ones in use.

        """
    }

    /// docs/LIMITS.md.
    public static var limits: String {
        let node = SettingTable.node.filter { !$0.cost.isEmpty }.map { bound($0, defaults: Settings()) }
        let app = SettingTable.app.filter { !$0.cost.isEmpty }.map { bound($0, defaults: AppSettings.embedded) }
        return """
            # Limits

            <!-- Made by `make docs` from the table of settings. Change the table in Sources/Settings, not this \
            page. -->

            Everything a peer can make grow has a bound here. A bound is checked before memory is reserved for \
            what it bounds, and on the whole
            message. Each is a setting like any other: flag, `CLARION_` variable, file \
            ([CONFIGURATION.md](CONFIGURATION.md)).

            | name | default | what it bounds | what it costs | what happens at it |
            |---|---|---|---|---|
            \(SettingTable.limits.map { bound($0, defaults: Settings()) }.joined(separator: "\n"))

            ## Messages and requests

            | name | default | what it bounds | what it costs | what happens at it |
            |---|---|---|---|---|
            \(node.joined(separator: "\n"))

            ## Each application

            | name | default | what it bounds | what it costs | what happens at it |
            |---|---|---|---|---|
            \(app.joined(separator: "\n"))

            """
    }

    private static func table<Root>(_ rows: [SettingRow<Root>], prefix: String, defaults: Root) -> String {
        let lines = rows.map { row -> String in
            let flagKey = prefix.isEmpty ? row.key : "\(prefix).\(row.key)"
            let flags = ([flagKey.flagName] + row.otherFlags).map { "`--\($0)`" }.joined(separator: " ")
            let variables =
                ([row.environmentName(prefix: prefix.uppercased())]
                + row.otherEnvironment.map { $0.name.replacing("{n}", with: "") })
                .map { "`\($0)`" }.joined(separator: " ")
            let preset = row.isSecret ? "none" : code(row.read(defaults))
            let meaning = "\(row.sentence) Allowed: \(row.allowed)."
            return tableRow(["`\(row.key)`", flags, variables, preset, meaning])
        }
        return "| in the file | flag | environment | default | meaning |\n|---|---|---|---|---|\n"
            + lines.joined(separator: "\n")
    }

    private static func fileTable<Root>(_ rows: [SettingRow<Root>], defaults: Root) -> String {
        let lines = rows.map { row in
            tableRow(["`\(row.key)`", code(row.read(defaults)), "\(row.sentence) Allowed: \(row.allowed)."])
        }
        return "| in the file | default | meaning |\n|---|---|---|\n" + lines.joined(separator: "\n")
    }

    private static func bound<Root>(_ row: SettingRow<Root>, defaults: Root) -> String {
        let unit = row.unit.isEmpty ? "" : " \(row.unit)"
        return tableRow(["`\(row.key)`", code(row.read(defaults)) + unit, row.sentence, row.cost, row.reached])
    }

    private static func code(_ value: SettingValue) -> String {
        switch value {
        case .text(""), .list([]): "empty"
        case .nothing: "none"
        default: "`\(value.shown)`"
        }
    }

    private static func tableRow(_ cells: [String]) -> String {
        "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
    }
}
