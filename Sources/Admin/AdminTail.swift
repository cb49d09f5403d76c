import ClarionBytes
import ClarionEngine
import Synchronization

/// Follows what is published to channels, for one observer that may be slow: what it does not take in time is counted
/// and dropped, never waited for.
public final class AdminTail: Sendable {
    /// Messages that wait for the observer.
    private static let waitingMax = 1_024
    /// Bytes of a message that are shown.
    private static let textBytesMax = 16 << 10

    private struct State {
        var waiting: [AdminValue] = []
        var dropped = 0
        var isOver = false
    }

    private let state = Mutex(State())
    private let service: AdminService
    private let wake: @Sendable () -> Void
    private let tap = Mutex<MessageTap?>(nil)

    /// Follows the channels that the request names: `app`, `channel` (exactly) or `prefix`; all when it names none.
    /// `wake` is called, on any thread, when there is something to take.
    public static func open(
        _ request: AdminValue, _ service: AdminService, wake: @escaping @Sendable () -> Void
    ) -> Result<AdminTail, AdminTailError> {
        let wanted: UInt16?
        switch service.scope(request) {
        case .all: wanted = nil
        case .space(let space): wanted = space
        case .unknown(let name): return .failure(AdminTailError(answer: AdminService.unknown(name)))
        }
        let tail = AdminTail(service, wake: wake)
        let channel = request["channel"]?.text.map { Array($0.utf8) }
        let prefix = Array((request["prefix"]?.text ?? "").utf8)
        let names = service.applicationNames()
        let tap = MessageTap { [weak tail] message in
            if let wanted, message.space != wanted { return }
            let name = unsafe message.name.unsafeBuffer
            if let channel { guard unsafe name.elementsEqual(channel) else { return } }
            guard unsafe name.starts(with: prefix) else { return }
            tail?.take(message, names)
        }
        tail.tap.withLock { $0 = tap }
        for worker in 0..<service.node.workerCount { service.node.call(worker: worker) { $0.add(tap) } }
        return .success(tail)
    }

    private init(_ service: AdminService, wake: @escaping @Sendable () -> Void) {
        self.service = service
        self.wake = wake
    }

    /// Ends it; the workers forget the tap.
    public func close() {
        state.withLock { $0.isOver = true }
        guard let tap = tap.withLock({ $0 }) else { return }
        for worker in 0..<service.node.workerCount { service.node.call(worker: worker) { $0.remove(tap) } }
    }

    /// What came since the last call; with a count of what was dropped, if any was.
    public func take() -> [AdminValue] {
        state.withLock { state in
            var list = state.waiting
            state.waiting = []
            if state.dropped > 0 { list.append(["dropped": .integer(state.dropped)]) }
            state.dropped = 0
            return list
        }
    }

    private func take(_ message: TappedMessage, _ names: [UInt16: String]) {
        let shownCount = min(message.text.count, AdminTail.textBytesMax)
        let value: AdminValue = [
            "app": .text(names[message.space] ?? "\(message.space)"), "channel": .text(message.name.string),
            "offset": AdminValue(message.offset), "bytes": .integer(message.text.count),
            "message": .text(message.text.slice(from: 0, count: shownCount).string),
        ]
        let isFirst = state.withLock { state in
            if state.isOver { return false }
            if state.waiting.count >= AdminTail.waitingMax {
                state.dropped += 1
                return false
            }
            state.waiting.append(value)
            return state.waiting.count == 1
        }
        if isFirst { wake() }
    }
}

/// Why a tail could not be opened.
public struct AdminTailError: Error {
    /// What the observer is told.
    public let answer: AdminValue
}
