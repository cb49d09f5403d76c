import Testing

@testable import ClarionSettings

private let shop = "[[apps]]\nid = \"shop\"\nkey = \"k\"\nsecret = \"hush\"\n"

/// Configurations that are wrong, each with what is told: file, line, key, and what to do.
private let broken: [(text: String, told: String)] = [
    ("port = ", "c.toml:1: not TOML: "),
    ("port 1", "c.toml:1: not TOML: "),
    ("\n\nport = 1\nport = 2", "c.toml:4: not TOML: "),
    ("[limits\nhead_seconds = 1", "c.toml:1: not TOML: "),
    ("host = \"unclosed", "c.toml:1: not TOML: "),
    ("host = 'a\nb'", "c.toml:1: not TOML: "),
    ("a = 1\n[[a]]\n", "c.toml:2: not TOML: "),
    ("port = 70000", "c.toml:1: port cannot be '70000'; allowed is a whole number from 0 to 65535"),
    ("port = -1", "c.toml:1: port cannot be '-1'"),
    ("port = 1.5", "c.toml:1: port cannot be"),
    ("port = true", "c.toml:1: port cannot be 'true'"),
    ("\nport = [1]", "c.toml:2: port cannot be"),
    ("workers = \"many\"", "c.toml:1: workers cannot be 'many'; allowed is a whole number from 0 to 256"),
    ("host = \"a b\"", "c.toml:1: host cannot be 'a b'; allowed is an address or a name"),
    ("host = \"\"", "c.toml:1: host cannot be ''"),
    ("path = \"/a//b\"", "c.toml:1: path cannot be"),
    ("path = \"/../x\"", "c.toml:1: path cannot be"),
    ("backend = \"kqueue\"", "c.toml:1: backend cannot be 'kqueue'; allowed is auto, uring or epoll"),
    ("echo = \"maybe\"", "c.toml:1: echo cannot be 'maybe'; allowed is true or false"),
    ("max_request_bytes = \"1 GiB\"", "c.toml:1: max_request_bytes cannot be '1 GiB'"),
    ("max_request_bytes = \"99999999999999999999MiB\"", "c.toml:1: max_request_bytes cannot be"),
    ("environment = \"staging\"", "c.toml:1: environment cannot be 'staging'; allowed is development or production"),
    ("environment = \"production\"", "apps: no application is configured"),
    ("environment = \"production\"\necho = true\n" + shop, "echo: anybody who reaches"),
    ("[log]\nlevel = \"loud\"", "c.toml:2: log.level cannot be 'loud'"),
    ("[realtime]\nmode = \"x\"", "c.toml:2: realtime.mode cannot be 'x'; allowed is raw or envelope"),
    ("[realtime]\nallowed_origins = [\"example.org\"]", "c.toml:2: realtime.allowed_origins cannot be 'example.org'"),
    ("[realtime]\nsecret = \"\"", "c.toml:2: realtime.secret cannot be its value; allowed is a text that is not empty"),
    ("[limits]\nhead_seconds = 0", "c.toml:2: limits.head_seconds cannot be '0'"),
    ("[limits]\nlog_bytes_max = \"100KiB\"", "c.toml:2: limits.log_bytes_max is 102400; it must be at least 131072"),
    ("[limits]\nsloow = 1", "c.toml:2: there is no setting limits.sloow; remove it"),
    ("prot = 1", "c.toml:1: there is no setting prot; did you mean port?"),
    ("apps_store = \"mysql://x\"", "c.toml:1: apps_store cannot be its value; allowed is sqlite:PATH"),
    ("apps_store = \"sqlite:\"", "c.toml:1: apps_store cannot be its value"),
    ("apps_cache_seconds = 0", "c.toml:1: apps_cache_seconds cannot be '0'"),
    ("[webhooks]\nallowed_networks = [\"10.0.0.0/33\"]", "c.toml:2: webhooks.allowed_networks cannot be '10.0.0.0/33'"),
    ("[webhooks]\nallowed_networks = [\"internal\"]", "c.toml:2: webhooks.allowed_networks cannot be 'internal'"),
    ("[webhooks]\nmax_batch_events = 0", "c.toml:2: webhooks.max_batch_events cannot be '0'"),
    ("apps = 3", "c.toml:1: apps must be written as [[apps]]"),
    ("\n[apps]\nid = \"a\"", "c.toml:2: apps must be written as [[apps]]"),
    ("[[apps]]\nid = \"a\"\n", "c.toml:1: application 1 has no key, no secret; it needs all of id, key and secret"),
    (shop + "[[apps]]\nid = \"b\"\nkey = \"b\"\n", "c.toml:5: application 2 has no secret"),
    (shop + shop, "c.toml:6: two applications have the id shop, the other by c.toml:2; give each its own"),
    (
        shop + "[[apps]]\nid = \"b\"\nkey = \"k\"\nsecret = \"s\"\n",
        "c.toml:7: two applications have the key k, the other by c.toml:3; give each its own"
    ),
    ("[[apps]]\nid = \"a/b\"\nkey = \"k\"\nsecret = \"s\"", "c.toml:2: id cannot be 'a/b'; allowed is 1 to 128 of"),
    ("[[apps]]\nid = \"\"\nkey = \"k\"\nsecret = \"s\"", "c.toml:2: id cannot be ''"),
    (shop + "secrets = \"x\"", "c.toml:5: there is no setting secrets; did you mean secret?"),
    (
        shop + "max_connections = \"some\"",
        "c.toml:5: max_connections cannot be 'some'; allowed is a whole number from 0"
    ),
    (shop + "features = [\"video\"]", "c.toml:5: features cannot be 'video'; allowed is any of presence, cache"),
    (shop + "ping_interval = 0", "c.toml:5: ping_interval_seconds cannot be '0'"),
    (shop + "rate_limiting = { max_attempts = 0 }", "c.toml:5: rate_limit.max_attempts cannot be '0'"),
    (shop + "accept_client_events_from = \"friends\"", "c.toml:5: accept_client_events_from cannot be 'friends'"),
    (shop + "allowed_origins = [\"a b\"]", "c.toml:5: allowed_origins cannot be"),
    (shop + "webhooks = \"https://a.example\"", "c.toml:5: webhooks must be written as [[apps.webhooks]]"),
    (shop + "webhook_urls = [\"ftp://a.example\"]", "c.toml:5: webhook_urls cannot be 'ftp://a.example'"),
    (shop + "[[apps.webhooks]]\nevents = [\"cache_miss\"]", "c.toml:6: a webhook has no url; add one such as"),
    (shop + "[[apps.webhooks]]\nurl = \"http://u:p@a.example/\"", "c.toml:6: url cannot be"),
    (
        shop + "[[apps.webhooks]]\nurl = \"https://a.example\"\n\nevents = [\"everything\"]",
        "c.toml:8: events cannot be 'everything'; allowed is any of channel_occupied"
    ),
    (
        shop + "[[apps.webhooks]]\nurl = \"https://a.example\"\nheaders = { Host = \"b\" }",
        "c.toml:7: headers cannot have Host"
    ),
    (
        shop + "[[apps.webhooks]]\nurl = \"https://a.example\"\n[apps.webhooks.headers]\nX-A = \"a\\nb\"",
        "c.toml:8: headers.X-A cannot be its value"
    ),
    (
        shop + "[[apps.webhooks]]\nurl = \"https://a.example\"\n[[apps.webhooks]]\nurl = \"x\"",
        "c.toml:8: url cannot be 'x'; allowed is an http or https URL"
    ),
    (
        shop + "[[apps.webhooks]]\nurl = \"https://a.example\"\nevent = []",
        "c.toml:7: there is no setting event; did you mean"
    ),
]

@Suite struct BrokenFilesTests {
    @Test(arguments: broken.indices)
    func eachIsRefusedWithItsPlace(_ index: Int) {
        var input = Configuration.Input()
        input.file = "c.toml"
        input.fileText = broken[index].text
        do {
            _ = try Configuration.load(input)
            Issue.record("taken: \(broken[index].text)")
        } catch {
            let told = error.problems.map(\.description)
            #expect(told.contains { $0.hasPrefix(broken[index].told) }, "\(broken[index].text): \(told)")
            #expect(!told.contains { $0.contains("hush") })
        }
    }

    @Test func thereAreEnough() { #expect(broken.count >= 50) }
}

@Suite struct AppsFileTests {
    private func read(_ path: String, _ text: String) throws -> [AppSettings] {
        var reader = AppReader(place: path)
        let file = try SettingsFile(path: path, text: text)
        let apps = reader.read(file.apps, messageBytesMax: 1 << 19)
        if !reader.problems.isEmpty { throw SettingsError(problems: reader.problems) }
        return apps
    }

    private func problems(_ path: String, _ text: String) -> [String] {
        do {
            _ = try read(path, text)
            return []
        } catch let error as SettingsError {
            return error.problems.map(\.description)
        } catch {
            return ["\(error)"]
        }
    }

    @Test func tomlAndJSONSayTheSame() throws {
        let toml = """
            [[apps]]
            id = "a"
            key = "k"
            secret = "s"
            max_connections = 5
            allowed_origins = ["x.example"]
            features = ["presence"]
            rate_limit = { enabled = true }
            webhook_urls = ["https://one.example"]
            [[apps.webhooks]]
            url = "https://two.example/hook"
            events = ["cache_miss", "member_added"]
            channel_prefix = "presence-"
            headers = { Authorization = "Bearer x" }
            """
        let json = """
            {"apps": [{"id": "a", "key": "k", "secret": "s", "max_connections": 5,
              "allowed_origins": ["x.example"], "features": ["presence"], "rate_limiting": {"enabled": true},
              "webhook_urls": ["https://one.example"], "activity_timeout": null,
              "webhooks": [{"url": "https://two.example/hook", "events": ["cache_miss", "member_added"],
                "channel_prefix": "presence-", "headers": {"Authorization": "Bearer x"}}]}]}
            """
        let fromTOML = try read("a.toml", toml)
        #expect(try read("a.json", json) == fromTOML)
        let app = try #require(fromTOML.first)
        #expect(app.webhooks.map(\.url) == ["https://one.example", "https://two.example/hook"])
        #expect(app.webhooks[1].events == [.cacheMiss, .memberAdded])
        #expect(app.webhooks[1].headers == ["Authorization": Secret("Bearer x")])
        #expect(app.connectionsMax == 5 && app.rateLimit.isEnabled && app.features == [.presence])
    }

    @Test(arguments: [
        ("[\n{\"id\":1,\n\"key\":}]", "a.json:3: not JSON from column 7 on"), ("3", "a.json:1: a list of applications"),
        ("{\"apps\":\n3}", "a.json:2: apps must be a list of objects"),
        ("[\n\n7]", "a.json:3: an application must be an object"),
        (
            "[{\"id\":\"a\",\"key\":\"k\",\"secret\":\"s\",\n\"max_connections\":-1}]",
            "a.json:2: max_connections cannot be '-1'"
        ),
        ("[{\"id\":\"a\",\"key\":\"k\",\"secret\":\"s\",\n\"webhooks\":[3]}]", "a.json:2: webhooks must be written"),
        ("[{\"id\":\"a\",\"key\":\"k\"}]", "a.json:1: application 1 has no secret"),
        (
            "[{\"id\":\"a\",\"key\":\"k\",\"secret\":\"s\"},\n{\"id\":\"a\",\"key\":\"l\",\"secret\":\"s\"}]",
            "a.json:2: two applications have the id a, the other on line 1"
        ),
        (
            "[{\"id\":\"a\",\"key\":\"k\",\"secret\":\"s\",\"max_message_bytes\":\"1MiB\"}]",
            "a.json:1: max_message_bytes is 1048576; the node holds messages of 524288 bytes"
        ),
        ("{\"apps\":[],\"\":1", "a.json:1: not JSON from column 16 on"),
    ])
    func wrongJSONIsToldWithItsLine(_ text: String, _ told: String) {
        #expect(problems("a.json", text).contains { $0.hasPrefix(told) }, "\(problems("a.json", text))")
    }

    @Test func aStoredApplicationIsHeldToTheSameRules() throws {
        let app = try AppSettings.stored(
            id: "a", key: "k", secret: "s", isEnabled: false, settings: #"{"max_connections": 3, "secret": "other"}"#,
            place: "store", messageBytesMax: 1 << 19)
        #expect(app.connectionsMax == 3 && !app.isEnabled && app.secret == Secret("s"))
        for wrong in ["[]", "{", #"{"max_connections": "x"}"#, #"{"nothing": 1}"#] {
            #expect(throws: SettingsError.self) {
                _ = try AppSettings.stored(
                    id: "a", key: "k", secret: "s", isEnabled: true, settings: wrong, place: "store",
                    messageBytesMax: 1 << 19)
            }
        }
    }
}

@Suite struct ConfigurationChangesTests {
    private func load(_ text: String) throws -> Configuration {
        var input = Configuration.Input()
        input.file = "c.toml"
        input.fileText = text
        return try Configuration.load(input)
    }

    @Test func whatCanChangeIsTakenAndTheRestIsTold() throws {
        let old = try load("port = 1\n[limits]\nhead_seconds = 5\n[realtime]\nsecret = \"a\"\n" + shop)
        let new = try load("port = 2\n[limits]\nhead_seconds = 6\n[realtime]\nsecret = \"b\"\n" + shop)
        let changes = old.changes(to: new)
        #expect(changes.applied == ["limits.head_seconds"])
        #expect(changes.needsRestart == ["port", "realtime.secret"])
        let adopted = old.adopting(new).settings
        #expect(adopted.port == 1 && adopted.limits.headSeconds == 6 && adopted.realtime.secret == Secret("a"))
        #expect(old.changes(to: old) == ConfigurationChanges())
    }

    @Test func aStoreOrAFileTakesThePlaceOfTheEmbeddedApplication() throws {
        #expect(try load("apps_store = \"sqlite:x\"").settings.apps.isEmpty)
        #expect(try load("apps_file = \"x.toml\"").settings.apps.isEmpty)
        #expect(try load("apps_store = \"sqlite:x\"\n" + shop).settings.apps.count == 1)
    }

    @Test func theAddressOfAStoreIsASecret() throws {
        let configuration = try load("apps_store = \"postgresql://u:marker@h/d\"")
        #expect(!configuration.table().contains("marker") && !configuration.json().contains("marker"))
        #expect(!"\(configuration.settings)".contains("marker"))
    }
}
