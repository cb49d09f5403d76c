import CBench
import Glibc

/// The upgrade (RFC 6455, section 4): the same request for all connections of a run, and what the answer means.
struct Handshake: Sendable {
    /// The longest answer.
    static let answerBytesMax = 8_192
    /// How long a connection may take from connect to the answer.
    static let timeoutNanoseconds: UInt64 = 10_000_000_000
    static var timeoutMilliseconds: Int32 { Int32(timeoutNanoseconds / 1_000_000) }
    /// The example of RFC 6455, section 1.3: with a fixed key the right answer is known without hashing.
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="
    static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    private static let end: [UInt8] = [13, 10, 13, 10]

    let address: cbench_address
    /// What subscribers ask for, and what the publisher does, who offers no extension.
    let request: [UInt8]
    let plainRequest: [UInt8]
    /// The server, for people.
    let server: String
    private let path: String
    private let origin: String
    /// Source addresses that connections are spread over, 0 to let the kernel choose.
    private let sources: Int

    init(plan: BenchPlan) throws(BenchPlanError) {
        var address = cbench_address()
        let code = unsafe cbench_resolve(plan.host, plan.port, &address)
        guard code == 0 else {
            throw BenchPlanError(
                description: "the host \(plan.host) has no address (\(unsafe String(cString: gai_strerror(code)))); "
                    + "check the name in --url")
        }
        self.address = address
        let host = plan.host.contains(":") ? "[\(plan.host)]" : plan.host
        server = "\(host):\(plan.port)"
        path = plan.path
        origin = "\(plan.isSecure ? "https" : "http")://\(server)"
        // Connections that are dropped and opened again take fresh addresses: their old ports may still be reserved.
        let spreads = plan.connections > BenchPlan.connectionsPerAddress || plan.shape == .storm || plan.reopens
        let isLoopback = unsafe cbench_is_loopback(&address) != 0
        sources = spreads && isLoopback ? (plan.connections - 1) / BenchPlan.connectionsPerAddress + 1 : 0
        let lines = [
            "GET \(plan.path) HTTP/1.1", "Host: \(server)", "Upgrade: websocket", "Connection: Upgrade",
            "Origin: \(origin)", "Sec-WebSocket-Key: \(Self.key)", "Sec-WebSocket-Version: 13",
        ]
        func text(_ lines: [String]) -> [UInt8] { Array((lines + ["", ""]).joined(separator: "\r\n").utf8) }
        plainRequest = text(lines)
        request = text(lines + (plan.extensionOffer.map { ["Sec-WebSocket-Extensions: \($0)"] } ?? []))
    }

    /// Whether connections come from many addresses. There are many then, and they end with a reset: otherwise each
    /// would keep its port for a minute.
    var isSpread: Bool { sources > 0 }

    /// The source address of a connection as the last number of 127.0.0.x, 0 to let the kernel choose.
    /// - Parameter round: how often connections were opened anew.
    func source(of connection: Int, round: Int) -> Int32 {
        sources == 0 ? 0 : Int32(2 + connection / BenchPlan.connectionsPerAddress + sources * (round % 4))
    }

    /// Where the head of an answer ends, behind its empty line; nil as long as that has not come.
    static func headEnd(_ bytes: UnsafeRawBufferPointer) -> Int? {
        let found = unsafe cbench_find(bytes.baseAddress, bytes.count, end, end.count)
        return found < 0 ? nil : found + end.count
    }

    /// Why the answer is not the one that was hoped for, and the remedy; nil when it is.
    func fault(inHead bytes: UnsafeRawBufferPointer) -> String? {
        let head = unsafe String(decoding: bytes, as: UTF8.self)
        if head.hasPrefix("HTTP/1.1 101") {
            return head.contains(Self.accept) ? nil : "\(server) answered with a wrong Sec-WebSocket-Accept"
        }
        let status = head.prefix { $0 != "\r\n" }.prefix(80)
        guard head.hasPrefix("HTTP/") else {
            return "\(server) does not speak HTTP (it answered \"\(status)\"); check host and port in --url"
        }
        let said = "\(server) refused the upgrade with \"\(status)\""
        switch head.dropFirst(9).prefix(3) {
        case "404": return "\(said): it has no WebSocket at \(path); check the path in --url"
        case "403": return "\(said): let the origin \(origin) in, or check the path in --url"
        case "401": return "\(said): it wants a login, which wsbench cannot give"
        case "503", "429": return "\(said): it is full or draining; try fewer connections or a --connect-rate"
        default: return "\(said); check the path in --url and that it serves WebSockets there"
        }
    }

    /// Why TLS does not come to stand, and the remedy.
    func fault(secure reason: String) -> String {
        "the TLS handshake with \(server) failed (\(reason)); check that this port speaks TLS, and the issuers in --ca"
    }

    /// What an errno of a connection attempt means, and the remedy.
    func fault(errno code: Int32) -> String {
        switch code {
        case ECONNREFUSED: return "nobody listens on \(server); start the server, or correct --url"
        case ETIMEDOUT: return "\(server) does not answer; check the address and what filters packets on the way"
        case EHOSTUNREACH, ENETUNREACH: return "there is no way to \(server); check the address in --url"
        case EADDRNOTAVAIL:
            return "no local port is left for another connection to \(server); widen net.ipv4.ip_local_port_range, or "
                + "use a loopback address, where wsbench spreads over source addresses"
        case EMFILE, ENFILE: return "there are too few descriptors; raise ulimit -n, or add --processes"
        case ECONNRESET, EPIPE:
            return "\(server) ended a connection before the handshake was done; try a --connect-rate"
        default: return "connecting to \(server) failed: \(unsafe String(cString: strerror(code)))"
        }
    }
}
