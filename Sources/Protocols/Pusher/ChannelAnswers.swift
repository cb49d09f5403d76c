import ClarionBytes
import ClarionWire

/// The bodies of answers about channels. An attribute that does not apply to a channel is left out, as Reverb does.
enum ChannelAnswers {
    /// {"channels":{"a":{"subscription_count":1},"b":{}}}
    static func channels(_ list: [ChannelQueries.Occupancy], _ attributes: ChannelAttributes) -> [UInt8] {
        var json = ByteBuffer()
        json.append(#"{"channels":{"#)
        for (index, channel) in list.enumerated() {
            if index > 0 { json.append(",") }
            append(name: channel.name, to: &json)
            json.append(":{")
            append(attributes, name: channel.name, channel.subscriptionCount, isFirst: true, to: &json)
            json.append("}")
        }
        json.append("}}")
        return json.view.array
    }

    /// {"occupied":true,"subscription_count":1}, or {"occupied":false}
    static func channel(_ name: [UInt8], _ subscriptionCount: Int, _ attributes: ChannelAttributes) -> [UInt8] {
        var json = ByteBuffer()
        json.append(subscriptionCount > 0 ? #"{"occupied":true"# : #"{"occupied":false"#)
        if subscriptionCount > 0 { append(attributes, name: name, subscriptionCount, isFirst: false, to: &json) }
        json.append("}")
        return json.view.array
    }

    /// What batch_events answers when an item asked for something: {"batch":[{"subscription_count":1},{}]}
    static func batch(_ items: [BatchItem], _ counts: [Int]) -> [UInt8] {
        var json = ByteBuffer()
        json.append(#"{"batch":["#)
        for (index, item) in items.enumerated() {
            json.append(index > 0 ? ",{" : "{")
            append(item.attributes, name: item.channel, counts[index], isFirst: true, to: &json)
            json.append("}")
        }
        json.append("]}")
        return json.view.array
    }

    /// What was asked of one event of a batch.
    struct BatchItem: Sendable {
        let channel: [UInt8]
        let attributes: ChannelAttributes
    }

    /// Appends the attributes that apply, as members. `user_count` is for presence channels, `subscription_count` for
    /// all others.
    private static func append(
        _ attributes: ChannelAttributes, name: [UInt8], _ subscriptionCount: Int, isFirst: Bool,
        to json: inout ByteBuffer
    ) {
        let isPresence = unsafe name.withUnsafeBufferPointer { bytes in
            unsafe bytes.baseAddress.map { unsafe ChannelKind(ByteView(base: $0, count: bytes.count)).isPresence }
                ?? false
        }
        if !attributes.contains(.subscriptionCount) || isPresence { return }
        if !isFirst { json.append(",") }
        json.append(#""subscription_count":"#)
        json.append(decimal: UInt64(max(subscriptionCount, 0)))
    }

    private static func append(name: [UInt8], to json: inout ByteBuffer) {
        unsafe name.withUnsafeBufferPointer { bytes in
            if let start = bytes.baseAddress {
                unsafe JSONWriter.append(string: ByteView(base: start, count: bytes.count), to: &json)
            }
        }
    }
}
