import ClarionBytes
import ClarionWire

/// What a client asked for, read as the reference's decoder reads it.
///
/// Members are found without regard to the case of ASCII letters, the last one counts, null leaves what was there.
struct RealtimeRequest {
    var action: JSONValue?
    var channel: JSONValue?
    var message: JSONValue?

    /// Nil when `payload` is not JSON, neither an object nor null, or has one of the members with another type than
    /// string.
    init?(_ payload: ByteView) {
        guard let root = JSON.parse(payload) else { return nil }
        if root.kind == .null { return }
        if root.kind != .object { return nil }
        var members = JSONMembers(root)
        while let member = members.next() {
            switch RealtimeRequest.field(of: member.key) {
            case .action: if !RealtimeRequest.take(member.value, into: &action) { return nil }
            case .channel: if !RealtimeRequest.take(member.value, into: &channel) { return nil }
            case .message: if !RealtimeRequest.take(member.value, into: &message) { return nil }
            case nil: break
            }
        }
    }

    private enum Field {
        case action
        case channel
        case message
    }

    private static func field(of key: JSONValue) -> Field? {
        if key.hasEscapes {
            // Rare: written with \u escapes. No name is longer than this once they are resolved.
            if key.raw.count > escapedKeyBytesMax { return nil }
            var text = ByteBuffer(capacity: escapedKeyBytesMax)
            return key.appendUnescaped(to: &text) ? field(named: text.view) : nil
        }
        return field(named: key.content)
    }

    /// A name of seven letters, each written as \uXXXX, in quotation marks.
    private static let escapedKeyBytesMax = 7 * 6 + 2

    private static func field(named name: ByteView) -> Field? {
        if name.equalsIgnoringCase("action") { return .action }
        if name.equalsIgnoringCase("channel") { return .channel }
        if name.equalsIgnoringCase("message") { return .message }
        return nil
    }

    private static func take(_ value: JSONValue, into field: inout JSONValue?) -> Bool {
        if value.kind == .null { return true }
        if value.kind != .string { return false }
        field = value
        return true
    }
}
