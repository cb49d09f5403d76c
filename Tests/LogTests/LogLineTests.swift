import Testing

@testable import ClarionLog

@Suite struct LogLineTests {
    private let line = LogLine(
        time: LogTime(seconds: 1_795_264_838, nanoseconds: 7_999_999), level: .info, event: "listening",
        fields: ["host": "127.0.0.1", "port": 8080, "fast": true, "ratio": 0.5, "name": "a b\n"])

    @Test func jsonHoldsEveryField() {
        #expect(
            line.json()
                == #"{"time":"2026-11-21T12:40:38.007Z","level":"info","event":"listening","host":"127.0.0.1","#
                + #""port":8080,"fast":true,"ratio":0.5,"name":"a b\n"}"#)
    }

    @Test func textIsOneLineWithPairs() {
        #expect(
            line.text(coloured: false)
                == #"2026-11-21T12:40:38.007Z info    listening  host=127.0.0.1  port=8080  fast=true  ratio=0.5  "#
                + #"name="a b\n""#)
    }

    @Test func colouredTextHidesNothing() {
        let text = line.text(coloured: true)
        #expect(text.contains("\u{1b}[32minfo"))
        #expect(text.contains("listening"))
        #expect(text.hasPrefix("\u{1b}[2m12:40:38.007"))
    }

    @Test func anEventCannotSteerTheTerminal() {
        let nasty = LogLine(time: LogTime(seconds: 0, nanoseconds: 0), level: .error, event: "a\u{1b}[2Jb", fields: [:])
        #expect(nasty.text(coloured: false) == #"1970-01-01T00:00:00.000Z error   a\u001b[2Jb"#)
    }
}
