import Synchronization

/// Open connections of each application on the whole node; workers share it.
public final class ConnectionCounters: Sendable {
    private final class Counter: Sendable {
        let value = Atomic<Int>(0)
    }

    private let counters: [Counter]

    init(applicationCount: Int) { counters = (0..<applicationCount).map { _ in Counter() } }

    /// Connections of the application at `index` now.
    public func value(_ index: Int) -> Int { counters[index].value.load(ordering: .relaxed) }

    /// Takes a place. False, and none taken, when `limit` are taken.
    func acquire(_ index: Int, limit: Int?) -> Bool {
        let counter = counters[index]
        guard let limit else {
            counter.value.wrappingAdd(1, ordering: .relaxed)
            return true
        }
        var seen = counter.value.load(ordering: .relaxed)
        while seen < limit {
            let (exchanged, original) = counter.value.weakCompareExchange(
                expected: seen, desired: seen + 1, ordering: .relaxed)
            if exchanged { return true }
            seen = original
        }
        return false
    }

    /// Gives a place back.
    func release(_ index: Int) { counters[index].value.wrappingSubtract(1, ordering: .relaxed) }
}
