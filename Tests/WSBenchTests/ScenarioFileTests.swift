import Foundation
import Testing

@testable import WSBenchCore

@Suite struct ScenarioFileTests {
    private func read(_ text: String) throws -> ScenarioFile {
        try JSONDecoder().decode(ScenarioFile.self, from: Data(text.utf8))
    }

    @Test func partsBecomePlans() throws {
        let file = try read(
            """
            {"url": "ws://h:7", "seed": 40, "duration": 3, "warmup": 0.5, "app-key": "k",
             "parts": [
               {"scenario": "fanout", "name": "big", "connections": 500, "rate": 20, "size": 100},
               {"scenario": "storm", "connections": 50, "drop": 20, "after": 1, "connect-rate": 10},
               {"scenario": "echo", "window": 3}]}
            """)
        let plans = try file.plans(url: "ws://other")
        #expect(plans.map(\.shape) == [.fanout, .storm, .echo])
        #expect(plans.map(\.dialect) == [.json, .pusher, .raw])
        #expect(plans.map(\.path) == ["/ws", "/app/k", "/echo"])
        #expect(plans.map(\.seed) == [40, 41, 42])
        #expect(plans[0].name == "big" && plans[0].pace == .rate(20) && plans[0].textBytes == 100)
        #expect(plans[1].stormShare == 0.2 && plans[1].connectRate == 10 && plans[1].pace == .rate(10))
        #expect(plans[2].pace == .window(3))
        #expect(plans.allSatisfy { $0.durationNanoseconds == 3_000_000_000 && $0.host == "h" && $0.port == 7 })
        #expect(Set(plans.map { $0.channelName(0) }).count == 3)
        for plan in plans { try plan.validate() }
    }

    @Test(arguments: [
        #"{"parts": [{"scenario": "fanout", "conections": 5}]}"#, #"{"parts": [{"scenario": "fan"}]}"#,
        #"{"parts": [{}]}"#, #"{}"#, #"{"parts": 1}"#, #"{"speed": 1, "parts": []}"#,
        #"{"parts": [{"scenario": "fanout", "connections": "many"}]}"#,
    ])
    func whatIsNotUnderstoodIsRefused(text: String) {
        #expect(throws: DecodingError.self) { try read(text) }
    }

    @Test func whatCannotBeIsRefused() throws {
        for text in [
            #"{"parts": [{"scenario": "fanout", "window": 1, "rate": 1}]}"#,
            #"{"duration": -1, "parts": [{"scenario": "fanout"}]}"#,
            #"{"url": "http://a", "parts": [{"scenario": "fanout"}]}"#,
        ] {
            let file = try read(text)
            #expect(throws: BenchPlanError.self) { try file.plans(url: "ws://h") }
        }
        #expect(throws: BenchPlanError.self) { try BenchRun(plans: []) }
    }
}
