import CTLS

/// One connection's TLS: a pointer to an object of OpenSSL, owned by whoever holds it until `SecurePort.end`.
@safe public struct SecureSession: BitwiseCopyable {
    let raw: OpaquePointer
}

/// One established connection's TLS without its session: keys and counters. Owned by whoever holds it until
/// `SecurePort.end`.
@safe public struct SecureRecords: BitwiseCopyable {
    let raw: OpaquePointer
}

/// How far a session has come with what it was given.
public enum SecureOutcome: Sendable, Equatable {
    case done
    /// More bytes of the peer are needed.
    case needMore
    /// The room for output is used up: take it, and go on.
    case full
    /// The peer has ended its side in order.
    case ended
    /// The session cannot go on; its output says why to the peer.
    case failed
    /// Something that is no data came: a key update, an empty record.
    case late
    /// The peer wants new keys that the kernel cannot take; the output says goodbye, and no data may leave any more.
    case worn
}

/// What came of reading.
public enum SecureReading: Sendable, Equatable {
    /// So many bytes were read.
    case bytes(Int)
    case stopped(SecureOutcome)
}

/// Where a worker's sessions read and write: memory that is lent to the one that is at work, so that a connection at
/// rest holds none. Used by one thread.
///
/// A call takes bytes of the peer (`input`), and adds what is to be sent to the output, which the caller takes away
/// before the next session's turn.
@safe public struct SecurePort: ~Copyable {
    /// What OpenSSL reads and writes; owned. Its `in` points to the caller's bytes during a call.
    private let wire: UnsafeMutablePointer<ctls_wire>
    /// Shared by all sessions, which count their use of it; owned.
    private let bio: OpaquePointer
    /// What opens and seals records; nil until the first session. Owned.
    private var bench: OpaquePointer?
    /// Points to `outputBytes` bytes; owned.
    private let output: UnsafeMutablePointer<UInt8>
    /// What was read: `plainBytes` bytes, and `plainSpareBytes` behind them that may be read and written; owned.
    public let plain: UnsafeMutablePointer<UInt8>

    /// A record's payload.
    public static let plainBytes = 16 << 10
    private static let plainSpareBytes = 64
    /// A server's answer to a hello with a usual chain of certificates, in one go.
    private static let outputBytes = 32 << 10

    public init() {
        unsafe wire = UnsafeMutablePointer.allocate(capacity: 1)
        unsafe wire.initialize(to: ctls_wire())
        guard let made = unsafe ctls_bio_make(wire) else { preconditionFailure("no memory for TLS") }
        unsafe bio = unsafe made
        unsafe output = UnsafeMutablePointer.allocate(capacity: SecurePort.outputBytes)
        unsafe plain = UnsafeMutablePointer.allocate(capacity: SecurePort.plainBytes + SecurePort.plainSpareBytes)
        unsafe wire.pointee.out = unsafe output
        unsafe wire.pointee.out_capacity = SecurePort.outputBytes
    }

    deinit {
        unsafe ctls_bio_free(bio)
        unsafe ctls_bench_free(bench)
        unsafe wire.deallocate()
        unsafe output.deallocate()
        unsafe plain.deallocate()
    }

    // MARK: Life of a session

    /// A session that waits for a client's hello; nil for want of memory.
    public mutating func begin(_ context: SecureContext) -> SecureSession? {
        if unsafe bench == nil { unsafe bench = ctls_bench_make() }
        return unsafe ctls_session_make(context.raw, bio).map { unsafe SecureSession(raw: $0) }
    }

    /// Frees a session; `session` is not used again.
    public func end(_ session: SecureSession) { unsafe ctls_session_free(session.raw) }

    /// Gives back what the thread's sessions had in common. The last call on a worker's thread.
    public static func leaveThread() { ctls_thread_end() }

    // MARK: Records

    /// The keys of a session whose handshake was just done. nil: the session goes on, because of its cipher or what its
    /// client asked for. Otherwise it is of no use any more but to be ended.
    public func takeOver(_ session: SecureSession) -> SecureRecords? {
        guard unsafe bench != nil else { return nil }
        return unsafe ctls_take_over(session.raw).map { unsafe SecureRecords(raw: $0) }
    }

    /// Frees the keys; `records` is not used again.
    public func end(_ records: SecureRecords) { unsafe ctls_records_free(records.raw) }

    /// A record's head.
    public static let recordHeadBytes = 5

    /// All bytes of the record that begins with the `recordHeadBytes` at `head`; nil when it is none.
    public static func recordBytes(_ records: SecureRecords, _ head: UnsafePointer<UInt8>) -> Int? {
        let count = unsafe ctls_record_bytes(records.raw, head)
        return count > 0 ? Int(count) : nil
    }

    /// Opens a whole record in place: so many bytes of data stand behind its head, or it was something else.
    public func open(_ records: SecureRecords, _ record: UnsafeMutablePointer<UInt8>, count: Int) -> SecureReading {
        let result = unsafe ctls_records_open(bench, records.raw, record, count, wire)
        if result > Int32(CTLS_DATA) { return .bytes(Int(result) - Int(CTLS_DATA)) }
        return .stopped(SecurePort.outcome(result))
    }

    /// What came is no record: the output says so.
    public func refuse(_ records: SecureRecords) { unsafe ctls_records_refuse(bench, records.raw, wire) }

    /// As `seal` of a session.
    public func seal(
        _ records: SecureRecords, _ bytes: UnsafePointer<UInt8>, count: Int, to target: UnsafeMutablePointer<UInt8>
    ) -> Int? {
        let sealed = unsafe ctls_records_seal(bench, records.raw, bytes, count, target)
        return sealed > 0 ? sealed : nil
    }

    /// As `farewell` of a session.
    public func farewell(_ records: SecureRecords, to target: UnsafeMutablePointer<UInt8>) -> Int {
        unsafe ctls_records_end(bench, records.raw, target)
    }

    // MARK: Input

    /// What the next calls read. `bytes` stays where it is until they have read it.
    public func input(_ bytes: UnsafePointer<UInt8>, count: Int) {
        unsafe wire.pointee.in = unsafe bytes
        unsafe wire.pointee.in_count = count
        unsafe wire.pointee.late_messages = 0
    }

    /// Nothing more is read of the input.
    public func dropInput() {
        unsafe wire.pointee.in = nil
        unsafe wire.pointee.in_count = 0
    }

    /// Where the next byte of the input lies, and how many there are that nobody has read.
    public var inputBytes: UnsafePointer<UInt8>? { unsafe wire.pointee.in.map { unsafe UnsafePointer($0) } }
    public var inputCount: Int { unsafe wire.pointee.in_count }

    /// Key updates and the like that came since `input`.
    public var lateMessageCount: Int { unsafe Int(wire.pointee.late_messages) }

    /// What there is to send. Valid until `clearOutput`.
    public var outputBytes: UnsafePointer<UInt8> { unsafe UnsafePointer(output) }
    public var outputCount: Int { unsafe wire.pointee.out_count }
    public func clearOutput() { unsafe wire.pointee.out_count = 0 }

    // MARK: Work

    /// Goes on with the handshake.
    public func handshake(_ session: SecureSession) -> SecureOutcome {
        unsafe SecurePort.outcome(ctls_handshake(session.raw))
    }

    /// Whether a finished handshake took up an earlier session.
    public func isResumed(_ session: SecureSession) -> Bool { unsafe ctls_is_resumed(session.raw) != 0 }

    /// Decrypts into `plain`.
    public func read(_ session: SecureSession) -> SecureReading {
        let result = unsafe ctls_read(session.raw, plain, Int32(SecurePort.plainBytes))
        return result > 0 ? .bytes(Int(result)) : .stopped(SecurePort.outcome(result))
    }

    /// Whether reading may bring something.
    public func canRead(_ session: SecureSession) -> Bool {
        unsafe wire.pointee.in_count > 0 || ctls_has_pending(session.raw) != 0
    }

    /// Encrypts `count` > 0 bytes to `target`, which has room for `sealedCountMax(count)`. How many bytes it became;
    /// nil when the session has failed.
    public func seal(
        _ session: SecureSession, _ bytes: UnsafePointer<UInt8>, count: Int, to target: UnsafeMutablePointer<UInt8>
    ) -> Int? {
        unsafe divert(to: target, capacity: SecurePort.sealedCountMax(count))
        defer { restore() }
        let isSealed = unsafe ctls_write(session.raw, bytes, count) == 1
        return unsafe isSealed ? wire.pointee.out_count : nil
    }

    /// Most bytes that `count` bytes become.
    public static func sealedCountMax(_ count: Int) -> Int { ctls_sealed_bound(count) }

    /// Writes what tells the peer that our side ends, at most `farewellCountMax` bytes. How many there are.
    public func farewell(_ session: SecureSession, to target: UnsafeMutablePointer<UInt8>) -> Int {
        unsafe divert(to: target, capacity: SecurePort.farewellCountMax)
        defer { restore() }
        unsafe ctls_end(session.raw)
        return unsafe wire.pointee.out_count
    }

    public static let farewellCountMax = 128

    private func divert(to target: UnsafeMutablePointer<UInt8>, capacity: Int) {
        unsafe assert(wire.pointee.out_count == 0, "output that nobody took")
        dropInput()
        unsafe wire.pointee.out = unsafe target
        unsafe wire.pointee.out_capacity = capacity
    }

    private func restore() {
        unsafe wire.pointee.out = unsafe output
        unsafe wire.pointee.out_capacity = SecurePort.outputBytes
        unsafe wire.pointee.out_count = 0
    }

    private static func outcome(_ result: Int32) -> SecureOutcome {
        switch result {
        case Int32(CTLS_DONE): .done
        case Int32(CTLS_MORE): .needMore
        case Int32(CTLS_FULL): .full
        case Int32(CTLS_ENDED): .ended
        case Int32(CTLS_LATE): .late
        case Int32(CTLS_WORN): .worn
        default: .failed
        }
    }
}
