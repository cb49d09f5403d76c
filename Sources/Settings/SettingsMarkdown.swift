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

        [[apps.webhooks]]
        url = "https://shop.example.org/hooks/clarion"
        events = ["channel_occupied", "channel_vacated"]
        channel_prefix = "orders-"
        headers = { Authorization = "Bearer a token" }
        ```

        The names that Laravel's `config/reverb.php` has for keys are understood too: `app_id`, `max_message_size`, \
        `ping_interval`, …
        `clarion config import-reverb PATH/.env` prints a file made of a Laravel application's environment.

        ## Changing settings while the node runs

        On SIGHUP the node reads its file, its environment being what it was, and applies what can change: \
        applications with all they have,
        and the settings marked *reload* below. What needs a restart is told in the log. A configuration with \
        anything wrong in it is refused as a
        whole, with every problem in the log, and the old one holds; `clarion config` with the same flags gives \
        the same verdict before.
        Connections of an application that is gone or switched off are closed with 4003; those of others stay, \
        and keep the size of message and the
        ping interval that they began with.

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

        ### Webhooks

        Each `[[apps.webhooks]]` behind an `[[apps]]` is one endpoint of that application. `headers` are further \
        header lines of its requests.

        \(plainTable(SettingTable.webhook, defaults: WebhookSettings()))

        A request is a POST of `{"time_ms":…,"events":[…]}` with `X-Pusher-Key` and `X-Pusher-Signature`, the \
        HMAC-SHA256 of the body under the
        application's secret, as the hosted service sends it. A status from 200 to 299 confirms it. Otherwise it \
        is sent again, after 1 second, 2, 4,
        … up to 60, until `webhooks.retry_seconds` are over. After 5 failures in a row the endpoint rests for 30 \
        seconds, and twice as long each time
        the one request that is then tried fails too, up to 5 minutes. Redirects are not followed; of an answer \
        64 KiB are read. A host whose
        addresses are not public is not called, unless `webhooks.allowed_networks` has them.

        ### Applications kept elsewhere

        **A file.** `apps_file` names a file that holds `[[apps]]` and nothing else, or, when its name ends in \
        `.json`, a list of objects with the same
        keys, alone or as `{"apps": […]}`. It is watched: a change takes effect at once, a wrong one not at all.

        **A store.** `apps_store` names a store that is asked when neither the configuration nor the file has \
        an application. `clarion app create`,
        `list`, `show`, `rotate` and `delete` keep it. A connection or a request that names an unknown \
        application waits for the answer, at most
        `apps_lookup_seconds`, while the worker goes on; then it is refused with 4001 (404 over HTTP) when there \
        is no such application, and with 4100
        (503) when the store did not say: clients come back later from that. What was found is asked for again \
        every `apps_cache_seconds`, and changed
        or closed accordingly; what was not found is not asked for again for `apps_absent_seconds`. While a \
        store is down, what is known stays.

        | store | where it keeps an application |
        |---|---|
        | `sqlite:PATH` | table `clarion_apps` (`id`, `key` unique, `secret`, `enabled`, `settings`); `clarion \
        app create` makes file and table |
        | `postgresql://…` | the same table; `settings` is `jsonb` or text. Parameters of libpq such as \
        `?sslmode=require` work |
        | `redis://…` | hash `clarion:app:ID` (fields `key`, `secret`, `enabled`, `settings`), string \
        `clarion:app-key:KEY` with the id, set `clarion:apps` of ids |

        `settings` is a JSON object with the keys of `[[apps]]`, webhooks included, without `id`, `key`, \
        `secret` and `enabled`.

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

        \(plainTable(SettingTable.listener, defaults: ListenerSettings()))

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
            let reload = row.isReloadable ? " *Reload.*" : ""
            let meaning = "\(row.sentence) Allowed: \(row.allowed).\(reload)"
            return tableRow(["`\(row.key)`", flags, variables, preset, meaning])
        }
        return "| in the file | flag | environment | default | meaning |\n|---|---|---|---|---|\n"
            + lines.joined(separator: "\n")
    }

    /// For what stands in the file only.
    private static func plainTable<Root>(_ rows: [SettingRow<Root>], defaults: Root) -> String {
        "| in the file | default | meaning |\n|---|---|---|\n"
            + rows.map { row in
                tableRow(["`\(row.key)`", code(row.read(defaults)), "\(row.sentence) Allowed: \(row.allowed)."])
            }.joined(separator: "\n")
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
