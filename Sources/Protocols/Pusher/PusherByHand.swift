import ClarionBytes
public import ClarionEngine
import ClarionWire

// What an operator's tools need of the protocol: what a connection is, and messages that no request asked for.

/// The Pusher protocol as the node's own tools see it.
public enum PusherByHand {
    /// The number of the application that a connection of this protocol belongs to; nil when it was refused.
    public static func application(of state: SessionState) -> Int? {
        let state = PusherState(words: state)
        return state.refusal == .none ? state.application : nil
    }

    /// The socket id of a connection.
    public static func socketID(_ number: UInt64) -> String {
        var text = ByteBuffer(capacity: 32)
        SocketID.append(number, to: &text)
        return text.view.string
    }

    /// The name space of the channels of an application.
    public static func space(ofApplication number: Int) -> UInt16 { AppTable.space(of: number) }

    /// Whether a channel may have this name.
    public static func isChannelName(_ name: String) -> Bool {
        var name = name
        return name.withUTF8 { bytes in
            unsafe bytes.baseAddress.map { unsafe ChannelName.isValid(ByteView(base: $0, count: bytes.count)) } ?? false
        }
    }

    /// Whether the channel of this name keeps its last event for newcomers.
    public static func keepsLast(_ name: String) -> Bool { Array(name.utf8).withView { ChannelKind($0).isCached } }

    /// What the subscribers of `channel` receive for an event: `data` is a text, as the protocol has it.
    public static func message(channel: String, event: String, data: String) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.append(#"{"event":"#)
        append(event, to: &buffer)
        buffer.append(#","data":"#)
        append(data, to: &buffer)
        buffer.append(#","channel":"#)
        append(channel, to: &buffer)
        buffer.append("}")
        return buffer.view.array
    }

    private static func append(_ text: String, to buffer: inout ByteBuffer) {
        var text = text
        text.withUTF8 { bytes in
            let view = unsafe bytes.baseAddress.map { unsafe ByteView(base: $0, count: bytes.count) } ?? ByteView("")
            JSONWriter.append(string: view, to: &buffer)
        }
    }
}
