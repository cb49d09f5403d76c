import ClarionBytes
import ClarionWire

/// The messages of the second generation.
enum RealtimeEnvelope {
    static let invalidMessage: StaticString = #"{"type":"error","error":"invalid JSON message"}"#
    static let channelMissing: StaticString = #"{"type":"error","error":"channel must be specified"}"#
    static let messageMissing: StaticString = #"{"type":"error","error":"message must be specified"}"#
    static let channelTooLong: StaticString = #"{"type":"error","error":"channel name is too long"}"#
    static let tooManySubscriptions: StaticString = #"{"type":"error","error":"too many subscriptions"}"#
    static let nodeFull: StaticString = #"{"type":"error","error":"the server cannot hold more channels"}"#

    static func appendSubscribed(channel: ByteView, to buffer: inout ByteBuffer) {
        buffer.append(#"{"type":"subscribed","channel":"#)
        JSONWriter.append(string: channel, to: &buffer)
        buffer.append("}")
    }

    static func appendUnsubscribed(channel: ByteView, to buffer: inout ByteBuffer) {
        buffer.append(#"{"type":"unsubscribed","channel":"#)
        JSONWriter.append(string: channel, to: &buffer)
        buffer.append("}")
    }

    /// Not part of the reference, whose slow readers are always closed.
    static func appendGap(lost: UInt32, channel: ByteView, to buffer: inout ByteBuffer) {
        buffer.append(#"{"type":"gap","channel":"#)
        JSONWriter.append(string: channel, to: &buffer)
        buffer.append(#","lost":"#)
        buffer.append(decimal: UInt64(lost))
        buffer.append("}")
    }

    static func appendUnknownAction(_ action: ByteView, to buffer: inout ByteBuffer) {
        buffer.append(#"{"type":"error","error":"unknown action: "#)
        JSONWriter.appendEscaped(action, to: &buffer)
        buffer.append(#""}"#)
    }

    /// A published message. `payload` is the message itself when it is one JSON value, and otherwise a string that
    /// holds it: nothing that was accepted is dropped. (The reference drops what is not JSON.)
    static func appendMessage(_ message: ByteView, channel: ByteView, to buffer: inout ByteBuffer) {
        buffer.append(#"{"type":"message","channel":"#)
        JSONWriter.append(string: channel, to: &buffer)
        buffer.append(#","payload":"#)
        if let value = JSON.parse(message, depthMax: JSON.depthLimit) {
            buffer.append(value.raw)
        } else {
            JSONWriter.append(string: message, to: &buffer)
        }
        buffer.append("}")
    }
}
