import Synchronization

/// Lets the first line of a reason through at once and then at most one a second, with the count of those left out.
///
/// Reasons come from a closed set in the code. Should one hold text from outside after all, the table stays bounded:
/// reasons past `reasonsMax` share one entry.
final class LogSampler: Sendable {
    static let reasonsMax = 256
    static let intervalNanoseconds: UInt64 = 1_000_000_000
    private static let overflowReason = "…"

    private struct Entry {
        var lastNanoseconds: UInt64
        var suppressed: UInt64 = 0
    }

    private let entries = Mutex<[String: Entry]>([:])

    /// How many lines of `reason` were left out since the last one, when this one may be written; nil when it may not.
    func admit(_ reason: String, atNanoseconds now: UInt64) -> UInt64? {
        entries.withLock { entries in
            var key = reason
            if entries[key] == nil, entries.count >= Self.reasonsMax { key = Self.overflowReason }
            guard var entry = entries[key] else {
                entries[key] = Entry(lastNanoseconds: now)
                return 0
            }
            guard now >= entry.lastNanoseconds, now - entry.lastNanoseconds >= Self.intervalNanoseconds else {
                entry.suppressed += 1
                entries[key] = entry
                return nil
            }
            entries[key] = Entry(lastNanoseconds: now)
            return entry.suppressed
        }
    }
}
