import CBench

/// A connection whose handshake is done.
struct OpenConnection {
    var descriptor: Int32
    /// What the server sent behind its answer.
    var leftover: [UInt8]
}

/// Opens connections and shakes hands (RFC 6455, section 4), a batch at a time so that the server can work on many at
/// once.
struct Connector {
    /// Connections that wait for the server's answer at the same time; below the usual length of a listen queue.
    static let batchMax = 128
    /// How long one call to the server may take.
    static let timeoutMilliseconds: Int32 = 10_000
    /// The longest answer to a handshake.
    static let answerBytesMax = 8_192

    /// The example of RFC 6455, section 1.3: with a fixed key the right answer is known without hashing.
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="
    static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    private let address: cbench_address
    private let request: [UInt8]
    private let spreadsSources: Bool

    init(plan: BenchPlan) throws(BenchPlanError) {
        var address = cbench_address()
        let code = unsafe cbench_resolve(plan.host, plan.port, &address)
        guard code == 0 else {
            throw BenchPlanError(description: "the host \(plan.host) cannot be resolved (code \(code))")
        }
        self.address = address
        spreadsSources = unsafe plan.connections > BenchPlan.connectionsPerAddress && cbench_is_loopback(&address) != 0
        let host = plan.host.contains(":") ? "[\(plan.host)]" : plan.host
        request = Array(
            """
            GET \(plan.path) HTTP/1.1\r
            Host: \(host):\(plan.port)\r
            Upgrade: websocket\r
            Connection: Upgrade\r
            Origin: http://\(host):\(plan.port)\r
            Sec-WebSocket-Key: \(Self.key)\r
            Sec-WebSocket-Version: 13\r
            \r

            """.utf8)
    }

    /// Opens a batch of connections, numbered from `first`.
    /// - Returns: those that stand, and why the first of the others does not.
    func open(first: Int, count: Int) -> (connections: [OpenConnection], failure: String?) {
        var descriptors: [Int32] = []
        var connections: [OpenConnection] = []
        var failure: String?
        var address = address
        for index in first..<(first + count) {
            let source = spreadsSources ? Int32(2 + index / BenchPlan.connectionsPerAddress) : 0
            let descriptor = unsafe cbench_connect(&address, source, Self.timeoutMilliseconds)
            guard descriptor >= 0 else {
                failure = failure ?? "connect failed with errno \(-descriptor)"
                continue
            }
            guard Self.send(request, to: descriptor) else {
                failure = failure ?? "the handshake could not be sent"
                cbench_close(descriptor)
                continue
            }
            descriptors.append(descriptor)
        }
        for descriptor in descriptors {
            switch Self.answer(from: descriptor) {
            case .success(let leftover):
                connections.append(OpenConnection(descriptor: descriptor, leftover: leftover))
            case .failure(let reason):
                failure = failure ?? reason.description
                cbench_close(descriptor)
            }
        }
        return (connections, failure)
    }

    /// Sends all bytes on a blocking socket.
    static func send(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        unsafe bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let sent = unsafe cbench_send(descriptor, buffer.baseAddress! + done, buffer.count - done)
                if sent <= 0 { return false }
                done += sent
            }
            return true
        }
    }

    private static func answer(from descriptor: Int32) -> Result<[UInt8], BenchPlanError> {
        var bytes: [UInt8] = []
        let end: [UInt8] = [13, 10, 13, 10]
        while bytes.count < answerBytesMax {
            let piece = unsafe [UInt8](unsafeUninitializedCapacity: 2_048) { buffer, count in
                count = unsafe max(0, cbench_receive(descriptor, buffer.baseAddress, 2_048))
            }
            if piece.isEmpty {
                return .failure(BenchPlanError(description: "the server closed or kept silent in the handshake"))
            }
            bytes += piece
            guard let split = bytes.indices.dropLast(3).first(where: { Array(bytes[$0..<($0 + 4)]) == end }) else {
                continue
            }
            let head = String(decoding: bytes[..<split], as: UTF8.self)
            let status = head.prefix { $0 != "\r\n" }
            guard head.hasPrefix("HTTP/1.1 101") else {
                return .failure(BenchPlanError(description: "the server answered the handshake with: \(status)"))
            }
            guard head.contains(accept) else {
                return .failure(BenchPlanError(description: "the server's Sec-WebSocket-Accept is wrong"))
            }
            guard bytes.count - split - 4 <= BenchLoop.leftoverStride else {
                return .failure(BenchPlanError(description: "the server sends too much before it is asked anything"))
            }
            return .success(Array(bytes[(split + 4)...]))
        }
        return .failure(BenchPlanError(description: "the server's answer to the handshake is too long"))
    }
}
