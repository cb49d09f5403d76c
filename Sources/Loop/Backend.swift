// What a worker asks of the kernel, in completion shape: ask, then be told. Uring and Epoll answer for real, Scripted
// answers from a seed in the tests. This file is the contract between them and the worker; it does no I/O.

public import ClarionBytes
import Glibc

/// A connection's name inside a backend: an index of the ring's own file table (Uring) or a descriptor (Epoll).
/// Valid from its `.accepted` completion until its `.closed` completion.
public typealias Handle = Int32

/// What a completion tells.
@frozen
public enum CompletionKind: UInt8, Sendable {
    /// `result` is the `Handle` of a new connection; `token` is the listener's. A failure has `result` = -errno
    /// (the backend goes on accepting by itself; for EMFILE, ENFILE, ENOBUFS and ENOMEM after a pause).
    case accepted
    /// `result` > 0: so many bytes are at `bytes`, in buffer `buffer`, which the worker gives back with
    /// `recycle(buffer:)` when it has read them. `result` = 0: the peer ended its side. `result` < 0: -errno.
    /// After a result ≤ 0 no more `.received` comes for this handle.
    case received
    /// The socket takes bytes again (or has failed: the next send will tell). One for each `awaitWritable`.
    case writable
    /// The handle is gone; the backend holds nothing of it any more. The last completion of its token.
    case closed
}

/// One answer of a backend. Plain data; a worker reads it before its next `turn`.
@frozen
@safe public struct Completion: BitwiseCopyable {
    public var token: Token
    public var kind: CompletionKind
    public var result: Int32
    /// The backend's buffer that `bytes` points into, for `.received` with a result > 0.
    public var buffer: UInt16
    /// Points to `result` bytes, owned by the backend, writable (frames are unmasked in place), valid until
    /// `recycle(buffer:)`. At least `BackendLimits.receiveSpareBytes` readable and writable bytes follow them.
    public var bytes: UnsafeMutablePointer<UInt8>?

    @inlinable
    public init(
        token: Token, kind: CompletionKind, result: Int32, buffer: UInt16 = 0, bytes: UnsafeMutablePointer<UInt8>? = nil
    ) {
        self.token = token
        self.kind = kind
        self.result = result
        self.buffer = buffer
        unsafe self.bytes = unsafe bytes
    }
}

/// What a backend is made with. All sizes are per worker.
public struct BackendOptions: Sendable {
    /// Most connections open at once.
    public var connectionsMax: Int
    /// Receive buffers, a power of two, and the size of each.
    public var receiveBufferCount: Int = 512
    public var receiveBufferBytes: Int = 4096
    /// Sends that one `submitSends` may carry; a power of two.
    public var sendBatchMax: Int = 1024
    /// The kernel is told what a worker's ring is for, and refuses everything else (a filter of system calls does not
    /// see what a ring does). Epoll has nothing to tell.
    public var restrictsOperations = false
    /// Connections may be given to kernel TLS (`sealByKernel`).
    public var sealsByKernel = false

    public init(connectionsMax: Int) { self.connectionsMax = connectionsMax }
}

public enum BackendLimits {
    /// Listeners of one worker.
    public static let listenersMax = 8
    /// Bytes behind each receive buffer that belong to it, so that wide registers may run past the end of a payload.
    public static let receiveSpareBytes = 64
    /// How long accepting rests after the kernel said that it has no descriptors or memory left, in nanoseconds.
    public static let acceptPauseNanoseconds: UInt64 = 100_000_000
}

/// Every odd event that a backend has seen, for `/metrics`. Monotonic.
public struct BackendCounters: Sendable {
    /// System calls of the loop: `io_uring_enter`, or `epoll_wait` + `recv` + `send` + `epoll_ctl` …
    public var systemCalls: UInt64 = 0
    /// The receive buffers ran out; reading rested until half of them were back.
    public var receiveBuffersExhausted: UInt64 = 0
    /// A multishot operation ended by itself and was asked again.
    public var rearmed: UInt64 = 0
    /// Accepting failed (EMFILE and its like) and rested.
    public var acceptPaused: UInt64 = 0
    /// Sends that took fewer bytes than offered, and sends that took none.
    public var shortSends: UInt64 = 0
    public var refusedSends: UInt64 = 0
    /// The completion queue overflowed (the kernel kept the rest; nothing is lost).
    public var completionOverflows: UInt64 = 0

    public init() {}
}

/// The kernel as one worker sees it. Used by one thread, made on that thread; only `wakeDescriptor` may be written to
/// by others.
///
/// Sends are the exception to the completion shape: a batch of them is queued and then carried out by `submitSends`,
/// which returns when every one has its result. They never wait for the peer (MSG_DONTWAIT), so this costs nothing, and
/// the bytes need to stay where they are only until `submitSends` returns.
public protocol Backend: ~Copyable {
    /// `uring`, `epoll` or `scripted`, for logs and metrics.
    static var name: String { get }

    init(options: BackendOptions) throws(LoopError)

    var counters: BackendCounters { get }

    /// An eventfd that other threads write 8 bytes (the value 1) to, to end a `turn` that sleeps. Owned by the backend.
    var wakeDescriptor: Int32 { get }

    /// Accepts connections of `listener` (a bound, listening, non-blocking descriptor; stays owned by the caller).
    /// `namesPeers`: `peerAddress` will be asked for them, which may make accepting dearer.
    mutating func accept(listener: Int32, token: Token, namesPeers: Bool)
    /// Whose connection it is. Asked when `.accepted` is told, for listeners that name peers; `.unknown` for others,
    /// and when the peer has gone already.
    mutating func peerAddress(_ handle: Handle) -> PeerAddress
    /// From now on every listener names its peers, as if `accept` had been told so. Connections that are being accepted
    /// at this moment may still be `.unknown`.
    mutating func nameAllPeers()
    /// How many connections each listener may still bring before it rests: 0 lets accepting rest, `Int.max` (as it is
    /// at first) has no bound. Connections wait in the kernel's queue meanwhile. A few that are being accepted at this
    /// moment may come beyond it.
    mutating func setAcceptAllowance(_ count: Int)
    /// No `.accepted` comes any more once the next `turn` has returned; connections that arrive meanwhile stay in the
    /// listener's queue or are closed. The caller may close its descriptor after that turn.
    mutating func stopAccepting()

    /// As `stopAccepting`, but nobody who comes is closed: what the kernel had accepted for us is told, in later turns
    /// too, and the rest stays in the queue, for whoever else has the listener.
    mutating func endAccepting()
    /// Whether nothing will be accepted any more after `endAccepting`; until then `stopAccepting` might close somebody.
    var hasEndedAccepting: Bool { get }

    /// Names the connection and begins to read it: `.received` comes with `token` until the end or `close`.
    /// The first call for every accepted handle. A refused connection is only given to `close`.
    mutating func receive(_ handle: Handle, token: Token)
    /// Reading rests: after what is already in flight no `.received` comes until `resumeReceiving`.
    mutating func pauseReceiving(_ handle: Handle)
    mutating func resumeReceiving(_ handle: Handle)
    /// Gives a receive buffer back.
    mutating func recycle(buffer: UInt16)

    /// Queues a send of `count` > 0 bytes at `bytes`. Returns its index in the batch. At most `sendBatchMax` a batch,
    /// at most one for a handle. `bytes` stays valid until `submitSends` returns.
    mutating func send(_ handle: Handle, bytes: UnsafePointer<UInt8>, count: Int) -> Int
    /// Carries out the queued sends. Then `sendResult(i)` is what send `i` took: 1…count bytes, or -errno
    /// (-EAGAIN: the socket is full; anything else: the connection is gone). The batch is empty again.
    mutating func submitSends()
    func sendResult(_ index: Int) -> Int32

    /// From now on the kernel makes the records of TLS of what is sent to this handle, by `keys` (a `crypto_info` of
    /// linux/tls.h of `count` bytes). 0, or -errno: then what is sent leaves as it is, as before. May carry out sends
    /// that are queued; none may be for this handle. For backends made with `sealsByKernel`.
    mutating func sealByKernel(_ handle: Handle, keys: UnsafeRawPointer, count: Int) -> Int32
    /// Sends one record of `type` (RFC 8446 section 5.1) that holds `count` bytes, at once, on a handle for which the
    /// kernel makes records. Bytes taken, or -errno. May carry out sends that are queued.
    mutating func sendRecord(_ handle: Handle, type: UInt8, bytes: UnsafePointer<UInt8>, count: Int) -> Int32

    /// `.writable` comes once with the handle's token when the socket takes bytes again.
    mutating func awaitWritable(_ handle: Handle)

    /// Ends the sending side (FIN after what was sent). Reading goes on.
    mutating func shutdownSending(_ handle: Handle)
    /// Ends the connection: cancels what is in flight, waits for the kernel to hand everything back, closes. `token` is
    /// that of the `.closed` completion. Completions of earlier operations may still come before it, never after.
    /// `reset`: send RST instead of FIN where the backend can, without waiting for unsent bytes.
    mutating func close(_ handle: Handle, token: Token, reset: Bool)

    /// One turn: submits what was asked, sleeps at most `waitNanoseconds` (0: not at all; negative: until something
    /// happens) unless completions are ready, and writes up to `capacity` completions to `batch`. Returns how many.
    /// Completions that do not fit come in the next turn, in order. A wake-up ends the sleep and is no completion.
    mutating func turn(waitNanoseconds: Int64, into batch: UnsafeMutablePointer<Completion>, capacity: Int) -> Int
}

extension Backend where Self: ~Copyable {
    /// For backends that accept only when they are asked to.
    public mutating func endAccepting() { stopAccepting() }
    public var hasEndedAccepting: Bool { true }

    /// For backends without kernel TLS.
    public mutating func sealByKernel(_ handle: Handle, keys: UnsafeRawPointer, count: Int) -> Int32 { -EOPNOTSUPP }
    public mutating func sendRecord(_ handle: Handle, type: UInt8, bytes: UnsafePointer<UInt8>, count: Int) -> Int32 {
        -EOPNOTSUPP
    }
}
