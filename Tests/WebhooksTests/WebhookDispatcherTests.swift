import ClarionWire
import Testing

@testable import ClarionWebhooks

/// A dispatcher with a clock of its own.
private struct Desk {
    var dispatcher: WebhookDispatcher
    var now: UInt64 = 1_000_000

    init(_ change: (inout WebhookLimits) -> Void = { _ in }) {
        var limits = WebhookLimits()
        change(&limits)
        dispatcher = WebhookDispatcher(limits: limits)
    }

    mutating func endpoints(_ list: [WebhookEndpoint], application: Int = 0) {
        dispatcher.set(application, WebhookApplication(key: "app-key", secret: "app-secret", endpoints: list))
    }

    mutating func note(_ kind: WebhookKind, _ channel: String, user: String = "", count: Int = 0, application: Int = 0)
    {
        let note = WebhookNote(
            kind, application: application, channel: Array(channel.utf8), user: Array(user.utf8), count: count)
        dispatcher.take(note, at: now)
    }

    /// What is sent now.
    mutating func due() -> [WebhookRequest] { dispatcher.due(at: now, unixMilliseconds: 1_700_000_000_000) }

    mutating func due(after milliseconds: UInt64) -> [WebhookRequest] {
        now += milliseconds
        return due()
    }

    mutating func end(_ request: WebhookRequest, _ outcome: WebhookOutcome) {
        dispatcher.ended(request.endpoint, outcome, at: now, jitter: 0)
    }
}

private func endpoint(
    _ url: String = "https://a.example/hook", _ kinds: Set<WebhookKind> = Set(WebhookKind.allCases),
    prefix: String = "", suffix: String = ""
) throws -> WebhookEndpoint {
    WebhookEndpoint(
        url: try #require(EndpointURL(url)), kinds: kinds, channelPrefix: Array(prefix.utf8),
        channelSuffix: Array(suffix.utf8))
}

extension WebhookRequest {
    fileprivate var text: String { String(decoding: body, as: UTF8.self) }
    fileprivate var names: [String] {
        text.split(separator: "\"name\":\"").dropFirst().map { String($0.prefix { $0 != "\"" }) }
    }
    fileprivate func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

@Suite struct WebhookDispatcherTests {
    @Test(arguments: [
        (
            #"{"time_ms":1700000000000,"events":[{"name":"channel_occupied","channel":"my-channel"}]}"#,
            "fec9fff324b82111ea03affc886e951bec5ee7a9e365bfd05cf254414c990a1a"
        ),
        (
            #"{"time_ms":1700000000000,"events":[{"name":"member_added","channel":"presence-foo","user_id":"10"},{"name":"channel_vacated","channel":"my-channel"}]}"#,
            "971b747fb939f140d2eba9e3cc2be6b8df7d5c6b36715afdc98e120371e1a764"
        ),
        (
            #"{"time_ms":1700000000000,"events":[{"name":"cache_miss","channel":"cache-foo"},{"name":"subscription_count","channel":"my-channel","subscription_count":2}]}"#,
            "45fdf40e25ae8dbdff0fbcd683c070724489997ad23840389e6b8f2ec08acf00"
        ),
    ])
    func bodiesAndSignaturesAreThoseOfTheReference(_ body: String, _ signature: String) throws {
        var desk = Desk { $0.graceSeconds = 0 }
        desk.endpoints([try endpoint()])
        for event in body.split(separator: "{\"name\":\"").dropFirst() {
            let kind = try #require(WebhookKind(rawValue: String(event.prefix { $0 != "\"" })))
            let channel = try #require(event.split(separator: "\"channel\":\"").last).prefix { $0 != "\"" }
            desk.note(
                kind, String(channel), user: kind == .memberAdded ? "10" : "", count: kind == .subscriptionCount ? 2 : 0
            )
        }
        let request = try #require(desk.due(after: 50).first)
        #expect(request.text == body)
        #expect(request.header("X-Pusher-Signature") == signature)
        #expect(request.header("X-Pusher-Key") == "app-key" && request.header("Content-Type") == "application/json")
    }

    @Test func aClientEventKeepsItsDetails() throws {
        let details = #""event":"client-typing","data":{"a":1},"socket_id":"1234.5678","user_id":"10""#
        let note = WebhookNote(
            .clientEvent, application: 0, channel: Array("presence-foo".utf8), details: Array(details.utf8))
        #expect(
            String(decoding: WebhookDispatcher.json(note), as: UTF8.self)
                == #"{"name":"client_event","channel":"presence-foo",\#(details)}"#)
        let user = WebhookNote(
            .memberAdded, application: 0, channel: Array("presence-x".utf8), user: Array("a\"b".utf8))
        #expect(
            String(decoding: WebhookDispatcher.json(user), as: UTF8.self)
                == #"{"name":"member_added","channel":"presence-x","user_id":"a\"b"}"#)
    }

    @Test func eventsWaitForOthers() throws {
        var desk = Desk { $0.batchEventsMax = 3 }
        desk.endpoints([try endpoint()])
        desk.note(.channelOccupied, "a")
        #expect(desk.due().isEmpty)
        #expect(desk.dispatcher.nextTime() == desk.now + 50)
        desk.note(.channelOccupied, "b")
        #expect(desk.due(after: 50).map(\.names) == [["channel_occupied", "channel_occupied"]])
        // One request at a time; a full batch waits for nothing but that.
        for name in ["c", "d", "e", "f"] { desk.note(.channelOccupied, name) }
        #expect(desk.due(after: 100).isEmpty && desk.dispatcher.nextTime() == nil)
        desk.dispatcher.ended(0, .confirmed, at: desk.now, jitter: 0)
        #expect(desk.due().map(\.names.count) == [3])
        desk.dispatcher.ended(0, .confirmed, at: desk.now, jitter: 0)
        #expect(desk.due().map(\.names.count) == [1])
        #expect(desk.dispatcher.snapshot().delivered == 5)
    }

    @Test func filters() throws {
        var desk = Desk()
        desk.endpoints([
            try endpoint("https://one.example", [.channelOccupied], prefix: "orders-"),
            try endpoint("https://two.example", [.channelOccupied, .cacheMiss], suffix: "-eu"),
        ])
        desk.endpoints([try endpoint("https://three.example")], application: 1)
        desk.note(.channelOccupied, "orders-eu")
        desk.note(.channelOccupied, "orders-us")
        desk.note(.cacheMiss, "cache-eu")
        desk.note(.channelOccupied, "news")
        let sent = Dictionary(uniqueKeysWithValues: desk.due(after: 50).map { ($0.url.host, $0.names.count) })
        #expect(sent == ["one.example": 2, "two.example": 2])
    }

    @Test func whoIsBackInTimeHasNotLeft() throws {
        var desk = Desk()
        desk.endpoints([try endpoint()])
        desk.note(.channelOccupied, "a")
        desk.end(try #require(desk.due(after: 50).first), .confirmed)
        desk.note(.channelVacated, "a")
        desk.note(.memberRemoved, "presence-b", user: "7")
        #expect(desk.due(after: 2_900).isEmpty)
        desk.note(.channelOccupied, "a")
        #expect(desk.dispatcher.snapshot().cancelled == 2)
        #expect(desk.due(after: 150).isEmpty)
        #expect(
            desk.due(after: 50).map(\.text) == [
                #"{"time_ms":1700000000000,"events":[{"name":"member_removed","channel":"presence-b","user_id":"7"}]}"#
            ])
        // Left, back, and left again: the second leaving counts from its own time.
        desk.dispatcher.ended(0, .confirmed, at: desk.now, jitter: 0)
        desk.note(.channelVacated, "a")
        desk.now += 1_000
        desk.note(.channelOccupied, "a")
        desk.note(.channelVacated, "a")
        #expect(desk.due(after: 2_500).isEmpty)
        _ = desk.due(after: 500)
        #expect(desk.due(after: 50).map(\.names) == [["channel_vacated"]])
    }

    @Test func countsOfLargeChannelsAreToldNowAndThen() throws {
        var desk = Desk()
        desk.endpoints([try endpoint("https://a.example", [.subscriptionCount])])
        for count in 99...300 { desk.note(.subscriptionCount, "a", count: count) }
        let first = try #require(desk.due(after: 50).first)
        #expect(first.names.count == 2)
        desk.end(first, .confirmed)
        _ = desk.due(after: 5_000)
        let later = try #require(desk.due(after: 50).first)
        #expect(later.text.hasSuffix(#"[{"name":"subscription_count","channel":"a","subscription_count":300}]}"#))
    }

    @Test func oneCacheMissASecond() throws {
        var desk = Desk()
        desk.endpoints([try endpoint()])
        for _ in 0..<5 { desk.note(.cacheMiss, "cache-a") }
        desk.now += 1_000
        desk.note(.cacheMiss, "cache-a")
        #expect(desk.due(after: 50).map(\.names.count) == [2])
    }

    @Test func whatFailsIsSentAgainAndLater() throws {
        var desk = Desk()
        desk.endpoints([try endpoint()])
        desk.note(.channelOccupied, "a")
        var request = try #require(desk.due(after: 50).first)
        for wait: UInt64 in [1_000, 2_000, 4_000, 8_000] {
            desk.end(request, .status(500))
            #expect(desk.due(after: wait - 1).isEmpty)
            request = try #require(desk.due(after: 1).first)
            #expect(request.names == ["channel_occupied"])
        }
        desk.end(request, .confirmed)
        let statistics = desk.dispatcher.snapshot()
        #expect(
            statistics.delivered == 1 && statistics.outcomes == [.serverError: 4, .confirmed: 1]
                && statistics.queued == 0)
    }

    @Test func aDeadEndpointRests() throws {
        var desk = Desk()
        desk.endpoints([try endpoint("https://dead.example"), try endpoint("https://alive.example")])
        desk.note(.channelOccupied, "a")
        for number in 1...5 {
            let requests = desk.due(after: 9_000)
            for request in requests { desk.end(request, request.url.host == "dead.example" ? .timedOut : .confirmed) }
            if number < 5 { #expect(requests.contains { $0.url.host == "dead.example" }) }
        }
        #expect(desk.dispatcher.snapshot().open == 1)
        // Rests for 30 s; then one request decides, and the next rest is longer.
        desk.note(.channelOccupied, "b")
        #expect(desk.due(after: 29_000).map(\.url.host) == ["alive.example"])
        desk.dispatcher.ended(1, .confirmed, at: desk.now, jitter: 0)
        let attempt = try #require(desk.due(after: 1_000).first)
        #expect(attempt.url.host == "dead.example" && desk.dispatcher.snapshot().halfOpen == 1)
        desk.end(attempt, .unreachable("refused"))
        #expect(desk.due(after: 59_000).isEmpty && desk.dispatcher.snapshot().open == 1)
        desk.end(try #require(desk.due(after: 1_000).first), .confirmed)
        #expect(desk.dispatcher.snapshot().closed == 2)
    }

    @Test func whatIsTooOldIsDropped() throws {
        var desk = Desk { $0.retrySeconds = 10 }
        desk.endpoints([try endpoint()])
        desk.note(.channelOccupied, "a")
        desk.end(try #require(desk.due(after: 50).first), .status(404))
        desk.note(.channelOccupied, "b")
        let request = try #require(desk.due(after: 9_990).first)
        desk.end(request, .status(404))
        #expect(desk.due(after: 60_000).isEmpty)
        let statistics = desk.dispatcher.snapshot()
        #expect(statistics.droppedExpired == 2 && statistics.queued == 0 && statistics.outcomes == [.clientError: 2])
    }

    @Test func theOldestLeaveAFullQueue() throws {
        var desk = Desk { $0.queueEventsMax = 10 }
        desk.endpoints([try endpoint()])
        for number in 0..<1_000 { desk.note(.channelOccupied, "c\(number)") }
        #expect(desk.dispatcher.snapshot().droppedQueue == 990 && desk.dispatcher.snapshot().queued == 10)
        #expect(try #require(desk.due(after: 50).first).text.contains("\"c990\""))
    }

    @Test func endpointsThatStayKeepWhatWaits() throws {
        var desk = Desk()
        desk.endpoints([try endpoint("https://one.example"), try endpoint("https://two.example")])
        desk.note(.channelOccupied, "a")
        desk.endpoints([try endpoint("https://two.example"), try endpoint("https://three.example")])
        #expect(desk.dispatcher.snapshot().droppedEnded == 1)
        #expect(desk.due(after: 50).map(\.url.host) == ["two.example"])
        desk.dispatcher.set(0, nil)
        desk.dispatcher.ended(1, .confirmed, at: desk.now, jitter: 0)
        desk.note(.channelOccupied, "b")
        #expect(desk.due(after: 50).isEmpty && desk.dispatcher.isIdle)
    }

    @Test func aNodeThatStopsWaitsForNothing() throws {
        var desk = Desk()
        desk.endpoints([try endpoint()])
        desk.note(.channelVacated, "a")
        desk.dispatcher.hurries = true
        desk.note(.channelVacated, "b")
        #expect(desk.due().map(\.names.count) == [2])
        #expect(!desk.dispatcher.isIdle)
        desk.dispatcher.ended(0, .confirmed, at: desk.now, jitter: 0)
        #expect(desk.dispatcher.isIdle)
    }
}
