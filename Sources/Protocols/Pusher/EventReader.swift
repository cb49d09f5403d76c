import ClarionBytes
import ClarionWire

/// Reads the bodies of publishing requests. Everything is checked before anything is published.
///
/// Missing and mistyped fields are refused as Reverb refuses them; the bounds are Pusher's.
struct EventReader: ~Copyable {
    /// What is wrong with the fields; nothing when all is well.
    var errors = ValidationErrors()
    /// Bytes of the largest data over the bound, if there is one.
    private(set) var oversizedDataBytes: Int?
    private let dataBytesMax: Int
    /// Takes the names of channels that were written with escapes. As large as the body, so that it never grows and
    /// views into it stay valid.
    private var names: ByteBuffer

    init(bodyBytes: Int, dataBytesMax: Int) {
        names = ByteBuffer(capacity: max(bodyBytes, 1))
        self.dataBytesMax = dataBytesMax
    }

    /// The event of POST /events. Nil when it is not whole; `errors` or `oversizedDataBytes` say why not.
    mutating func event(_ root: JSONValue) -> EventRequest? {
        read(root, takesList: true)
    }

    /// The events of POST /batch_events, in order. Empty when one is not whole.
    mutating func batch(_ root: JSONValue) -> [EventRequest] {
        guard let list = root.member("batch"), isFilled(list) else {
            errors.add("batch", "is required")
            return []
        }
        if list.kind != .array {
            errors.add("batch", "must be an array")
            return []
        }
        var events: [EventRequest] = []
        var elements = JSONElements(list)
        var index = 0
        while let element = elements.next() {
            if index == PusherLimits.eventsPerBatchMax {
                errors.prefix = ""
                errors.add("batch", "must not have more than 10 items")
                return []
            }
            errors.prefix = "batch.\(index)."
            if let event = read(element, takesList: false) { events.append(event) }
            index += 1
        }
        return events.count == index ? events : []
    }

    private mutating func read(_ value: JSONValue, takesList: Bool) -> EventRequest? {
        let wasSound = errors.isEmpty && oversizedDataBytes == nil
        let name = text("name", value.member("name"))
        if let name { checkName(name) }
        let data = text("data", value.member("data"))
        if let data {
            checkSize(data)
            checkText(data)
        }
        let channels = takesList ? allChannels(of: value) : oneChannel(of: value)
        let excluded = socketNumber(value.member("socket_id"))
        if !takesList, let key = value.member("idempotency_key"), key.kind != .null {
            errors.add("idempotency_key", "is of the whole request and must not stand in an item")
        }
        let attributes = optionalText("info", value.member("info")).map { ChannelAttributes($0.content) }
        guard wasSound, errors.isEmpty, oversizedDataBytes == nil, let name, let data else { return nil }
        return EventRequest(
            name: name, data: data, channels: channels, excluded: excluded, attributes: attributes ?? [])
    }

    private mutating func checkName(_ name: JSONValue) {
        if name.content.count > PusherLimits.eventNameBytesMax && name.unescapedCount > PusherLimits.eventNameBytesMax {
            errors.add("name", "must not be longer than 200 bytes")
        }
        // Such events may come from the server alone: clients act on them.
        if name.hasPrefix("pusher:") || name.hasPrefix("pusher_internal:") {
            errors.add("name", "must not begin with pusher: or pusher_internal:")
        }
    }

    private mutating func checkSize(_ data: JSONValue) {
        if data.content.count <= dataBytesMax { return }
        let size = data.unescapedCount
        if size > dataBytesMax { oversizedDataBytes = max(oversizedDataBytes ?? 0, size) }
    }

    /// Half of an escaped pair of surrogates is no character: not every client could read it.
    private mutating func checkText(_ data: JSONValue) {
        if !data.hasEscapes { return }
        let start = names.count
        let isText = data.appendUnescaped(to: &names)
        names.truncate(to: start)
        if !isText { errors.add("data", "must be valid text") }
    }

    private mutating func allChannels(of value: JSONValue) -> [ByteView] {
        let list = value.member("channels").flatMap { isFilled($0) ? $0 : nil }
        let single = value.member("channel").flatMap { isFilled($0) ? $0 : nil }
        guard let list else {
            if let single { return channel(single).map { [$0] } ?? [] }
            errors.add("channels", "is required when channel is not present")
            errors.add("channel", "is required when channels is not present")
            return []
        }
        if list.kind != .array {
            errors.add("channels", "must be an array")
            return []
        }
        var channels: [ByteView] = []
        var elements = JSONElements(list)
        while let element = elements.next() {
            if channels.count == PusherLimits.channelsPerEventMax {
                errors.add("channels", "must not have more than 100 items")
                return []
            }
            guard element.kind == .string, let name = channelName(element) else {
                errors.add("channels", "must hold valid channel names")
                return []
            }
            channels.append(name)
        }
        return channels
    }

    private mutating func oneChannel(of value: JSONValue) -> [ByteView] {
        guard let single = value.member("channel"), isFilled(single) else {
            errors.add("channel", "is required when channels is not present")
            return []
        }
        return channel(single).map { [$0] } ?? []
    }

    private mutating func channel(_ value: JSONValue) -> ByteView? {
        if value.kind != .string {
            errors.add("channel", "must be a string")
            return nil
        }
        let name = channelName(value)
        if name == nil { errors.add("channel", "must be a valid channel name") }
        return name
    }

    private mutating func channelName(_ value: JSONValue) -> ByteView? {
        var name = value.content
        if value.hasEscapes {
            let start = names.count
            if !value.appendUnescaped(to: &names) { return nil }
            name = names.view.slice(from: start)
        }
        return ChannelName.isValid(name) ? name : nil
    }

    /// A socket id of another node, or of a connection that is gone, excludes nobody.
    private mutating func socketNumber(_ value: JSONValue?) -> UInt64? {
        guard let value = optionalText("socket_id", value) else { return nil }
        switch SocketID.parse(value.content) {
        case .number(let number): return number
        case .foreign: return nil
        case .malformed:
            errors.add("socket_id", "must be a socket id")
            return nil
        }
    }

    private mutating func text(_ field: StaticString, _ value: JSONValue?) -> JSONValue? {
        guard let value, isFilled(value) else {
            errors.add(field, "is required")
            return nil
        }
        if value.kind == .string { return value }
        errors.add(field, "must be a string")
        return nil
    }

    private mutating func optionalText(_ field: StaticString, _ value: JSONValue?) -> JSONValue? {
        guard let value, value.kind != .null else { return nil }
        if value.kind == .string { return value }
        errors.add(field, "must be a string")
        return nil
    }

    /// Whether there is anything: neither null, nor empty.
    private func isFilled(_ value: JSONValue) -> Bool {
        switch value.kind {
        case .null: return false
        case .string: return !value.content.isEmpty
        case .object, .array: return !value.isEmptyContainer
        case .number, .true, .false: return true
        }
    }
}
