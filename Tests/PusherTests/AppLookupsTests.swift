import ClarionBytes
import Synchronization
import Testing

@testable import ClarionEngine
@testable import ClarionPusher

/// Takes questions, at most `roomLeft` of them.
private final class Asked: ApplicationDirectory {
    let names = Mutex<[ApplicationName]>([])
    let roomLeft: Int

    init(roomLeft: Int = Int.max) { self.roomLeft = roomLeft }

    func ask(_ name: ApplicationName, worker: Int) -> Bool {
        names.withLock { names in
            if names.count >= roomLeft { return false }
            names.append(name)
            return true
        }
    }
}

@Suite struct AppLookupsTests {
    private let name = ApplicationName.key(Array("k".utf8))

    private func ticket(_ slot: UInt32) -> SessionTicket { SessionTicket(worker: 0, slot: slot, generation: 1) }

    private func seconds(_ count: UInt32) -> UInt32 { count * Core.ticksPerSecond }

    @Test func oneQuestionForAllWhoWait() {
        let asked = Asked()
        let lookups = AppLookups(asked, worker: 0, waitSeconds: 2, absentSeconds: 10)
        for slot in 1...3 { #expect(lookups.judge(name, ticket(UInt32(slot)), nowTick: 5) == .asked) }
        #expect(asked.names.withLock { $0 } == [name])
        let waiting = lookups.take(ApplicationAnswer(name, .absent), nowTick: 6)
        #expect(waiting == [ticket(1), ticket(2), ticket(3)])
        #expect(lookups.judge(name, ticket(4), nowTick: 6 + seconds(9)) == .absent)
        #expect(lookups.judge(name, ticket(4), nowTick: 6 + seconds(10)) == .asked)
        #expect(asked.names.withLock { $0.count } == 2)
    }

    @Test func whoWaitedLongEnoughIsTold() {
        let lookups = AppLookups(Asked(), worker: 0, waitSeconds: 2, absentSeconds: 10)
        // The clock of a worker wraps around.
        let start = UInt32.max - 3
        #expect(lookups.judge(name, ticket(1), nowTick: start) == .asked)
        #expect(lookups.judge(name, ticket(1), nowTick: start &+ seconds(2)) == .undecided)
        #expect(lookups.take(ApplicationAnswer(name, .known), nowTick: start &+ seconds(2)).isEmpty)
        #expect(lookups.judge(name, ticket(1), nowTick: start &+ seconds(2)) == .asked)
    }

    @Test func namesAndQuestionsAreBounded() {
        let asked = Asked(roomLeft: 2)
        let lookups = AppLookups(asked, worker: 0, waitSeconds: 2, absentSeconds: 10)
        for index in 0..<5 {
            let name = ApplicationName.id(Array("\(index)".utf8))
            #expect(lookups.judge(name, ticket(1), nowTick: 1) == (index < 2 ? .asked : .undecided))
        }
        let many = AppLookups(Asked(), worker: 0, waitSeconds: 2, absentSeconds: 10)
        for index in 0..<AppLookups.entriesMax {
            let name = ApplicationName.id(Array("\(index)".utf8))
            #expect(many.judge(name, ticket(1), nowTick: 1) == .asked)
            _ = many.take(ApplicationAnswer(name, .absent), nowTick: 1)
        }
        #expect(many.judge(name, ticket(1), nowTick: 2) == .undecided)
        #expect(many.judge(name, ticket(1), nowTick: 2 + seconds(10)) == .asked)
    }

    @Test func anApplicationThatComesIsNotTakenForAbsent() throws {
        let lookups = AppLookups(Asked(), worker: 0, waitSeconds: 2, absentSeconds: 10)
        #expect(lookups.judge(name, ticket(1), nowTick: 1) == .asked)
        _ = lookups.take(ApplicationAnswer(name, .absent), nowTick: 1)
        lookups.forget(Application(ApplicationConfiguration(id: "i", key: "k", secret: "s")))
        #expect(lookups.judge(name, ticket(1), nowTick: 1) == .asked)
    }
}
