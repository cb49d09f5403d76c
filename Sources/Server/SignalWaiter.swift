import Glibc

/// Takes SIGINT, SIGTERM and SIGHUP out of the way of all threads, and waits for one of them on the thread that asks.
/// Made before any other thread, so that all inherit the mask.
struct SignalWaiter {
    private var set = sigset_t()

    init() {
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, SIGINT)
        unsafe sigaddset(&set, SIGTERM)
        unsafe sigaddset(&set, SIGHUP)
        _ = unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        // Sends ask for no signal; this is for what libraries write.
        _ = signal(SIGPIPE, SIG_IGN)
    }

    /// The signal that came.
    func wait() -> Int32 {
        var set = set
        var received: Int32 = 0
        while unsafe sigwait(&set, &received) != 0 {}
        return received
    }

    /// From now on a second signal ends the process at once.
    func restoreDefaults() {
        var set = set
        _ = signal(SIGINT, SIG_DFL)
        _ = signal(SIGTERM, SIG_DFL)
        _ = unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }
}
