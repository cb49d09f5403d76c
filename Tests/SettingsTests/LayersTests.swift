import ClarionLog
import Testing

@testable import ClarionSettings

private func load(
    flags: [String: SettingValue] = [:], environment: [String: String] = [:], file text: String? = nil
) throws -> Configuration {
    var input = Configuration.Input()
    input.flags = flags
    input.environment = environment
    input.fileText = text
    input.file = text.map { _ in "clarion.toml" }
    return try Configuration.load(input)
}

private func problems(
    flags: [String: SettingValue] = [:], environment: [String: String] = [:], file text: String? = nil
) -> [String] {
    do {
        _ = try load(flags: flags, environment: environment, file: text)
        return []
    } catch let error as SettingsError {
        return error.problems.map(\.description)
    } catch {
        return ["\(error)"]
    }
}

extension Configuration {
    fileprivate func source(_ key: String) -> String? { entries.first { $0.key == key }.map { "\($0.source)" } }
}

@Suite struct LayersTests {
    @Test func withoutAnythingTheDefaultsHold() throws {
        let configuration = try load()
        #expect(configuration.settings == Settings())
        #expect(configuration.settings.apps.map(\.id) == ["app-id"])
        #expect(configuration.warnings.isEmpty)
        #expect(configuration.source("port") == "default")
        #expect(configuration.source("apps.1.secret") == "default (no application is configured)")
    }

    @Test func flagBeatsEnvironmentBeatsFileBeatsDefault() throws {
        let file = "port = 1\nworkers = 2\nhost = \"10.0.0.1\"\n"
        let environment = ["CLARION_PORT": "3", "REVERB_SERVER_PORT": "4", "CLARION_WORKERS": "5"]
        let configuration = try load(flags: ["port": .text("6")], environment: environment, file: file)
        #expect(configuration.settings.port == 6)
        #expect(configuration.settings.workers == 5)
        #expect(configuration.settings.host == "10.0.0.1")
        #expect(configuration.settings.echo == false)
        #expect(configuration.source("port") == "--port")
        #expect(configuration.source("workers") == "CLARION_WORKERS")
        #expect(configuration.source("host") == "clarion.toml:3")
    }

    @Test func ownVariablesBeatThoseOfOtherPrograms() throws {
        let both = try load(environment: ["REVERB_SERVER_PORT": "4", "CLARION_PORT": "3", "SERVER_ADDRESS": ":5"])
        #expect(both.settings.port == 3)
        let reverb = try load(environment: ["REVERB_SERVER_PORT": "4", "SERVER_ADDRESS": ":5"])
        #expect(reverb.settings.port == 4)
        #expect(reverb.source("port") == "REVERB_SERVER_PORT")
    }

    @Test func everyVariableOfReverbIsUnderstood() throws {
        let configuration = try load(environment: [
            "REVERB_APP_ID": "i", "REVERB_APP_KEY": "k", "REVERB_APP_SECRET": "s", "REVERB_SERVER_HOST": "127.0.0.2",
            "REVERB_SERVER_PORT": "9000", "REVERB_SERVER_PATH": "ws/", "REVERB_MAX_REQUEST_SIZE": "1500",
            "REVERB_APP_MAX_MESSAGE_SIZE": "100", "REVERB_APP_MAX_CONNECTIONS": "2", "REVERB_APP_PING_INTERVAL": "10",
            "REVERB_APP_ACTIVITY_TIMEOUT": "11", "REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM": "all",
            "REVERB_APP_RATE_LIMITING_ENABLED": "true", "REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS": "3",
            "REVERB_APP_RATE_LIMIT_DECAY_SECONDS": "4", "REVERB_APP_RATE_LIMIT_TERMINATE": "1",
            "REVERB_APP_ALLOWED_ORIGINS": "laravel.com, *.example.org", "REVERB_APP2_ID": "i2", "REVERB_APP2_KEY": "k2",
            "REVERB_APP2_SECRET": "s2",
        ])
        let settings = configuration.settings
        #expect(settings.host == "127.0.0.2")
        #expect(settings.port == 9000)
        #expect(settings.path == "/ws")
        #expect(settings.requestBytesMax == 1500)
        try #require(settings.apps.count == 2)
        let app = settings.apps[0]
        #expect(app.id == "i" && app.key == "k" && app.secret == Secret("s"))
        #expect(app.messageBytesMax == 100 && app.connectionsMax == 2)
        #expect(app.pingIntervalSeconds == 10 && app.activityTimeoutSeconds == 11)
        #expect(app.acceptClientEventsFrom == .all)
        #expect(app.rateLimit.isEnabled && app.rateLimit.terminates)
        #expect(app.rateLimit.attemptsMax == 3 && app.rateLimit.decaySeconds == 4)
        #expect(app.allowedOrigins == ["laravel.com", "*.example.org"])
        let second = settings.apps[1]
        #expect(second.id == "i2" && second.key == "k2" && second.secret == Secret("s2"))
        #expect(second.acceptClientEventsFrom == .members && second.connectionsMax == nil)
    }

    @Test(arguments: [
        (":9", "0.0.0.0", 9), ("127.0.0.1:80", "127.0.0.1", 80), ("[::1]:81", "::1", 81),
    ])
    func serverAddressGivesHostAndPort(_ address: String, _ host: String, _ port: Int) throws {
        let settings = try load(environment: ["SERVER_ADDRESS": address]).settings
        #expect(settings.host == host)
        #expect(settings.port == port)
    }

    @Test func theNodesOwnPagesHaveItsPort() throws {
        var settings = Settings()
        #expect(settings.ownOrigins == ["http://localhost:8080", "http://127.0.0.1:8080"])
        settings.host = "::1"
        settings.port = 80
        #expect(settings.ownOrigins == ["http://localhost", "http://127.0.0.1", "http://[::1]"])
    }

    @Test func emptyVariablesAreNotSet() throws {
        let configuration = try load(environment: ["CLARION_PORT": "", "REVERB_SERVER_PATH": "", "CLARION_APP_KEY": ""])
        #expect(configuration.settings == Settings())
    }

    @Test func theFileHoldsEverything() throws {
        let settings = try load(
            file: """
                # a node
                echo = true
                max_request_bytes = "128KiB"
                [realtime]
                mode = "envelope"
                secret = "hush"
                allowed_origins = ["https://a.example", "*"]
                [log]
                level = "debug"
                [limits]
                slow_consumer_policy = "skip"
                head_seconds = 7
                [[apps]]
                id = "one"
                key = "one-key"
                secret = "one-secret"
                max_connections = "none"
                rate_limit = { enabled = true, max_attempts = 5 }
                [[apps]]
                id = 2
                key = "two-key"
                secret = "two-secret"
                """
        ).settings
        #expect(settings.echo)
        #expect(settings.requestBytesMax == 131_072)
        #expect(settings.realtime.mode == .envelope)
        #expect(settings.realtime.secret == Secret("hush"))
        #expect(settings.realtime.allowedOrigins == ["https://a.example", "*"])
        #expect(settings.logLevel == .debug)
        #expect(settings.limits.slowConsumerPolicy == .skip)
        #expect(settings.limits.headSeconds == 7)
        #expect(settings.apps.map(\.id) == ["one", "2"])
        #expect(settings.apps[0].rateLimit.isEnabled)
        #expect(settings.apps[0].rateLimit.attemptsMax == 5)
        #expect(settings.apps[0].connectionsMax == nil)
    }

    @Test func theEnvironmentChangesAnApplicationOfTheFile() throws {
        let file = "[[apps]]\nid = \"a\"\nkey = \"b\"\nsecret = \"c\"\n"
        let configuration = try load(environment: ["CLARION_APP_SECRET": "d"], file: file)
        #expect(configuration.settings.apps.count == 1)
        #expect(configuration.settings.apps[0].secret == Secret("d"))
        #expect(configuration.source("apps.1.key") == "clarion.toml:3")
        #expect(configuration.source("apps.1.secret") == "CLARION_APP_SECRET")
    }

    @Test func settingsWithoutAnIdentityConcernTheEmbeddedApplication() throws {
        let configuration = try load(flags: ["app.accept_client_events_from": .text("all")])
        #expect(configuration.settings.apps.map(\.key) == ["app-key"])
        #expect(configuration.settings.apps[0].acceptClientEventsFrom == .all)
    }

    @Test func publishingRaisesTheBoundOfAMessageUnlessItIsSet() throws {
        let raised = try load(flags: ["realtime.publish": .boolean(true)])
        #expect(raised.settings.realtime.messageBytesMax == 65_536)
        #expect(raised.source("realtime.max_message_bytes") == "default (because of realtime.publish)")
        let kept = try load(
            flags: ["realtime.publish": .boolean(true)], environment: ["CLARION_REALTIME_MAX_MESSAGE_BYTES": "512"])
        #expect(kept.settings.realtime.messageBytesMax == 512)
    }
}

@Suite struct SettingsProblemTests {
    @Test func aProblemNamesSourceKeyValueAndWhatIsAllowed() {
        #expect(
            problems(environment: ["CLARION_PORT": "99999"])
                == ["CLARION_PORT: port cannot be '99999'; allowed is a whole number from 0 to 65535"])
        #expect(
            problems(flags: ["backend": .text("kqueue")])
                == ["--backend: backend cannot be 'kqueue'; allowed is auto, uring or epoll"])
        #expect(
            problems(file: "\n[realtime]\nmode = 3\n")
                == ["clarion.toml:3: realtime.mode cannot be '3'; allowed is raw or envelope"])
    }

    @Test func allProblemsAreToldAtOnce() {
        let found = problems(
            flags: ["port": .text("x")], environment: ["CLARION_WORKERS": "-1"], file: "echo = \"perhaps\"\n")
        #expect(found.count == 3)
    }

    @Test func aSecretIsNotToldEvenWhenItIsWrong() {
        let found = problems(file: "[realtime]\nsecret = [\"hush-hush\"]\n")
        #expect(found == ["clarion.toml:2: realtime.secret cannot be its value; allowed is a text that is not empty"])
    }

    @Test(arguments: [
        ("prot = 1", "clarion.toml:1: there is no setting prot; did you mean port?"),
        ("[limits]\n\nsome = 1", "clarion.toml:3: there is no setting limits.some; remove it"),
        (
            "[[apps]]\nid=\"a\"\nkey=\"b\"\nsecret=\"c\"\nsecrets=\"d\"",
            "clarion.toml:5: there is no setting secrets; did you mean secret?"
        ),
        ("apps = 3", "clarion.toml:1: apps must be written as [[apps]]"),
    ])
    func unknownKeysOfTheFileAreRefused(_ file: String, _ expected: String) {
        #expect(problems(file: file) == [expected])
    }

    @Test func brokenFilesAreRefusedWithTheirLine() {
        let found = problems(file: "port = 1\nhost = = 2\n")
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("clarion.toml:2: not TOML: ") == true)
    }

    @Test func anApplicationNeedsItsWholeIdentity() {
        #expect(
            problems(environment: ["REVERB_APP_KEY": "k"])
                == ["application 1 has no id, no secret; it needs all of id, key and secret"])
        #expect(problems(environment: ["CLARION_APP3_MAX_CONNECTIONS": "1"]).count == 1)
    }

    @Test(arguments: [
        ("[[apps]]\nid=\"a\"\nkey=\"b\"", "clarion.toml:1: application 1 has no secret; "),
        (
            "[[apps]]\nid=\"a\"\nkey=\"b\"\nsecret=\"c\"\n\n[[apps]]\nid=\"d\"",
            "clarion.toml:6: application 2 has no key, no secret; "
        ),
        (
            "[[apps]]\nid=\"a\"\nkey=\"b\"\nsecret=\"c\"\n[[apps]]",
            "clarion.toml:5: application 2 has no id, no key, no secret; "
        ),
    ])
    func anIncompleteApplicationOfTheFileHasItsLine(_ file: String, _ expected: String) {
        #expect(problems(file: file) == [expected + "it needs all of id, key and secret"])
    }

    @Test(arguments: [("raw", "skip", true), ("raw", "close", false), ("envelope", "conflate", false)])
    func gapsThatNobodyIsToldOfAreWarnedOf(_ mode: String, _ policy: String, _ isWarned: Bool) throws {
        let flags: [String: SettingValue] = [
            "realtime.mode": .text(mode), "limits.slow_consumer_policy": .text(policy),
        ]
        #expect(try load(flags: flags).warnings.count == (isWarned ? 1 : 0))
    }

    @Test func aPongMustHaveMoreTimeThanThereIsBetweenPings() {
        let found = problems(file: "[realtime]\nping_interval_seconds = 60")
        #expect(found.count == 1 && found[0].hasPrefix("realtime.pong_timeout_seconds is 60"))
        #expect(problems(file: "[realtime]\nping_interval_seconds = 60\npong_timeout_seconds = 61") == [])
    }

    @Test func applicationsDifferInIdAndKey() {
        let found = problems(environment: [
            "CLARION_APP_ID": "a", "CLARION_APP_KEY": "b", "CLARION_APP_SECRET": "c", "CLARION_APP2_ID": "a",
            "CLARION_APP2_KEY": "b", "CLARION_APP2_SECRET": "c",
        ])
        #expect(
            found == [
                "CLARION_APP2_ID: two applications have the id a, the other by CLARION_APP_ID; give each its own",
                "CLARION_APP2_KEY: two applications have the key b, the other by CLARION_APP_KEY; give each its own",
            ])
    }

    @Test func aLogHoldsTheLargestMessage() {
        let found = problems(flags: ["limits.log_bytes_max": .text("100KiB")])
        #expect(found.count == 1)
        #expect(
            found.first?.hasPrefix("--limits-log-bytes-max: limits.log_bytes_max is 102400; it must be at least 131072")
                == true)
    }

    @Test func onlyAWrongFlagIsMisuse() throws {
        let input = Configuration.Input()
        var wrong = input
        wrong.flags = ["port": .text("x")]
        wrong.environment = ["CLARION_WORKERS": "x"]
        do {
            _ = try Configuration.load(wrong)
            Issue.record("taken")
        } catch {
            #expect(error.problems.map(\.isFlag) == [true, false])
        }
    }

    @Test func aMissingFileIsAProblem() {
        var input = Configuration.Input()
        input.environment = ["CLARION_CONFIG": "/nonexistent/clarion.toml"]
        #expect(throws: SettingsError.self) { _ = try Configuration.load(input) }
    }
}

@Suite struct SettingsWarningTests {
    @Test func theWellKnownSecretIsLoudOnAnOpenAddress() throws {
        #expect(try load(flags: ["host": .text("0.0.0.0")]).warnings.count == 1)
        #expect(try load(flags: ["host": .text("::1")]).warnings.isEmpty)
    }

    @Test func dangerousSwitchesAreLoudOnAnOpenAddress() throws {
        let flags: [String: SettingValue] = [
            "host": .text("0.0.0.0"), "echo": .boolean(true), "realtime.allow_without_secret": .boolean(true),
            "app.id": .text("a"), "app.key": .text("b"), "app.secret": .text("c"),
        ]
        #expect(try load(flags: flags).warnings.count == 2)
    }

    @Test func aMisspeltVariableIsNoticed() throws {
        #expect(
            try load(environment: ["CLARION_PROT": "1"]).warnings
                == ["CLARION_PROT is set, but there is no such setting; did you mean CLARION_PORT?"])
    }
}
