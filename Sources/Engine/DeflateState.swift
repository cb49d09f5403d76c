import ClarionBytes
import ClarionWire

/// One connection's own context: what its messages may refer to. Made when it is agreed on, its memory taken at the
/// first use.
struct DeflateContext: BitwiseCopyable {
    /// What the next message may refer to: all messages since this began were of one channel, or replies.
    var topic = DeflateTopic.none
    var encoder: DeflateEncoder?
    var decoder: DeflateDecoder?
    var serverWindowBits: UInt8 = 0
    var clientWindowBits: UInt8 = 0
    var clientTakesOver = false
    var lastUsedTick: UInt32 = 0
    /// What the budget of all contexts reckons for it, from the agreement to the end of the connection.
    var reservedBytes: Int = 0
}

/// Whom the messages in a context are for. Another topic begins with an empty context: text of one channel must not
/// tell by its compressed length what another one said.
struct DeflateTopic: BitwiseCopyable, Equatable {
    var channel: UInt32
    var generation: UInt32

    static let none = DeflateTopic(channel: UInt32.max, generation: 0)
    static let replies = DeflateTopic(channel: UInt32.max, generation: 1)
}

/// A message for the readers of one window that waits to be compressed, a slice in each turn.
struct DeflateJob: BitwiseCopyable {
    /// The channel's slot of that window, and its generation.
    var channel: UInt32
    var generation: UInt32
    /// The message; one reference.
    var frame: SharedFrame
    var place: LogPlace
}

/// What a log notes of a message beside its bytes.
struct LogPlace: BitwiseCopyable {
    var stamp: UInt64
    var offset: UInt64
    var excludedSlot: UInt32
    var excludedGeneration: UInt32
}

/// What a worker has for permessage-deflate. Encoders and the decoder are made at their first use and shared by all
/// connections; what belongs to one connection is a context.
@safe struct DeflateState: ~Copyable {
    /// An encoder for messages that stand alone: the first for whatever fits its reader's window as a whole, the others
    /// for longer messages to readers of a smaller window.
    enum Kind: Int {
        case wide, medium, narrow

        var windowBits: Int {
            switch self {
            case .wide: 15
            case .medium: 12
            case .narrow: 9
            }
        }

        static func of(payloadCount: Int, window: UInt8) -> Kind {
            let bits = DeflateWindow.bits[Int(window)]
            if bits == DeflateAgreement.windowBitsMax || payloadCount <= 1 << bits { return .wide }
            return bits >= Kind.medium.windowBits ? .medium : .narrow
        }
    }

    /// zlib's memory level of encoders that are reset for every message: a larger hash table takes longer to clear than
    /// it saves. In slices the messages are large.
    private static let memoryLevel = 6
    private static let sliceMemoryLevel = 8

    private var encoders = InlineArray<3, DeflateEncoder?>(repeating: nil)
    private var sliceEncoders = InlineArray<3, DeflateEncoder?>(repeating: nil)
    private var decoder: DeflateDecoder?
    /// Encoders of contexts that ended, with the usual window.
    private var spares = PlainVector<DeflateEncoder>()
    var contexts: Slab<DeflateContext>
    /// Frames being made; empty between uses.
    var output = ByteBuffer(capacity: 4096)

    /// Messages that wait, the one at hand first, and what of it was read and made.
    var jobs = PlainVector<DeflateJob>()
    var jobPosition = 0
    var jobOutput = ByteBuffer(capacity: 4096)
    /// Bytes of the messages that wait.
    var pendingBytes = 0
    /// The next context that is asked whether it idles.
    var nextIdle: UInt32 = 0

    init(connectionsMax: Int) { contexts = Slab(capacity: connectionsMax, pristine: DeflateContext()) }

    deinit {
        for index in encoders.indices { encoders[index]?.free() }
        for index in sliceEncoders.indices { sliceEncoders[index]?.free() }
        decoder?.free()
        for index in 0..<spares.count { spares[index].free() }
        for index in 0..<jobs.count { jobs[index].frame.release() }
        for slot in 0..<UInt32(contexts.touched) where contexts.isInUse(slot) {
            unsafe contexts[slot].pointee.encoder?.free()
            unsafe contexts[slot].pointee.decoder?.free()
        }
    }

    /// The encoder of a kind, with nothing in it. nil when there is no memory for it.
    mutating func encoder(_ kind: Kind, level: Int) -> DeflateEncoder? {
        if let encoder = encoders[kind.rawValue] {
            encoder.reset()
            return encoder
        }
        let made = DeflateEncoder(level: level, windowBits: kind.windowBits, memoryLevel: DeflateState.memoryLevel)
        encoders[kind.rawValue] = made
        return made
    }

    /// As `encoder`, one that may keep a message between turns.
    mutating func sliceEncoder(_ kind: Kind, level: Int, begins: Bool) -> DeflateEncoder? {
        if let encoder = sliceEncoders[kind.rawValue] {
            if begins { encoder.reset() }
            return encoder
        }
        let made = DeflateEncoder(
            level: level, windowBits: kind.windowBits, memoryLevel: DeflateState.sliceMemoryLevel)
        sliceEncoders[kind.rawValue] = made
        return made
    }

    /// The decoder for messages that stand alone, with nothing in it.
    mutating func sharedDecoder() -> DeflateDecoder? {
        if let decoder {
            decoder.reset()
            return decoder
        }
        decoder = DeflateDecoder(windowBits: DeflateAgreement.windowBitsMax)
        return decoder
    }

    private static let sparesMax = 64

    /// An encoder for a context.
    mutating func takeContextEncoder(windowBits: Int, _ options: DeflateOptions) -> DeflateEncoder? {
        if windowBits == options.contextWindowBits && !spares.isEmpty {
            let encoder = spares.removeLast()
            encoder.reset()
            return encoder
        }
        return DeflateEncoder(
            level: options.level, windowBits: windowBits, memoryLevel: options.contextMemoryLevel)
    }

    mutating func giveContextEncoder(_ encoder: DeflateEncoder, windowBits: Int, _ options: DeflateOptions) {
        if windowBits == options.contextWindowBits && spares.count < DeflateState.sparesMax {
            spares.append(encoder)
        } else {
            encoder.free()
        }
    }
}
