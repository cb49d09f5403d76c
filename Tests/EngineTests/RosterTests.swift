import ClarionBytes
import ScriptedBackend
import Testing

@testable import ClarionEngine

struct RosterTests {
    private let hash = SipHash(key0: 1, key1: 2)

    private func frame(_ id: String) -> SharedFrame {
        let id = ByteView(of: id)
        return Member(id: id, label: id, info: ByteView("")).pack(space: 1, name: ByteView("p"), hash: 7)
    }

    private func text(_ roster: Roster) -> String {
        var buffer = ByteBuffer()
        roster.append(column: 0, to: &buffer)
        return buffer.view.string
    }

    @Test func aMemberIsPackedAndRead() {
        let member = Member(id: ByteView("10"), label: ByteView("ten"), info: ByteView(#"{"a":1}"#))
        let frame = member.pack(space: 3, name: ByteView("room"), hash: 9)
        let read = Member(packed: frame)
        #expect(read?.id.string == "10" && read?.label.string == "ten" && read?.info.string == #"{"a":1}"#)
        #expect(frame.key.string == "room" && frame.space == 3)
        frame.release()
    }

    @Test func firstAndLastConnections() {
        let roster = Roster(hash: hash, keeper: LineKeeper())
        let ann = frame("ann")
        defer { ann.release() }
        #expect(roster.add(connection: 1, ann, membersMax: 2) == .first)
        #expect(roster.add(connection: 2, ann, membersMax: 2) == .again)
        #expect(roster.add(connection: 2, ann, membersMax: 2) == .again)
        #expect(roster.count == 1 && roster.connectionCount == 2)
        #expect(roster.remove(connection: 1) == nil && roster.remove(connection: 9) == nil)
        let gone = roster.remove(connection: 2)
        #expect(gone.flatMap { Member(packed: $0)?.id.string } == "ann" && roster.isEmpty)
        gone?.release()
        roster.checkInvariants()
    }

    @Test func quietAboveABoundAndToldAgainAtHalfOfIt() {
        let roster = Roster(hash: hash, keeper: LineKeeper())
        for index in 0..<UInt64(5) {
            let member = frame("u\(index)")
            _ = roster.add(connection: index, member, membersMax: 10)
            member.release()
            roster.becomeQuiet(above: 0)
            #expect(!roster.isQuiet)
            roster.becomeQuiet(above: 4)
            #expect(roster.isQuiet == (index == 4))
            if roster.isQuiet { #expect(!roster.endsQuiet(4)) }
        }
        for (index, isOver) in [false, false, true].enumerated() {
            roster.remove(connection: UInt64(index))?.release()
            #expect(roster.endsQuiet(4) == isOver)
        }
        #expect(!roster.isQuiet && !roster.endsQuiet(4))
        roster.becomeQuiet(above: 1)
        #expect(roster.isQuiet && roster.endsQuiet(0))
    }

    /// Against a list, over many comings and goings: pages are left, emptied and packed anew.
    @Test(arguments: 0..<8)
    func textIsThatOfAList(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let roster = Roster(hash: hash, keeper: LineKeeper())
        var model: [(connection: UInt64, id: String)] = []
        var order: [String] = []
        for step in 0..<4000 {
            let isFilling = step % 2000 < 1200
            if random.below(10) < (isFilling ? 8 : 2) || model.isEmpty {
                let id = "u\(random.below(600))"
                let frame = frame(id)
                let isNew = !model.contains { $0.id == id }
                let isFull = order.count == 400
                let outcome = roster.add(connection: UInt64(step), frame, membersMax: 400)
                frame.release()
                #expect(outcome == (isNew ? (isFull ? .full : .first) : .again))
                if outcome == .full { continue }
                model.append((UInt64(step), id))
                if isNew { order.append(id) }
            } else {
                let (connection, id) = model.remove(at: random.below(model.count))
                let isLast = !model.contains { $0.id == id }
                let frame = roster.remove(connection: connection)
                #expect((frame != nil) == isLast)
                frame?.release()
                if isLast { order.removeAll { $0 == id } }
            }
            if step % 97 == 0 {
                #expect(text(roster) == order.joined(separator: ","))
                roster.checkInvariants()
            }
        }
    }
}
