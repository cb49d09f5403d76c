import CCrypto
import ClarionBytes
import ClarionEngine
import ClarionLoop
import ClarionWire

// The Pusher protocol through a whole worker, signatures included.

let pusherBodies: [BenchmarkBody] = [
    BenchmarkBody("pusher-client-event", "message", iterations: 2_000) {
        let rig = Rig(connectionsMax: 16)
        let listener = rig.open(socketPath)
        rig.send(listener, StaticBytes(Inputs.clientFrame(pusherSubscribe("orders.42", auth: nil))))
        let publisher = rig.open(socketPath)
        let text = String(decoding: Inputs.ascii(64), as: UTF8.self)
        let event = #"{"event":"client-moved","channel":"orders.42","data":{"text":"\#(text)"}}"#
        let frame = StaticBytes(Inputs.clientFrame(event))
        rig.send(publisher, frame)
        rig.require({ $0.deliveries == 1 }, "the listener gets the event")
        return { iterations in
            for _ in 0..<iterations { rig.send(publisher, frame) }
            return rig.checksum
        }
    },
    joiningBody("pusher-subscribe", channel: "orders.42", isPrivate: false),
    // Beside the one above: what the HMAC check costs.
    joiningBody("pusher-subscribe-private", channel: "private-orders.42", isPrivate: true),
    BenchmarkBody("pusher-http-publish", "request", iterations: 500) {
        // A signed event over a connection that stays: head, MD5, HMAC, JSON, publish to one subscriber, answer.
        let rig = Rig(connectionsMax: 16)
        let listener = rig.open(socketPath)
        rig.send(listener, StaticBytes(Inputs.clientFrame(pusherSubscribe("orders.42", auth: nil))))
        let caller = rig.connect()
        let request = StaticBytes(signedEvent)
        rig.send(caller, request)
        rig.require({ $0.deliveries == 1 && $0.responses[1] == 1 }, "the event is let in")
        return { iterations in
            for _ in 0..<iterations { rig.send(caller, request) }
            return rig.checksum
        }
    },
]

private let socketPath = "/app/app-key?protocol=7&client=js&version=8.4.0"

private func pusherSubscribe(_ channel: String, auth: String?) -> String {
    let proof = auth.map { #","auth":"\#($0)""# } ?? ""
    return #"{"event":"pusher:subscribe","data":{"channel":"\#(channel)"\#(proof)}}"#
}

/// A connection that joins a channel and leaves it again, over and over.
private func joiningBody(_ name: String, channel: String, isPrivate: Bool) -> BenchmarkBody {
    BenchmarkBody(name, "subscription", iterations: 500) {
        let rig = Rig(connectionsMax: 16)
        // Somebody else is on the channel, so that it does not end each time.
        for isOther in [true, false] {
            var client: Handle = 0
            let greeting = String(decoding: rig.sent { client = rig.open(socketPath) }, as: UTF8.self)
            let auth = isPrivate ? "app-key:" + hmac("\(socketID(in: greeting)):\(channel)") : nil
            let join = StaticBytes(Inputs.clientFrame(pusherSubscribe(channel, auth: auth)))
            let leaving = #"{"event":"pusher:unsubscribe","data":{"channel":"\#(channel)"}}"#
            let leave = StaticBytes(Inputs.clientFrame(leaving))
            rig.send(client, join)
            if isOther { continue }
            rig.require({ $0.subscriptions == 2 }, "both may subscribe")
            return { [client] iterations in
                for _ in 0..<iterations {
                    rig.send(client, leave)
                    rig.send(client, join)
                }
                return rig.checksum
            }
        }
        return { _ in 0 }
    }
}

/// The socket id that `pusher:connection_established` tells.
private func socketID(in greeting: String) -> String {
    let marker = #"\"socket_id\":\""#
    guard let start = greeting.firstRange(of: marker) else { preconditionFailure("no socket id in \(greeting)") }
    return String(greeting[start.upperBound...].prefix { $0 != "\\" })
}

private var signedEvent: String {
    let data = #"{\"text\":\"\#(String(decoding: Inputs.ascii(64), as: UTF8.self))\"}"#
    let body = #"{"name":"moved","channels":["orders.42"],"data":"\#(data)"}"#
    let query = "auth_key=app-key&auth_timestamp=1700000000&auth_version=1.0&body_md5=\(md5(body))"
    let signature = hmac("POST\n/apps/app-id/events\n\(query)")
    return """
        POST /apps/app-id/events?\(query)&auth_signature=\(signature) HTTP/1.1\r
        Host: 127.0.0.1:8080\r
        Content-Type: application/json\r
        Content-Length: \(body.utf8.count)\r
        \r
        \(body)
        """
}

private func hmac(_ text: String) -> String {
    let secret = StaticBytes(Rig.applicationSecret)
    let bytes = StaticBytes(text)
    let digest = StaticBytes([UInt8](repeating: 0, count: 32))
    unsafe precondition(ccrypto_hmac_sha256(secret.base, secret.count, bytes.base, bytes.count, digest.base) == 1)
    return hex(digest)
}

private func md5(_ text: String) -> String {
    let bytes = StaticBytes(text)
    let digest = StaticBytes([UInt8](repeating: 0, count: 16))
    unsafe precondition(ccrypto_md5(bytes.base, bytes.count, digest.base) == 1)
    return hex(digest)
}

private func hex(_ digest: StaticBytes) -> String {
    var buffer = ByteBuffer(capacity: 2 * digest.count)
    Hex.append(digest.view, to: &buffer)
    return buffer.view.string
}
