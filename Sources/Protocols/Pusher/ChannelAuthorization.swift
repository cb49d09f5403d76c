import ClarionBytes

/// The right to subscribe to a protected channel, and to be a user.
enum ChannelAuthorization {
    /// Whether `auth` is "{key}:{signature}" of "{socket_id}:{channel}", with ":{channel_data}" behind it when the
    /// client sent that. The socket id is the server's own, the bytes of `channelData` are those received.
    ///
    /// - Parameter scratch: overwritten.
    static func isValid(
        _ auth: ByteView, channel: ByteView, channelData: ByteView?, socketNumber: UInt64, _ application: Application,
        _ scratch: inout ByteBuffer
    ) -> Bool {
        scratch.removeAll()
        SocketID.append(socketNumber, to: &scratch)
        scratch.append(0x3A)
        scratch.append(channel)
        if let channelData {
            scratch.append(0x3A)
            scratch.append(channelData)
        }
        return isSignature(auth, of: scratch.view, application)
    }

    /// Whether `auth` is "{key}:{signature}" of "{socket_id}::user::{user_data}". No channel's name begins with ":", so
    /// the one signature never stands for the other.
    ///
    /// - Parameter scratch: overwritten.
    static func isValid(
        _ auth: ByteView, userData: ByteView, socketNumber: UInt64, _ application: Application,
        _ scratch: inout ByteBuffer
    ) -> Bool {
        scratch.removeAll()
        SocketID.append(socketNumber, to: &scratch)
        scratch.append("::user::")
        scratch.append(userData)
        return isSignature(auth, of: scratch.view, application)
    }

    private static func isSignature(_ auth: ByteView, of text: ByteView, _ application: Application) -> Bool {
        var expected = ByteBuffer(capacity: application.key.count + 1 + 2 * Signing.hmacBytes)
        for byte in application.key { expected.append(byte) }
        expected.append(0x3A)
        if !Signing.appendHMAC(text, secret: application.secret, to: &expected) { return false }
        return Signing.isEqual(auth, expected.view)
    }
}
