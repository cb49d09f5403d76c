import ClarionBytes
import ClarionEngine
import ClarionWire

/// Who may open a socket, told from the request head alone.
enum PusherUpgrade {
    /// Bytes of a message from a connection that is told off at once.
    private static let refusedMessageBytesMax = 1024
    private static let refusedLiveness = Liveness(pingAfterSeconds: 30, answerWithinSeconds: 10)

    /// Every correct upgrade of a socket's path succeeds: what is wrong with it can be told only behind it.
    ///
    /// - Parameter session: who may wait for an application that has to be looked up.
    static func decide(
        _ node: PusherNode, key: ByteView, _ head: HTTPHead, _ session: Session?, handler: UInt8
    ) -> UpgradeDecision {
        if !Query.isAcceptable(head.query) { return .refuse(status: 400, text: "Bad request.") }
        guard let index = node.table.index(key: key) else {
            switch node.lookUp(.key(key.array), session) {
            case .absent: return refused(.unknownApplication, application: 0, handler)
            case .undecided: return refused(.undecided, application: 0, handler)
            case .asked(let seconds): return .later(seconds: seconds)
            }
        }
        if !node.table.applications[index].configuration.isEnabled {
            return refused(.disabled, application: index, handler)
        }
        if node.configuration.checksProtocolVersion {
            let refusal = judgeVersion(Query.value("protocol", in: head.query))
            if refusal != .none { return refused(refusal, application: index, handler) }
        }
        let application = node.table.applications[index]
        if head.fieldCount("origin") > 1 || !application.origins.allows(head.field("origin")) {
            return refused(.originRefused, application: index, handler)
        }
        let configuration = application.configuration
        return .accept(
            handler: handler, state: PusherState(application: index, refusal: .none).words,
            messageBytesMax: configuration.maxMessageBytes,
            liveness: Liveness(
                pingAfterSeconds: max(configuration.pingIntervalSeconds, 1),
                answerWithinSeconds: max(configuration.pongTimeoutSeconds, 1)))
    }

    private static func refused(_ refusal: Refusal, application: Int, _ handler: UInt8) -> UpgradeDecision {
        .accept(
            handler: handler, state: PusherState(application: application, refusal: refusal).words,
            messageBytesMax: refusedMessageBytesMax, liveness: refusedLiveness)
    }

    private static let versionDigitsMax = 3

    /// Versions 4 to 7, or none: many clients send no query at all.
    static func judgeVersion(_ text: ByteView?) -> Refusal {
        guard let text else { return .none }
        if text.isEmpty || text.count > versionDigitsMax { return .badVersion }
        var version = 0
        var index = 0
        while index < text.count {
            if text[index] < 0x30 || text[index] > 0x39 { return .badVersion }
            version = version * 10 + Int(text[index] - 0x30)
            index += 1
        }
        return version >= 4 && version <= 7 ? .none : .unsupportedVersion
    }
}
