import Testing

@testable import ClarionSettings

@Suite struct ConfigurationReportTests {
    @Test func theTableHasKeyValueAndSource() throws {
        var input = Configuration.Input()
        input.flags = ["port": .text("9090")]
        input.environment = ["CLARION_LOG_LEVEL": "debug"]
        let lines = try Configuration.load(input).table().split(separator: "\n").map { line in
            line.split(separator: " ").map(String.init)
        }
        #expect(lines.first == ["setting", "value", "source"])
        #expect(lines.contains(["port", "9090", "--port"]))
        #expect(lines.contains(["log.level", "debug", "CLARION_LOG_LEVEL"]))
        #expect(lines.contains(["realtime.secret", "none", "default"]))
        #expect(lines.count == 1 + SettingTable.node.count + SettingTable.limits.count + SettingTable.app.count)
    }

    @Test func jsonIsWellFormed() throws {
        var input = Configuration.Input()
        input.flags = ["host": .text("0.0.0.0")]
        let text = try Configuration.load(input).json()
        #expect(text.contains(#"{"key":"host","value":"0.0.0.0","source":"--host"}"#))
        #expect(text.contains(#"{"key":"apps.1.max_connections","value":null,"source":"default"}"#))
        #expect(text.contains(#"{"key":"apps.1.allowed_origins","value":["*"],"source":"default"}"#))
        #expect(text.contains(#""warnings":["no application"#))
    }
}
