import ClarionBytes

/// The JSON protocol as the node's own tools see it.
public enum RealtimeByHand {
    /// What subscribers in envelope mode receive for a message.
    public static func envelope(channel: String, message: String) -> [UInt8] {
        var buffer = ByteBuffer()
        var channel = channel
        var message = message
        channel.withUTF8 { channel in
            message.withUTF8 { message in
                unsafe RealtimeEnvelope.appendMessage(view(message), channel: view(channel), to: &buffer)
            }
        }
        return buffer.view.array
    }

    private static func view(_ bytes: UnsafeBufferPointer<UInt8>) -> ByteView {
        unsafe bytes.baseAddress.map { unsafe ByteView(base: $0, count: bytes.count) } ?? ByteView("")
    }
}
