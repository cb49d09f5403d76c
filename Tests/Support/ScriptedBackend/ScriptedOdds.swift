/// How often the scripted kernel does what real ones do seldom, in cases of a thousand.
public struct ScriptedOdds: Sendable {
    /// Bytes that could be told at once are cut at a random place.
    public var cut = 400
    /// A connection tells nothing in this turn.
    public var delay = 200
    /// A send takes fewer bytes than there is room for.
    public var shortSend = 150
    /// A send is refused (-EAGAIN) though there is room.
    public var refusedSend = 50
    /// A send finds the connection reset.
    public var sendError = 0
    /// A `.writable` comes though the socket is still full.
    public var spuriousWritable = 100
    /// Accepting fails (EMFILE, ENFILE, ENOBUFS or ENOMEM) and rests for some turns.
    public var acceptFailure = 20
    /// A read finds no receive buffer though there are some.
    public var noBuffers = 20
    /// Bytes that were in flight are still told after `pauseReceiving`, or before `.closed` after `close`.
    public var lateBytes = 300

    /// The usual mixture. Connections are only reset by peers.
    public init() {}

    /// A kernel that does everything at once and whole.
    public static var calm: ScriptedOdds {
        var odds = ScriptedOdds()
        odds.cut = 0
        odds.delay = 0
        odds.shortSend = 0
        odds.refusedSend = 0
        odds.spuriousWritable = 0
        odds.acceptFailure = 0
        odds.noBuffers = 0
        odds.lateBytes = 0
        return odds
    }

    /// The usual mixture with connections that break while sending.
    public static var harsh: ScriptedOdds {
        var odds = ScriptedOdds()
        odds.sendError = 3
        return odds
    }

    /// A mixture of its own for each seed, from calm to harsh.
    public static func drawn(from random: inout SeededRandom) -> ScriptedOdds {
        var odds = ScriptedOdds()
        odds.cut = random.below(800)
        odds.delay = random.below(600)
        odds.shortSend = random.below(400)
        odds.refusedSend = random.below(200)
        odds.sendError = random.below(3) == 0 ? random.below(10) : 0
        odds.spuriousWritable = random.below(300)
        odds.acceptFailure = random.below(60)
        odds.noBuffers = random.below(100)
        odds.lateBytes = random.below(600)
        return odds
    }
}
