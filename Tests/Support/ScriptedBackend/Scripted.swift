import CPosix
public import ClarionBytes
public import ClarionLoop
import Glibc

/// The backend of tests: every answer comes from a `ScriptedKernel`, that is from a seed and from what the test does. A
/// turn never sleeps. Install a kernel before a worker makes its `Scripted`.
public struct Scripted: ~Copyable, Backend {
    public static let name = "scripted"

    /// What the worker runs on, shared with the test.
    public let kernel: ScriptedKernel
    public let wakeDescriptor: Int32

    /// Takes the kernel that this thread installed; without one there is nothing to run on.
    public init(options: BackendOptions) throws(LoopError) {
        guard let kernel = ScriptedKernel.takeInstalled() else { throw .unsupported("a scripted kernel") }
        try self.init(kernel: kernel, options: options)
    }

    public init(kernel: ScriptedKernel, options: BackendOptions) throws(LoopError) {
        let descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard descriptor >= 0 else { throw .system(call: "eventfd", errno: errno) }
        wakeDescriptor = descriptor
        self.kernel = kernel
        kernel.begin(options)
    }

    deinit { Glibc.close(wakeDescriptor) }

    public var counters: BackendCounters { kernel.counters }

    public mutating func peerAddress(_ handle: Handle) -> PeerAddress { kernel.peerAddress }
    public mutating func accept(listener: Int32, token: Token, namesPeers: Bool) {
        if kernel.listener != nil { kernel.violate("a second listener") }
        kernel.listener = token
    }
    public mutating func nameAllPeers() {}
    public mutating func setAcceptAllowance(_ count: Int) { kernel.acceptAllowance = count }
    public mutating func stopAccepting() { kernel.listener = nil }

    public mutating func receive(_ handle: Handle, token: Token) { kernel.receive(handle, token) }
    public mutating func pauseReceiving(_ handle: Handle) { kernel.pause(handle) }
    public mutating func resumeReceiving(_ handle: Handle) { kernel.resume(handle) }
    public mutating func recycle(buffer: UInt16) { kernel.recycle(buffer) }

    public mutating func send(_ handle: Handle, bytes: UnsafePointer<UInt8>, count: Int) -> Int {
        unsafe kernel.queue(handle, bytes, count)
    }
    public mutating func submitSends() { kernel.submit() }
    public func sendResult(_ index: Int) -> Int32 { kernel.results[index] }
    public mutating func awaitWritable(_ handle: Handle) { kernel.awaitWritable(handle) }

    public mutating func shutdownSending(_ handle: Handle) { kernel.shutdown(handle) }
    public mutating func close(_ handle: Handle, token: Token, reset: Bool) {
        kernel.close(handle, token, reset: reset)
    }

    public mutating func turn(
        waitNanoseconds: Int64, into batch: UnsafeMutablePointer<Completion>, capacity: Int
    ) -> Int {
        kernel.lastWaitNanoseconds = waitNanoseconds
        return unsafe kernel.turn(batch, capacity)
    }
}
