import ScriptedBackend

/// What a story knows of one message.
struct StoryMessage {
    var channel: Int
    var publisher: Int
    /// Counts the messages of its publisher.
    var number: Int
    /// The publisher must not get it itself.
    var excludesPublisher: Bool
    /// When it was written to the publisher's connection, and when the publisher was told that it has its place.
    var writtenStep: Int
    var confirmedStep = Int.max
}

/// One subscription from "J" to "L", as its client saw it.
struct StorySubscription {
    var channel: Int
    var joinedStep: Int
    /// When "U" was written.
    var leftStep = Int.max
    var isOver = false
    var received: [Int] = []
    /// It was told that so many messages are missing: how many it had by then.
    var gaps: [(receivedCount: Int, lost: Int)] = []
}

/// A client of a story: does what the seed says, and notes what comes.
final class StoryClient {
    enum Kind { case socket, publisher, recorder }

    let kind: Kind
    let worker: Int
    let client: ScriptedClient
    var subscriptions: [StorySubscription] = []
    /// Channels that were asked for and not answered yet.
    var asked: Set<Int> = []
    /// Messages in the order in which they came, of all channels.
    var received: [Int] = []
    var published = 0
    /// Replies it waits for, oldest first.
    var expectedReplies: [String] = []
    /// It will answer a close frame.
    var isPolite = true
    /// It has written a close frame.
    var hasSaidClose = false
    /// It has broken the connection or ended TCP without a word.
    var isRude = false
    /// An HTTP publisher: the messages whose answer has not come.
    var unconfirmed: [Int] = []
    private(set) var faults: [String] = []

    init(_ kind: Kind, _ peer: ScriptedPeer, worker: Int, number: Int, offering extensions: String? = nil) {
        self.kind = kind
        self.worker = worker
        client = ScriptedClient(peer, number: number)
        if kind != .publisher { client.upgrade(offering: extensions) }
    }

    var number: Int { client.number }
    var peer: ScriptedPeer { client.peer }
    /// It may still write.
    var canWrite: Bool { !isRude && !hasSaidClose && !peer.isClosed && !peer.isReset }
    /// Nobody has begun to close.
    var isAlive: Bool { canWrite && client.closeFrame == nil && (kind == .publisher || client.isUpgraded) }

    func fault(_ text: String) {
        if faults.count < 5 { faults.append("client \(number): \(text)") }
    }

    /// The subscription to `channel` that is in force.
    func current(_ channel: Int) -> Int? {
        subscriptions.lastIndex { $0.channel == channel && !$0.isOver }
    }

    /// Reads what came; answers what must be answered.
    func read(step: Int, messages: inout [StoryMessage]) {
        if kind == .publisher { return readAnswers(step, &messages) }
        for text in client.takeTexts() { note(text, step) }
        for text in client.faults { fault(text) }
        if client.closeFrame != nil, isPolite, canWrite {
            client.send(opcode: 8, ScriptedClient.closePayload(1000))
            hasSaidClose = true
        }
        if hasSaidClose && peer.hasSeenEnd && !isRude && !peer.isClosed {
            peer.end()
            isRude = true
        }
    }

    private func note(_ text: String, _ step: Int) {
        let words = text.split(separator: " ", maxSplits: 2)
        switch words.first {
        case "J":
            let channel = Int(words[1].dropFirst()) ?? -1
            if current(channel) != nil { fault("joined twice: \(text)") }
            if asked.remove(channel) == nil { fault("joined without asking: \(text)") }
            subscriptions.append(StorySubscription(channel: channel, joinedStep: step))
        case "L":
            let channel = Int(words[1].dropFirst()) ?? -1
            if let index = current(channel) { subscriptions[index].isOver = true } else { fault("left twice: \(text)") }
        case "G":
            let channel = Int(words[1].dropFirst()) ?? -1
            guard let index = current(channel), let lost = words.last.flatMap({ Int($0) }) else {
                return fault("a gap of nothing: \(text)")
            }
            subscriptions[index].gaps.append((subscriptions[index].received.count, lost))
        case "M":
            let id = Int(words[1]) ?? -1
            received.append(id)
            let channel = Int(words[2].prefix { $0 != " " }) ?? -1
            if let index = current(channel) {
                subscriptions[index].received.append(id)
            } else {
                fault("a message without subscription: \(text.prefix(30))")
            }
        default:
            if expectedReplies.first == text {
                expectedReplies.removeFirst()
            } else {
                fault("unexpected: \(text.prefix(30)) instead of \(expectedReplies.first?.prefix(30) ?? "nothing")")
            }
        }
    }

    private var answers = [UInt8]()

    private func readAnswers(_ step: Int, _ messages: inout [StoryMessage]) {
        answers += peer.takeReceived()
        let whole = Array("\r\n\r\npublished".utf8)
        guard let end = answers.firstIndex(ofSequence: whole) else { return }
        if !answers.starts(with: Array("HTTP/1.1 200 OK\r\n".utf8)) { fault("an answer that is none") }
        answers.removeFirst(end + whole.count)
        if !answers.isEmpty { fault("more than an answer") }
        if unconfirmed.isEmpty { fault("an answer to nothing") }
        for id in unconfirmed { messages[id].confirmedStep = step }
        unconfirmed = []
    }
}
