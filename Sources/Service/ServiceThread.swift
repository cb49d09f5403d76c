import Glibc

/// A thread of a service: a neighbour of the workers, which shares nothing with them but mail. Takes no signals.
public struct ServiceThread: @unchecked Sendable {
    private let handle: pthread_t

    /// Starts a thread that runs `body`; nil when the system refuses one.
    public init?(_ body: @escaping @Sendable () -> Void) {
        let box = unsafe Unmanaged.passRetained(Body(body)).toOpaque()
        var handle = pthread_t()
        let result = unsafe pthread_create(
            &handle, nil,
            { context in
                guard let context = unsafe context else { return nil }
                let body = unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
                var all = sigset_t()
                unsafe sigfillset(&all)
                _ = unsafe pthread_sigmask(SIG_BLOCK, &all, nil)
                body.run()
                return nil
            }, box)
        if result != 0 {
            unsafe Unmanaged<Body>.fromOpaque(box).release()
            return nil
        }
        self.handle = handle
    }

    /// Waits for the end of the thread. Once, and not after `detach`.
    public func join() { pthread_join(handle, nil) }

    /// Nobody will wait for the thread.
    public func detach() { pthread_detach(handle) }

    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
