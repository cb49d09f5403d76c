import Glibc
import Testing

@testable import WSBenchCore

@Suite struct HandshakeTests {
    private func handshake(_ change: (inout BenchPlan) -> Void = { _ in }) throws -> Handshake {
        var plan = BenchPlan(shape: .fanout, dialect: .json, host: "127.0.0.1", port: 81, path: "/ws")
        change(&plan)
        return try Handshake(plan: plan)
    }

    private func fault(_ head: String) throws -> String? {
        let handshake = try handshake()
        return unsafe Array(head.utf8).withUnsafeBytes { unsafe handshake.fault(inHead: $0) }
    }

    @Test func onlyTheRightAnswerIsNoFault() throws {
        #expect(
            try fault("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: \(Handshake.accept)\r\n\r\n") == nil)
        #expect(try fault("HTTP/1.1 101 Switching Protocols\r\n\r\n")?.contains("Accept") == true)
        #expect(try fault("HTTP/1.1 404 Not Found\r\n\r\n")?.contains("/ws; check the path") == true)
        #expect(try fault("HTTP/1.1 403 Forbidden\r\n\r\n")?.contains("origin http://127.0.0.1:81") == true)
        #expect(try fault("SSH-2.0-OpenSSH\r\n\r\n")?.contains("does not speak HTTP") == true)
    }

    @Test func theHeadEndsBehindItsEmptyLine() {
        let bytes = Array("a\r\nb\r\n\r\nrest".utf8)
        #expect(unsafe bytes.withUnsafeBytes { unsafe Handshake.headEnd($0) } == 8)
        #expect(unsafe bytes.prefix(7).withUnsafeBytes { unsafe Handshake.headEnd($0) } == nil)
    }

    @Test func everyErrnoHasARemedy() throws {
        let handshake = try handshake()
        #expect(handshake.fault(errno: ECONNREFUSED).contains("start the server"))
        #expect(handshake.fault(errno: EADDRNOTAVAIL).contains("ip_local_port_range"))
        #expect(handshake.fault(errno: EMFILE).contains("ulimit -n"))
        #expect(handshake.fault(errno: EACCES).contains("failed"))
        #expect(throws: BenchPlanError.self) { try self.handshake { $0.host = "no.such.host.invalid" } }
    }

    @Test func manyConnectionsAreSpreadOverSourceAddresses() throws {
        #expect(try handshake().source(of: 999, round: 3) == 0)
        let many = try handshake { $0.connections = 100_000 }
        #expect(many.source(of: 0, round: 0) == 2)
        #expect(many.source(of: 99_999, round: 0) == 21)
        // Those who come back do not take the ports that they have left.
        #expect(many.source(of: 0, round: 1) == 22)
        let elsewhere = try handshake {
            $0.connections = 100_000
            $0.host = "192.0.2.1"
        }
        #expect(elsewhere.source(of: 99_999, round: 0) == 0)
    }

    @Test func theSocketsNameIsReadFromTheGreeting() {
        let greeting =
            #"{"event":"pusher:connection_established","data":"{\"socket_id\":\"123.456\",\"activity_timeout\":30}"}"#
        #expect(unsafe Array(greeting.utf8).withUnsafeBytes { unsafe BenchLoop.socketName($0) } == "123.456")
        #expect(unsafe Array("{}".utf8).withUnsafeBytes { unsafe BenchLoop.socketName($0) }.isEmpty)
    }
}
