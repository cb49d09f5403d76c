import ClarionBytes
import ClarionEngine
import ClarionWire

// Users of an application: signing in, and who is told when others come and go.
extension PusherHandler {
    /// Ids of users that one connection may watch; of a longer list the first count.
    static let watchedMax = 100

    /// `pusher:signin`: the connection shows that the application knows it as a user.
    func signIn(_ message: PusherMessage, application: Int, _ peer: some PusherPeer) {
        let features = rules[application].features
        if !features.contains(.signin) { return fail(.usersOff, peer) }
        guard let data = signInData(of: message) else { return fail(.invalidMessage, peer) }
        userText.removeAll()
        output.removeAll()
        guard let auth = data.auth, auth.kind == .string, auth.appendUnescaped(to: &output),
            data.userData.appendUnescaped(to: &userText),
            ChannelAuthorization.isValid(
                output.view, userData: userText.view, socketNumber: peer.socketNumber,
                node.table.applications[application], &scratch)
        else { return fail(.notSignedIn, peer) }
        guard let user = JSON.parse(userText.view), user.kind == .object else { return fail(.invalidMessage, peer) }
        nameText.removeAll()
        guard let id = user.member("id"), id.kind == .string, id.appendUnescaped(to: &nameText), !nameText.isEmpty,
            nameText.count <= PresenceData.idBytesMax
        else { return fail(.namelessUser, peer) }
        var isSame = false
        if peer.withUser({ known, _ in isSame = known == nameText.view }) {
            return isSame ? confirmSignIn(data.userData, peer) : fail(.anotherUser, peer)
        }
        let watches = features.contains(.watchlist)
        var watchlist = watches ? user.member("watchlist").map { watchedUsers($0) } ?? [] : []
        confirmSignIn(data.userData, peer)
        if watchlist.count > PusherHandler.watchedMax {
            watchlist.removeSubrange(PusherHandler.watchedMax...)
            fail(.watchlistTooLong, peer)
        }
        let info = user.member("user_info").flatMap { $0.kind == .null ? nil : $0.raw } ?? ByteView("")
        _ = peer.signIn(
            space: AppTable.space(of: application), user: nameText.view, info: info, watching: watchlist)
    }

    /// Ids of users; what is no text is passed over. At most one more than counts.
    private func watchedUsers(_ list: JSONValue) -> [[UInt8]] {
        var users: [[UInt8]] = []
        var elements = JSONElements(list)
        var text = ByteBuffer()
        while users.count <= PusherHandler.watchedMax, let element = elements.next() {
            text.removeAll()
            if element.appendUnescaped(to: &text) && !text.isEmpty { users.append(text.view.array) }
        }
        return users
    }

    private func confirmSignIn(_ userData: JSONValue, _ peer: some PusherPeer) {
        output.removeAll()
        output.append(#"{"event":"pusher:signin_success","data":{"user_data":"#)
        output.append(userData.raw)
        output.append("}}")
        peer.reply(output.view)
    }

    func tellWatched(_ users: [[UInt8]], areOnline: Bool, _ peer: some PusherPeer) {
        refusalText.removeAll()
        refusalText.append(#"{"event":"pusher_internal:watchlist_events","data":{"events":[{"name":"#)
        refusalText.append(areOnline ? #""online""# : #""offline""#)
        refusalText.append(#","user_ids":["#)
        for (index, user) in users.enumerated() {
            if index > 0 { refusalText.append(",") }
            user.withView { JSONWriter.append(string: $0, to: &refusalText) }
        }
        refusalText.append("]}]}}")
        peer.reply(refusalText.view)
    }

    /// Whether a channel of the server's own is that of the user as whom the connection is signed in.
    func isOwnChannel(_ name: ByteView, _ peer: some PusherPeer) -> Bool {
        let prefix: StaticString = "#server-to-user-"
        if !name.hasPrefix(prefix) { return false }
        var isOwn = false
        _ = peer.withUser { id, _ in isOwn = name.slice(from: prefix.utf8CodeUnitCount) == id }
        return isOwn
    }

    /// `data` is an object, or a string that holds one; the latter is unfolded into `dataText`.
    private func signInData(of message: PusherMessage) -> SignInData? {
        guard let data = message.data else { return nil }
        if data.kind != .string { return SignInData(data) }
        dataText.removeAll()
        if !data.appendUnescaped(to: &dataText) { return nil }
        return JSON.parse(dataText.view).flatMap { SignInData($0) }
    }
}
