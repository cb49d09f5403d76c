import Testing

@testable import WSBenchCore

@Suite struct BenchPlanTests {
    @Test func aURLIsSplit() throws {
        func split(_ url: String) throws -> [String] {
            let place = try splitURL(url, usualPath: "/ws")
            return [place.host, "\(place.port)", place.path]
        }
        #expect(try split("ws://127.0.0.1:9001/a/b?c=d") == ["127.0.0.1", "9001", "/a/b?c=d"])
        #expect(try split("ws://example") == ["example", "80", "/ws"])
        #expect(try split("ws://[::1]:90/") == ["::1", "90", "/"])
        #expect(try split("ws://[::1]") == ["::1", "80", "/ws"])
        for bad in ["http://a", "ws://", "ws://:80/", "ws://a:0", "ws://a:70000", "ws://a:x"] {
            #expect(throws: BenchPlanError.self) { try splitURL(bad, usualPath: "/ws") }
        }
    }

    @Test func aPlanThatCannotBeCarriedOutIsRefused() throws {
        let good = BenchPlan(shape: .fanout, dialect: .json, host: "h", port: 1, path: "/")
        try good.validate()
        let changes: [(inout BenchPlan) -> Void] = [
            { $0.connections = 0 }, { $0.channels = 0 }, { $0.channels = BenchPlan.channelsMax + 1 },
            { $0.channels = 1_001 },
            { $0.textBytes = Marker.byteCount - 1 },
            { $0.threads = 0 }, { $0.pace = .window(0) }, { $0.pace = .rate(0) }, { $0.pace = .rate(.nan) },
            { $0.durationNanoseconds = 0 }, { $0.dialect = .raw },
            {
                $0.pace = .rate(1)
                $0.sendsBursts = true
            },
        ]
        for change in changes {
            var plan = good
            change(&plan)
            #expect(throws: BenchPlanError.self) { try plan.validate() }
        }
    }
}
