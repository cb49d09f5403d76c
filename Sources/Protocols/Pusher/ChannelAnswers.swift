import ClarionBytes
import ClarionWire

/// The bodies of answers about channels. An attribute that does not apply to a channel is left out, as Reverb does.
enum ChannelAnswers {
    /// {"channels":{"a":{"subscription_count":1},"b":{}}}
    static func channels(_ list: [ChannelQueries.Facts], _ attributes: ChannelAttributes) -> [UInt8] {
        var json = ByteBuffer()
        json.append(#"{"channels":{"#)
        for (index, channel) in list.enumerated() {
            if index > 0 { json.append(",") }
            append(name: channel.name, to: &json)
            json.append(":{")
            append(attributes.subtracting(.cache), of: channel, isFirst: true, to: &json)
            json.append("}")
        }
        json.append("}}")
        return json.view.array
    }

    /// {"occupied":true,"subscription_count":1}, or {"occupied":false}
    /// A cache channel's last event is told also when nobody is there: "cache":{"data":"…","ttl":1800}
    static func channel(_ channel: ChannelQueries.Facts, _ attributes: ChannelAttributes) -> [UInt8] {
        var json = ByteBuffer()
        let isOccupied = channel.subscriptionCount > 0
        json.append(isOccupied ? #"{"occupied":true"# : #"{"occupied":false"#)
        append(isOccupied ? attributes : attributes.intersection(.cache), of: channel, isFirst: false, to: &json)
        json.append("}")
        return json.view.array
    }

    /// What batch_events answers when an item asked for something: {"batch":[{"subscription_count":1},{}]}
    static func batch(_ attributes: [ChannelAttributes], _ channels: [ChannelQueries.Facts]) -> [UInt8] {
        var json = ByteBuffer()
        json.append(#"{"batch":["#)
        for (index, channel) in channels.enumerated() {
            json.append(index > 0 ? ",{" : "{")
            append(attributes[index].subtracting(.cache), of: channel, isFirst: true, to: &json)
            json.append("}")
        }
        json.append("]}")
        return json.view.array
    }

    /// {"users":[{"id":"10"},{"id":"11"}]}
    static func users(_ users: [[UInt8]]) -> [UInt8] {
        var json = ByteBuffer()
        json.append(#"{"users":["#)
        for (index, user) in users.enumerated() {
            json.append(index > 0 ? #",{"id":"# : #"{"id":"#)
            append(name: user, to: &json)
            json.append("}")
        }
        json.append("]}")
        return json.view.array
    }

    /// Appends the attributes that apply, as members. `user_count` is for presence channels, `subscription_count` for
    /// all others, `cache` for cache channels.
    private static func append(
        _ attributes: ChannelAttributes, of channel: ChannelQueries.Facts, isFirst: Bool, to json: inout ByteBuffer
    ) {
        let kind = unsafe channel.name.withUnsafeBufferPointer { bytes in
            unsafe bytes.baseAddress.map { unsafe ChannelKind(ByteView(base: $0, count: bytes.count)) } ?? .public
        }
        var isFirst = isFirst
        func begin(_ name: StaticString) {
            if !isFirst { json.append(",") }
            isFirst = false
            json.append(name)
        }
        if attributes.contains(.userCount) && kind.isPresence {
            begin(#""user_count":"#)
            json.append(decimal: UInt64(max(channel.userCount, 0)))
        }
        if attributes.contains(.subscriptionCount) && !kind.isPresence {
            begin(#""subscription_count":"#)
            json.append(decimal: UInt64(max(channel.subscriptionCount, 0)))
        }
        if attributes.contains(.cache) && kind.isCached, let kept = channel.kept {
            begin(#""cache":{"data":"#)
            append(dataOf: kept, to: &json)
            json.append(#","ttl":"#)
            json.append(decimal: UInt64(max(channel.keptSeconds, 0)))
            json.append("}")
        }
    }

    /// The data of a message as it was sent to subscribers.
    private static func append(dataOf message: [UInt8], to json: inout ByteBuffer) {
        unsafe message.withUnsafeBufferPointer { bytes in
            let data = unsafe bytes.baseAddress.flatMap {
                unsafe JSON.parse(ByteView(base: $0, count: bytes.count))?.member("data")
            }
            json.append(data?.raw ?? ByteView("null"))
        }
    }

    private static func append(name: [UInt8], to json: inout ByteBuffer) {
        unsafe name.withUnsafeBufferPointer { bytes in
            if let start = bytes.baseAddress {
                unsafe JSONWriter.append(string: ByteView(base: start, count: bytes.count), to: &json)
            }
        }
    }
}
