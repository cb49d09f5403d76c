/// How many connections a worker lets in, looked at once a turn: all who come, or as many as the node's bucket has
/// tokens for (`EngineLimits.accepts`), or few while the worker lags. Who is not let in waits in the kernel's queue.
struct AcceptPacer {
    /// Connections that each listener may still bring.
    private(set) var allowance = Int.max
    /// When to look again, in monotonic nanoseconds; 0: nothing is waited for.
    private(set) var lookAt: UInt64 = 0
    /// Since when messages could not leave as fast as they come; 0: they can.
    private var pressedSince: UInt64 = 0
    /// While the worker lags: when it lets the next few in; 0: it does not lag.
    private var nextFewAt: UInt64 = 0

    /// Why accepting has just begun to rest.
    enum Rest {
        case none
        case rate
        case lag
    }

    /// What is known of the turn.
    struct Turn {
        var now: UInt64
        /// How long the last turn took, in nanoseconds.
        var lastNanoseconds: UInt64
        /// Whether new messages would only pile up (`Core.isPressed`).
        var isPressed: Bool
    }

    /// Decides for the turns to come.
    mutating func decide(_ turn: Turn, _ rule: BucketRule, _ bucket: SharedBucket) -> Rest {
        let wasResting = allowance == 0
        let wasLagging = nextFewAt != 0
        lookAt = 0
        allowance = Int.max
        let few = fewForLag(turn)
        if few != Int.max {
            allowance = few
            lookAt = turn.now &+ AcceptLimits.lookNanoseconds
        }
        var isRateBound = false
        if rule.isOn {
            let tokens = bucket.tokens(rule, now: turn.now)
            isRateBound = tokens == 0
            allowance = min(allowance, tokens, AcceptLimits.atOnceMax)
            if isRateBound { lookAt = turn.now &+ max(bucket.wait(rule, now: turn.now), 1) }
        }
        if allowance > 0 || wasResting && wasLagging == (nextFewAt != 0) { return .none }
        return isRateBound ? .rate : .lag
    }

    /// How many connections a worker may let in that lags, or `Int.max` if it does not. However long it lags, a few
    /// are let in every now and then: nobody waits for ever.
    private mutating func fewForLag(_ turn: Turn) -> Int {
        if !turn.isPressed {
            pressedSince = 0
        } else if pressedSince == 0 {
            pressedSince = max(turn.now, 1)
        }
        let isBehind = pressedSince != 0 && turn.now &- pressedSince > AcceptLimits.lagNanoseconds
        if !isBehind && turn.lastNanoseconds <= AcceptLimits.lagNanoseconds {
            nextFewAt = 0
            return Int.max
        }
        if nextFewAt == 0 {
            nextFewAt = max(turn.now &+ AcceptLimits.restNanoseconds, 1)
            return 0
        }
        if turn.now < nextFewAt { return 0 }
        nextFewAt = max(turn.now &+ AcceptLimits.restNanoseconds, 1)
        return AcceptLimits.fewAtOnce
    }
}

/// Numbers of accepting. What it is bounded by stands in `EngineLimits`.
enum AcceptLimits {
    /// A worker lags when a turn takes longer than this, or when messages wait for readers for longer than this: a
    /// hundred times what a turn under load takes, and what people begin to notice.
    static let lagNanoseconds: UInt64 = 50_000_000
    /// How long a worker that lags lets nobody in, and how many then.
    static let restNanoseconds: UInt64 = 100_000_000
    static let fewAtOnce = 16
    /// How soon a worker looks whether it still lags.
    static let lookNanoseconds: UInt64 = 1_000_000
    /// Most connections that a listener may bring in a turn while a rate is set.
    static let atOnceMax = 64
}
