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

    /// The signal that came; nil when none came within so many seconds. Without a bound it waits for ever.
    func wait(seconds: Int?) -> Int32? { wait(milliseconds: seconds.map { $0 * 1000 }) }

    func wait(milliseconds: Int?) -> Int32? {
        var set = set
        while true {
            let rest = milliseconds ?? 0
            var time = timespec(tv_sec: rest / 1000, tv_nsec: rest % 1000 * 1_000_000)
            let received = unsafe milliseconds == nil ? sigwaitinfo(&set, nil) : sigtimedwait(&set, nil, &time)
            if received >= 0 { return received }
            if errno == EAGAIN { return nil }
        }
    }

    /// From now on a second signal ends the process at once.
    func restoreDefaults() {
        var set = set
        _ = signal(SIGINT, SIG_DFL)
        _ = signal(SIGTERM, SIG_DFL)
        _ = unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }
}
