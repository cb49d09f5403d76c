public import ClarionBytes

// Users: who is signed in on which connections, and who watches them.
//
// A user has a home like a channel. A worker tells it when its first connection of a user has come and when the last
// one has gone; the home tells the workers that watch when the first worker has one, and when the last has none any
// more. Watchers are told by their own worker, which knows the state of everybody that its connections watch.

/// A user of one name space.
struct UserKey: Hashable, Sendable {
    var space: UInt16
    var id: [UInt8]
}

/// What a worker knows of users.
struct UserDirectory {
    /// A user with connections here, or whom connections here watch.
    struct Local {
        var connections: [UInt32] = []
        var watchers: [UInt32] = []
        /// As its home told last; nil: it has not answered yet.
        var isOnline: Bool?
    }

    /// A user whose home is here: workers with connections of it, and workers where somebody watches it.
    struct AtHome {
        var online: Set<Int> = []
        var watching: Set<Int> = []
    }

    /// A connection that is signed in.
    struct SignedIn {
        var key: UserKey
        var info: [UInt8]
        var watched: [UserKey]
        /// Of those, how many homes have not answered. Until all have, changes are not told.
        var unknownCount = 0
    }

    var local: [UserKey: Local] = [:]
    var homes: [UserKey: AtHome] = [:]
    var signedIn: [UInt32: SignedIn] = [:]
}

extension Core {
    // MARK: Signing in

    /// False when the connection is signed in already, or closing.
    func signIn(_ slot: UInt32, space: UInt16, user: ByteView, info: ByteView, watching: [[UInt8]]) -> Bool {
        if unsafe users.signedIn[slot] != nil || connections[slot].pointee.flags.contains(.closing) { return false }
        let key = UserKey(space: space, id: user.array)
        var entry = UserDirectory.SignedIn(key: key, info: info.array, watched: [])
        var seen: Set<UserKey> = []
        for id in watching {
            let watched = UserKey(space: space, id: id)
            if seen.insert(watched).inserted { entry.watched.append(watched) }
        }
        users.local[key, default: UserDirectory.Local()].connections.append(slot)
        if users.local[key]?.connections.count == 1 { tellHome(of: key, isOnline: true) }
        for watched in entry.watched where watch(watched, slot) { entry.unknownCount += 1 }
        users.signedIn[slot] = entry
        counters.usersSignedIn += 1
        if entry.unknownCount == 0 { tellWhoIsOnline(slot) }
        return true
    }

    /// Called when a connection begins to close.
    func signOut(_ slot: UInt32) {
        guard !users.signedIn.isEmpty, let entry = users.signedIn.removeValue(forKey: slot) else { return }
        counters.usersSignedIn -= 1
        for watched in entry.watched { unwatch(watched, slot) }
        users.local[entry.key]?.connections.removeAll { $0 == slot }
        if users.local[entry.key]?.connections.isEmpty ?? false { tellHome(of: entry.key, isOnline: false) }
        forgetIfUnused(entry.key)
    }

    private func forgetIfUnused(_ key: UserKey) {
        if let user = users.local[key], user.connections.isEmpty && user.watchers.isEmpty { users.local[key] = nil }
    }

    // MARK: Watching

    /// True when the home has not told yet whether the user is online.
    private func watch(_ key: UserKey, _ slot: UInt32) -> Bool {
        users.local[key, default: UserDirectory.Local()].watchers.append(slot)
        if users.local[key]?.watchers.count == 1 {
            let worker = workerIndex
            atHome(of: key) { $0.startWatching(key, worker) }
        }
        return users.local[key]?.isOnline == nil
    }

    private func unwatch(_ key: UserKey, _ slot: UInt32) {
        users.local[key]?.watchers.removeAll { $0 == slot }
        if users.local[key]?.watchers.isEmpty ?? false {
            users.local[key]?.isOnline = nil
            let worker = workerIndex
            atHome(of: key) { $0.stopWatching(key, worker) }
        }
        forgetIfUnused(key)
    }

    /// The home has told whether a user is online.
    private func takeOnline(_ key: UserKey, _ isOnline: Bool) {
        guard let user = users.local[key], !user.watchers.isEmpty, user.isOnline != isOnline else { return }
        users.local[key]?.isOnline = isOnline
        for slot in user.watchers {
            guard let entry = users.signedIn[slot] else { continue }
            if user.isOnline == nil {
                users.signedIn[slot]?.unknownCount -= 1
                if entry.unknownCount == 1 { tellWhoIsOnline(slot) }
            } else if entry.unknownCount == 0 {
                tell(slot, [key.id], isOnline)
            }
        }
    }

    /// Once for each connection, when the homes of all that it watches have answered.
    private func tellWhoIsOnline(_ slot: UInt32) {
        guard let entry = users.signedIn[slot] else { return }
        let online = entry.watched.filter { users.local[$0]?.isOnline ?? false }
        if !online.isEmpty { tell(slot, online.map { $0.id }, true) }
    }

    private func tell(_ slot: UInt32, _ ids: [[UInt8]], _ isOnline: Bool) {
        let handler = unsafe handlers[Int(connections[slot].pointee.handler)]
        handler.watched(ids, areOnline: isOnline, Session(core: self, slot: slot))
    }

    // MARK: At the home of a user

    private func atHome(of key: UserKey, _ body: @escaping @Sendable (Core) -> Void) {
        let place = key.id.withView { hash(space: key.space, name: $0) }
        callInOrder(worker: home(ofHash: place), body)
    }

    private func tellHome(of key: UserKey, isOnline: Bool) {
        let worker = workerIndex
        atHome(of: key) { $0.setOnline(key, worker, isOnline) }
    }

    private func setOnline(_ key: UserKey, _ worker: Int, _ isOnline: Bool) {
        var user = users.homes[key] ?? UserDirectory.AtHome()
        let wasOnline = !user.online.isEmpty
        if isOnline { user.online.insert(worker) } else { user.online.remove(worker) }
        let isOnlineNow = !user.online.isEmpty
        users.homes[key] = user.online.isEmpty && user.watching.isEmpty ? nil : user
        if wasOnline == isOnlineNow { return }
        for watching in user.watching { callInOrder(worker: watching) { $0.takeOnline(key, isOnlineNow) } }
    }

    private func startWatching(_ key: UserKey, _ worker: Int) {
        users.homes[key, default: UserDirectory.AtHome()].watching.insert(worker)
        let isOnline = !(users.homes[key]?.online.isEmpty ?? true)
        callInOrder(worker: worker) { $0.takeOnline(key, isOnline) }
    }

    private func stopWatching(_ key: UserKey, _ worker: Int) {
        users.homes[key]?.watching.remove(worker)
        if let user = users.homes[key], user.online.isEmpty && user.watching.isEmpty { users.homes[key] = nil }
    }

    /// As `call`, but never at once: in order with what homes and newcomers tell each other.
    private func callInOrder(worker: Int, _ body: @escaping @Sendable (Core) -> Void) {
        var mail = Mail(.call)
        unsafe mail.call = unsafe Unmanaged.passRetained(MailCall(body)).toOpaque()
        postInOrder(mail, to: worker)
    }

    // MARK: Questions

    /// Calls `body` with the id and the info of the user as whom a connection is signed in; false when it is not.
    func withUser(of slot: UInt32, _ body: (_ id: ByteView, _ info: ByteView) -> Void) -> Bool {
        guard !users.signedIn.isEmpty, let entry = users.signedIn[slot] else { return false }
        entry.key.id.withView { id in entry.info.withView { info in body(id, info) } }
        return true
    }

    /// Closes the connections of this worker that are signed in as the user, or are on a channel as a member with its
    /// id. Returns how many.
    public func endConnections(ofUser id: ByteView, space: UInt16) -> Int {
        var slots = users.local[UserKey(space: space, id: id.array)]?.connections ?? []
        for note in memberNotes.values where note.frame.space == space && !slots.contains(note.connection) {
            if let member = Member(packed: note.frame), member.id == id { slots.append(note.connection) }
        }
        for slot in slots { closeWithFarewell(slot, reason: .kicked) }
        return slots.count
    }
}
