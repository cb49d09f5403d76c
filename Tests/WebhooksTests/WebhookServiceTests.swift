import ClarionLog
import ClarionWire
import Foundation
import Synchronization
import Testing

@testable import ClarionWebhooks

/// Confirms everything, or nothing ends.
private final class Poster: WebhookPoster {
    let requests = Mutex<[WebhookRequest]>([])
    let hangs: Bool

    init(hangs: Bool) { self.hangs = hangs }

    func post(_ request: WebhookRequest, timeoutSeconds: Int, addresses: AddressRules) async -> WebhookOutcome {
        requests.withLock { $0.append(request) }
        if hangs { try? await Task.sleep(for: .seconds(3_600)) }
        return .confirmed
    }

    func close() async {}
}

@Suite struct WebhookServiceTests {
    private func service(_ poster: Poster) throws -> WebhookService {
        let log = try Logger.standardError(level: .error, format: .json)
        let service = WebhookService(limits: WebhookLimits(), poster: poster, log: log)
        let endpoint = WebhookEndpoint(url: try #require(EndpointURL("https://a.example")))
        service.set([(0, WebhookApplication(key: "k", secret: "s", endpoints: [endpoint]))])
        return service
    }

    /// Stops the service on a thread of its own: the tasks that post need those of the test's pool.
    private func stop(_ service: WebhookService) async {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                service.stop(withinSeconds: 300)
                continuation.resume()
            }
        }
    }

    @Test func whatManyThreadsTellArrives() async throws {
        let poster = Poster(hangs: false)
        let service = try service(poster)
        #expect(service.start())
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<4 {
                group.addTask {
                    for number in 0..<500 {
                        service.note(
                            WebhookNote(.channelOccupied, application: 0, channel: Array("\(task)-\(number)".utf8)))
                    }
                }
            }
        }
        await stop(service)
        let text = poster.requests.withLock { $0.map { String(decoding: $0.body, as: UTF8.self) }.joined() }
        #expect(text.ranges(of: "channel_occupied").count == 2_000)
    }

    @Test func whoHasHandedOverTellsOfNobodyWhoLeaves() async throws {
        let poster = Poster(hangs: false)
        let service = try service(poster)
        #expect(service.start())
        service.handOver()
        for kind in WebhookKind.allCases {
            service.note(WebhookNote(kind, application: 0, channel: Array("a".utf8), user: Array("u".utf8)))
        }
        await stop(service)
        let text = poster.requests.withLock { $0.map { String(decoding: $0.body, as: UTF8.self) }.joined() }
        for kind in WebhookKind.allCases {
            let isKept = ![.channelVacated, .memberRemoved, .subscriptionCount].contains(kind)
            #expect(text.contains(kind.rawValue) == isKept, "\(kind)")
        }
    }

    @Test func stoppingEndsThoughAnEndpointHangs() throws {
        let service = try service(Poster(hangs: true))
        #expect(service.start())
        service.note(WebhookNote(.channelOccupied, application: 0, channel: Array("a".utf8)))
        service.stop(withinSeconds: 1)
    }

    @Test func theWayIsBounded() throws {
        // Nobody takes: the thread does not run.
        let service = try service(Poster(hangs: false))
        for _ in 0..<WebhookLimits.mailEventsMax + 10 {
            service.note(WebhookNote(.cacheMiss, application: 0, channel: Array("a".utf8)))
        }
        let dropped = Mutex<UInt64>(0)
        service.withStatistics { statistics in dropped.withLock { $0 = statistics.droppedMail } }
        #expect(service.start())
        service.stop(withinSeconds: 60)
        #expect(dropped.withLock { $0 } == 10)
    }
}
