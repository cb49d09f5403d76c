import ClarionBytes
import ClarionWire

// HTTP heads: a browser's opening handshake, a server SDK's publish.

let httpBodies: [BenchmarkBody] = [
    headBody("wire-http-head-upgrade", Inputs.upgradeRequest(path: "/app/app-key?protocol=7&client=js&version=8.4.0")),
    headBody("wire-http-head-publish", publishRequest),
    BenchmarkBody("wire-upgrade-judge", "handshake", iterations: 1_000) {
        // The head is read, its fields judged, the accept key hashed, the answer written.
        let requests = TwinBytes(Inputs.upgradeRequest(path: "/ws"))
        let target = BufferBox(capacity: 512)
        return { iterations in
            var sum = 0
            for index in 0..<iterations {
                let request = requests[index]
                target.buffer.removeAll()
                let result = unsafe HTTPHead.parse(request.base, count: request.count, limits: HTTPLimits())
                if case .head(let head) = result, case .accept(let key) = Upgrade.judge(head) {
                    Upgrade.appendResponse(accept: key, to: &target.buffer)
                }
                sum &+= target.buffer.count
            }
            return sum
        }
    },
]

private let publishRequest = """
    POST /apps/app-id/events?auth_key=app-key&auth_timestamp=1700000000&auth_version=1.0&body_md5=\
    5a2b16ec8d5b2ee3c1a0c8e8a1c7d1f0&auth_signature=\
    1f6a0a4b2b1c3d4e5f60718293a4b5c6d7e8f9010203040506070809a0b0c0d0 HTTP/1.1\r
    Host: 127.0.0.1:8080\r
    User-Agent: pusher-http-php/7.2.4\r
    Content-Type: application/json\r
    X-Pusher-Library: pusher-http-php 7.2.4\r
    Content-Length: 120\r
    \r\n
    """

private func headBody(_ name: String, _ text: String) -> BenchmarkBody {
    BenchmarkBody(name, "request", iterations: 2_000) {
        let requests = TwinBytes(text)
        return { iterations in
            var sum = 0
            for index in 0..<iterations {
                let request = requests[index]
                let result = unsafe HTTPHead.parse(request.base, count: request.count, limits: HTTPLimits())
                if case .head(let head) = result { sum &+= head.headByteCount &+ head.path.count }
            }
            return sum
        }
    }
}
