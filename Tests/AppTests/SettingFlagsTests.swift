import ArgumentParser
import ClarionSettings
import Testing

@testable import clarion

@Suite struct SettingFlagsTests {
    /// The flags are declared by a mirror of the table; this shows that the parser sees each of them.
    @Test func everySettingHasAFlag() throws {
        for flag in SettingFlag.all {
            for name in flag.names {
                let arguments = flag.isBoolean ? ["--\(name)"] : ["--\(name)", "7"]
                let parsed = try SettingFlags.parse(arguments)
                #expect(parsed.values == [flag.key: flag.isBoolean ? .boolean(true) : .text("7")], "--\(name)")
                if flag.isBoolean {
                    #expect(
                        try SettingFlags.parse(["--no-\(name)"]).values == [flag.key: .boolean(false)], "--no-\(name)")
                }
            }
        }
    }

    @Test func everySettingIsInTheHelp() {
        let help = StartCommand.helpMessage(columns: 100)
        for flag in SettingFlag.all {
            for name in flag.names { #expect(help.contains("--\(name)"), "--\(name)") }
        }
    }

    @Test func withoutFlagsNothingIsSet() throws {
        let parsed = try SettingFlags.parse([])
        #expect(parsed.values.isEmpty)
        #expect(parsed.file == nil)
    }

    @Test func theFlagsOfTheIssueAreUnderstood() throws {
        let parsed = try SettingFlags.parse([
            "--host", "0.0.0.0", "--port=9000", "--workers", "4", "--backend", "epoll", "--config", "a.toml",
            "--app-id", "i",
            "--app-key", "k", "--app-secret", "s", "--accept-client-events-from", "all", "--echo", "--realtime-mode",
            "envelope", "--realtime-publish", "--realtime-secret", "t", "--realtime-origins", "http://a http://b",
            "--log-level", "debug", "--log-format", "json", "--path", "/x", "--max-request-size", "2000",
        ])
        #expect(parsed.file == "a.toml")
        #expect(parsed.values.count == 17)
        var input = Configuration.Input()
        input.flags = parsed.values
        let settings = try Configuration.load(input).settings
        #expect(settings.port == 9000)
        #expect(settings.backend == .epoll)
        #expect(settings.apps.map(\.acceptClientEventsFrom) == [.all])
        #expect(settings.realtime.allowedOrigins == ["http://a", "http://b"])
        #expect(settings.realtime.acceptsPublish)
        #expect(settings.requestBytesMax == 2000)
    }
}

@Suite struct ClarionTests {
    @Test(arguments: [
        ["start", "--prot", "1"], ["start", "surplus"], ["bogus"], ["start", "--port"],
        ["config", "--markdown", "nothing"],
    ])
    func misuseEndsWithSixtyFour(_ arguments: [String]) {
        do {
            _ = try Clarion.parseAsRoot(arguments)
            Issue.record("taken")
        } catch {
            #expect(Clarion.exitCode(for: error).rawValue == 64)
        }
    }

    @Test(arguments: [
        (["start", "--port", "x"], 64), (["start", "--port", "-1"], 64), (["config", "--backend", "kqueue"], 64),
        (["start", "--config", "/nonexistent/clarion.toml"], 78),
    ])
    func aWrongValueEndsTheCommandBeforeItStarts(_ arguments: [String], _ status: Int) throws {
        var command = try Clarion.parseAsRoot(arguments)
        do {
            try command.run()
            Issue.record("ran")
        } catch {
            #expect(Clarion.exitCode(for: error).rawValue == Int32(status))
        }
    }
}
