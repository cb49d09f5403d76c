import ClarionBytes
import ClarionEngine
import ClarionWire

/// Who joins a presence channel: the `user_id` and `user_info` of a `channel_data`.
///
/// What goes into messages is written once, where the member joins: into JSON that stands inside a string.
struct PresenceData: ~Copyable {
    /// Why somebody is no member.
    enum Fault: Error, Equatable {
        /// Not a JSON object.
        case malformed
        /// No `user_id`, or one that is neither text nor number.
        case nameless
        case idTooLong
        case infoTooLarge
    }

    /// The id as text, that text as a JSON string, and the info as it came; the latter two escaped once more. One
    /// behind the other.
    private let text: ByteBuffer
    private let idCount: Int
    private let labelCount: Int

    /// Bytes of a user id.
    static let idBytesMax = 128

    /// - Parameter channelData: what was signed.
    static func read(_ channelData: ByteView, infoBytesMax: Int) throws(Fault) -> PresenceData {
        guard let root = JSON.parse(channelData), root.kind == .object else { throw .malformed }
        return try PresenceData(id: root.member("user_id"), info: root.member("user_info"), infoBytesMax: infoBytesMax)
    }

    /// - Parameters:
    ///   - id: text, or a number, which counts as its digits.
    ///   - info: any value, or nothing.
    init(id: JSONValue?, info: JSONValue?, infoBytesMax: Int) throws(Fault) {
        var text = ByteBuffer(capacity: 128)
        if !PresenceData.append(id, to: &text) { throw .nameless }
        let idCount = text.count
        if idCount > PresenceData.idBytesMax { throw .idTooLong }
        if let info, info.raw.count > infoBytesMax { throw .infoTooLarge }
        var label = ByteBuffer(capacity: idCount + 2)
        JSONWriter.append(string: text.view, to: &label)
        JSONWriter.appendEscaped(label.view, to: &text)
        labelCount = text.count - idCount
        self.idCount = idCount
        if let info, info.kind != .null { JSONWriter.appendEscaped(info.raw, to: &text) }
        self.text = text
    }

    /// Appends the text of an id. False, and nothing appended, when it is none.
    private static func append(_ id: JSONValue?, to text: inout ByteBuffer) -> Bool {
        switch id?.kind {
        case .string: return id?.appendUnescaped(to: &text) ?? false && !text.isEmpty
        case .number:
            if let id { text.append(id.raw) }
            return true
        case nil, .object, .array, .true, .false, .null: return false
        }
    }

    /// As the engine takes it. Valid as long as this is.
    var member: Member {
        Member(
            id: text.view.slice(from: 0, count: idCount), label: text.view.slice(from: idCount, count: labelCount),
            info: text.view.slice(from: idCount + labelCount))
    }
}
