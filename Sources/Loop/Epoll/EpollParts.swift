/// A queued send. Points to the worker's bytes, which stay until `submitSends` has returned.
@safe struct PendingSend: BitwiseCopyable {
    var bytes: UnsafePointer<UInt8>?
    var count: Int
    var handle: Handle
}

/// A listening descriptor of the worker.
struct EpollListener: BitwiseCopyable {
    var descriptor: Int32
    var token: UInt64
    /// When accepting goes on after a pause, in monotonic nanoseconds; 0 when it does not rest.
    var resumeAt: UInt64
}
