import ClarionEngine

/// Why a connection is told off as soon as it is open. The upgrade itself succeeds: only then can a browser be told.
enum Refusal: UInt8 {
    case none
    case unknownApplication
    case badVersion
    case unsupportedVersion
    case originRefused
    case disabled
    /// Whether the application exists cannot be found out now.
    case undecided

    var fault: PusherFault? {
        switch self {
        case .none: return nil
        case .unknownApplication: return .unknownApplication
        case .badVersion: return .badVersion
        case .unsupportedVersion: return .unsupportedVersion
        case .originRefused: return .originRefused
        case .disabled: return .disabled
        case .undecided: return .undecided
        }
    }

    var reason: CloseReason {
        switch self {
        case .none, .unknownApplication: return .unknownApplication
        case .badVersion, .unsupportedVersion: return .badProtocolVersion
        case .originRefused: return .originRefused
        case .disabled: return .applicationDisabled
        case .undecided: return .applicationUndecided
        }
    }
}

/// What a connection's words mean.
///
/// word0: number of the application (bits 0…15), whether it holds a place in the counter (16), refusal (24…31).
/// word1: the rate limit's window: its first tick (0…31) and the messages in it (32…63).
/// word2: the same for client events. word3: the same for joining presence channels.
struct PusherState {
    var words: SessionState

    init(words: SessionState) { self.words = words }

    init(application: Int, refusal: Refusal) {
        words = SessionState()
        words.word0 = UInt64(UInt16(truncatingIfNeeded: application)) | UInt64(refusal.rawValue) << 24
    }

    /// Index in the table. Without meaning when `refusal` is `.unknownApplication`.
    var application: Int { Int(UInt16(truncatingIfNeeded: words.word0)) }

    var refusal: Refusal { Refusal(rawValue: UInt8(truncatingIfNeeded: words.word0 >> 24)) ?? .none }

    var isCounted: Bool {
        get { words.word0 & PusherState.countedBit != 0 }
        set { words.word0 = newValue ? words.word0 | PusherState.countedBit : words.word0 & ~PusherState.countedBit }
    }

    private static let countedBit: UInt64 = 1 << 16

    /// Counts one message against `limit`. False when it is over it.
    mutating func takeMessage(_ limit: MessageRateLimit, nowTick: UInt32) -> Bool {
        PusherState.take(&words.word1, max: limit.messagesMax, seconds: limit.windowSeconds, nowTick: nowTick)
    }

    /// Counts one client event against so many a second. False when it is over it.
    mutating func takeClientEvent(_ eventsMax: Int, nowTick: UInt32) -> Bool {
        PusherState.take(&words.word2, max: eventsMax, seconds: 1, nowTick: nowTick)
    }

    /// Counts one joining of a presence channel: each is told to all its members. False when there were too many.
    mutating func takeJoin(nowTick: UInt32) -> Bool {
        PusherState.take(
            &words.word3, max: PusherLimits.presenceJoinsMax, seconds: PusherLimits.presenceJoinSeconds,
            nowTick: nowTick)
    }

    private static func take(_ window: inout UInt64, max eventsMax: Int, seconds: Int, nowTick: UInt32) -> Bool {
        var start = UInt32(truncatingIfNeeded: window)
        var count = UInt32(truncatingIfNeeded: window >> 32)
        let windowTicks = UInt64(Swift.max(seconds, 0)) &* UInt64(Clock.ticksPerSecond)
        if count == 0 || UInt64(nowTick &- start) >= windowTicks {
            start = nowTick
            count = 0
        }
        if Int(count) >= eventsMax || count == UInt32.max { return false }
        window = UInt64(start) | UInt64(count + 1) << 32
        return true
    }
}
