import Testing

@testable import ClarionSettings

@Suite struct ReverbImportTests {
    /// What the import makes of the text, read as a configuration.
    private func settings(_ text: String) throws -> Settings {
        let result = try ReverbImport(path: ".env", text: text)
        var input = Configuration.Input()
        input.file = "imported.toml"
        input.fileText = result.toml
        return try Configuration.load(input).settings
    }

    private let identity =
        "REVERB_APP_ID=256980\nREVERB_APP_KEY=f4l2tmwqf6eg0f6jz0mw\nREVERB_APP_SECRET=zioqeto9xrytlnlg7sj6\n"

    @Test func aFreshLaravelApplication() throws {
        let text = """
            APP_NAME=Laravel
            APP_KEY=base64:abc=
            # broadcasting
            BROADCAST_CONNECTION=reverb

            \(identity)
            REVERB_HOST="localhost"
            REVERB_PORT=8080
            REVERB_SCHEME=http
            VITE_REVERB_APP_KEY="${REVERB_APP_KEY}"
            """
        let settings = try settings(text)
        #expect(settings.apps.map(\.id) == ["256980"])
        #expect(
            settings.apps[0].key == "f4l2tmwqf6eg0f6jz0mw" && settings.apps[0].secret == Secret("zioqeto9xrytlnlg7sj6"))
        #expect(try ReverbImport(path: ".env", text: text).remarks.isEmpty)
    }

    @Test func everyVariableOfReverbHasItsPlace() throws {
        let settings = try settings(
            identity + """
                REVERB_SERVER_HOST=0.0.0.0
                REVERB_SERVER_PORT=9000
                REVERB_SERVER_PATH=/ws
                REVERB_MAX_REQUEST_SIZE=20000
                REVERB_APP_PING_INTERVAL=20
                REVERB_APP_ACTIVITY_TIMEOUT=25
                REVERB_APP_MAX_CONNECTIONS=7
                REVERB_APP_MAX_MESSAGE_SIZE=12345
                REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM=all
                REVERB_APP_RATE_LIMITING_ENABLED=true
                REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS=9
                REVERB_APP_RATE_LIMIT_DECAY_SECONDS=8
                REVERB_APP_RATE_LIMIT_TERMINATE=(true)
                """)
        #expect(settings.host == "0.0.0.0" && settings.port == 9000 && settings.path == "/ws")
        #expect(settings.requestBytesMax == 20_000)
        let app = settings.apps[0]
        #expect(app.pingIntervalSeconds == 20 && app.activityTimeoutSeconds == 25 && app.connectionsMax == 7)
        #expect(app.messageBytesMax == 12_345 && app.acceptClientEventsFrom == .all)
        #expect(app.rateLimit.isEnabled && app.rateLimit.terminates)
        #expect(app.rateLimit.attemptsMax == 9 && app.rateLimit.decaySeconds == 8)
    }

    @Test(arguments: [
        ("plain", "plain"), ("a b", "a b"), ("trailing  ", "trailing"), ("a#b", "a#b"), ("a # comment", "a"),
        ("\"quoted # no comment\" # comment", "quoted # no comment"),
        ("'single ${REVERB_APP_ID}'", "single ${REVERB_APP_ID}"),
        ("\"${REVERB_APP_ID}-x\"", "256980-x"), ("${REVERB_APP_KEY}", "f4l2tmwqf6eg0f6jz0mw"),
        ("\"a\\\"b\\\\c\"", "a\"b\\c"),
        ("\"two\nlines\"", "two\nlines"), ("é\u{1}", "é\u{1}"), ("\"${NOT_SET}x\"", "x"), ("a=b", "a=b"),
    ])
    func valuesAreReadAsDotenvReadsThem(_ written: String, _ meant: String) throws {
        let text =
            identity.split(separator: "\n").dropLast().joined(separator: "\n")
            + "\nexport REVERB_APP_SECRET=\(written)\r\nX=1"
        #expect(try settings(text).apps[0].secret.revealed == meant)
    }

    @Test(arguments: [
        ("APP_NAME=x\n", ".env: there is no REVERB_APP_ID, REVERB_APP_KEY and REVERB_APP_SECRET"),
        ("REVERB_APP_ID=1\nREVERB_APP_KEY=k\n", ".env: REVERB_APP_SECRET is missing"),
        ("\nREVERB_APP_PING_INTERVAL=soon\n", ".env:2: REVERB_APP_PING_INTERVAL cannot be 'soon'; allowed is"),
        ("nonsense\n", ".env:1: not NAME=value"), ("A B=1\n", ".env:1: 'A B' is no name of a variable"),
        ("X=\"open\nY=1\n", ".env:1: the value of X has no closing \""),
    ])
    func whatIsWrongIsToldWithItsLine(_ text: String, _ told: String) {
        do {
            _ = try ReverbImport(path: ".env", text: text)
            Issue.record("taken")
        } catch {
            #expect(error.problems.contains { $0.description.hasPrefix(told) }, "\(error)")
        }
    }

    @Test func whatHasNoCounterpartIsTold() throws {
        let result = try ReverbImport(
            path: ".env",
            text: identity
                + "REVERB_SCALING_ENABLED=true\nREVERB_PULSE_INGEST_INTERVAL=15\nREVERB_PORT=443\nREVERB_SCHEME=https\n"
        )
        #expect(result.remarks.count == 4)
    }
}
