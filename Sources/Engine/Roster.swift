public import ClarionBytes

/// Who is on a channel, at its home: members, each with one connection or several, in the order in which they came.
///
/// What a roster message says of the members is kept in pages of encoded text, so that telling it is copying pages, and
/// a member that goes costs its page only. Used by one thread.
public final class Roster {
    /// What became of a connection that came.
    enum Addition: Equatable {
        /// Its member was not there before.
        case first
        /// Its member has other connections here, or it was here itself.
        case again
        case full
    }

    private struct Entry {
        /// Holds the packed member; one reference.
        var frame: SharedFrame
        var connectionCount: Int
        var page: Page
        var hash: UInt64
    }

    /// Some members and what the protocol says of them.
    private final class Page {
        var members: [UInt32] = []
        /// Of each member, a comma and its entry.
        var column0 = ByteBuffer(capacity: 64)
        var column1 = ByteBuffer(capacity: 64)
        var isStale = false
    }

    /// Members of one page.
    private static let pageMembersMax = 64

    private var entries: [Entry?] = []
    private var freeEntries: [UInt32] = []
    private var byID = NameTable()
    private var byConnection: [UInt64: UInt32] = [:]
    private var pages: [Page] = []
    private let hash: SipHash
    private let keeper: any ChannelKeeper

    init(hash: SipHash, keeper: any ChannelKeeper) {
        self.hash = hash
        self.keeper = keeper
    }

    deinit { for entry in entries { entry?.frame.release() } }

    /// Nobody is told who comes and goes, because so many do.
    private(set) var isQuiet = false

    /// Becomes quiet with more than `bound` members. (0: never.)
    func becomeQuiet(above bound: Int) { if bound > 0 && count > bound { isQuiet = true } }

    /// Ends to be quiet at half of `bound`, or when there is none any more; true when it did. In between nothing
    /// changes, so that a channel about the bound does not tell its whole roster again and again.
    func endsQuiet(_ bound: Int) -> Bool {
        if !isQuiet || bound > 0 && count > bound / 2 { return false }
        isQuiet = false
        return true
    }

    /// Members, each counted once.
    public var count: Int { byID.count }
    /// Connections of all members.
    var connectionCount: Int { byConnection.count }
    var isEmpty: Bool { byConnection.isEmpty }

    /// Takes a connection in. Retains `frame`, which holds the member, when it stays here.
    func add(connection: UInt64, _ frame: SharedFrame, membersMax: Int) -> Addition {
        guard let member = Member(packed: frame), byConnection[connection] == nil else { return .again }
        let hash = hash.hash(member.id, seed: 0)
        if let slot = find(member.id, hash) {
            entries[Int(slot)]?.connectionCount += 1
            byConnection[connection] = slot
            return .again
        }
        if count >= membersMax { return .full }
        frame.retain()
        let page = pageForOneMore()
        let entry = Entry(frame: frame, connectionCount: 1, page: page, hash: hash)
        let slot: UInt32
        if let free = freeEntries.popLast() {
            slot = free
            entries[Int(slot)] = entry
        } else {
            slot = UInt32(entries.count)
            entries.append(entry)
        }
        byID.insert(hash, slot: slot)
        byConnection[connection] = slot
        page.members.append(slot)
        if !page.isStale { write(member, to: page) }
        return .first
    }

    /// Takes a connection out. The frame of its member when that is gone with it: the caller releases it.
    func remove(connection: UInt64) -> SharedFrame? {
        guard let slot = byConnection.removeValue(forKey: connection), var entry = entries[Int(slot)] else {
            return nil
        }
        entry.connectionCount -= 1
        if entry.connectionCount > 0 {
            entries[Int(slot)] = entry
            return nil
        }
        entries[Int(slot)] = nil
        freeEntries.append(slot)
        byID.remove(entry.hash, slot: slot)
        entry.page.members.removeAll { $0 == slot }
        entry.page.isStale = true
        if entry.page.members.isEmpty { pages.removeAll { $0 === entry.page } }
        if pages.count > Roster.pagesKept + 4 * count / Roster.pageMembersMax { repack() }
        return entry.frame
    }

    /// Pages that a small roster may have.
    private static let pagesKept = 4

    private func find(_ id: ByteView, _ hash: UInt64) -> UInt32? {
        byID.find(hash) { slot in
            guard let frame = entries[Int(slot)]?.frame, let member = Member(packed: frame) else { return false }
            return member.id == id
        }
    }

    private func pageForOneMore() -> Page {
        if let last = pages.last, last.members.count < Roster.pageMembersMax { return last }
        let page = Page()
        pages.append(page)
        return page
    }

    /// Fills the pages anew, in the same order.
    private func repack() {
        let order = pages.flatMap { $0.members }
        pages = []
        for slot in order {
            let page = pageForOneMore()
            page.members.append(slot)
            page.isStale = true
            entries[Int(slot)]?.page = page
        }
    }

    private func write(_ member: Member, to page: Page) {
        page.column0.append(0x2C)
        keeper.appendRosterEntry(member, column: 0, to: &page.column0)
        page.column1.append(0x2C)
        keeper.appendRosterEntry(member, column: 1, to: &page.column1)
    }

    private func refresh(_ page: Page) {
        page.column0.removeAll()
        page.column1.removeAll()
        for slot in page.members {
            guard let frame = entries[Int(slot)]?.frame, let member = Member(packed: frame) else { continue }
            write(member, to: page)
        }
        page.isStale = false
    }

    /// Appends the entries of all members in column 0 or 1, with commas between them.
    public func append(column: Int, to buffer: inout ByteBuffer) {
        var isFirst = true
        for page in pages {
            if page.isStale { refresh(page) }
            let text = column == 0 ? page.column0.view : page.column1.view
            buffer.append(isFirst ? text.slice(from: 1) : text)
            isFirst = false
        }
    }

    /// Calls `body` for each member, in the order in which they came.
    public func forEachMember(_ body: (Member) -> Void) {
        for page in pages {
            for slot in page.members {
                if let frame = entries[Int(slot)]?.frame, let member = Member(packed: frame) { body(member) }
            }
        }
    }

    func checkInvariants() {
        let listed = pages.flatMap { $0.members }
        precondition(listed.count == count && Set(listed).count == count)
        precondition(pages.allSatisfy { !$0.members.isEmpty && $0.members.count <= Roster.pageMembersMax })
        precondition(entries.reduce(0) { $0 + ($1?.connectionCount ?? 0) } == connectionCount)
        precondition(entries.count == count + freeEntries.count)
        for slot in byConnection.values { precondition(entries[Int(slot)] != nil) }
    }
}
