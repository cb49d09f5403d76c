import CBench
import Glibc

/// Opens the few connections that a run cannot do without, one at a time and blocking: the publisher's, and one that
/// looks whether the server is there and speaks what it should. What is wrong is said in one sentence with its remedy.
struct Connector {
    /// How long the server's first word may take.
    static let greetingMilliseconds: Int32 = 5_000

    /// How long the answer to a ping may take, which some servers do not give.
    static let pongMilliseconds: Int32 = 1_000

    private let plan: BenchPlan
    private let handshake: Handshake
    private let secureContext: SecureContext?

    init(plan: BenchPlan, handshake: Handshake) throws(BenchPlanError) {
        self.plan = plan
        self.handshake = handshake
        if plan.isSecure { secureContext = try SecureContext(plan: plan) } else { secureContext = nil }
    }

    /// A connection with a time limit on each call, with TLS where the plan has it.
    func connect(timeoutMilliseconds: Int32 = Handshake.timeoutMilliseconds) throws(BenchPlanError) -> Socket {
        var address = handshake.address
        let descriptor = unsafe cbench_connect(&address, 0, timeoutMilliseconds)
        guard descriptor >= 0 else { throw BenchPlanError(description: handshake.fault(errno: -descriptor)) }
        guard let secureContext else { return unsafe Socket(descriptor) }
        guard let secure = unsafe secureContext.open(descriptor, resumes: false) else {
            cbench_close(descriptor)
            throw BenchPlanError(description: "there is no memory for TLS")
        }
        guard unsafe cbench_tls_handshake(secure) == 1 else {
            let reason = unsafe SecureContext.reason(secure)
            unsafe Socket(descriptor, secure: secure).abandon()
            throw BenchPlanError(description: handshake.fault(secure: reason))
        }
        return unsafe Socket(descriptor, secure: secure)
    }

    /// A WebSocket that may publish to all channels of the plan; for an echo one that has been seen to echo.
    func open() throws(BenchPlanError) -> Socket {
        let socket = try connect(timeoutMilliseconds: Self.greetingMilliseconds)
        do throws(BenchPlanError) {
            var reader = Reader(socket: socket, server: handshake.server)
            try upgrade(socket, &reader)
            switch plan.dialect {
            case .raw: try checkEcho(socket, &reader)
            case .pusher: try greet(socket, &reader)
            case .json, .uws: break
            }
            guard reader.bytes.isEmpty else {
                throw BenchPlanError(
                    description: "\(handshake.server) sends more than its protocol (\(plan.dialect)) says; "
                        + "check --protocol and the path in --url")
            }
        } catch {
            socket.close()
            throw error
        }
        return socket
    }

    private func upgrade(_ socket: Socket, _ reader: inout Reader) throws(BenchPlanError) {
        try send(handshake.plainRequest, socket)
        while true {
            let end = unsafe reader.bytes.withUnsafeBytes { unsafe Handshake.headEnd($0) }
            if let end {
                let fault = unsafe reader.bytes.withUnsafeBytes {
                    unsafe handshake.fault(inHead: UnsafeRawBufferPointer(rebasing: $0[..<end]))
                }
                if let fault { throw BenchPlanError(description: fault) }
                reader.bytes.removeFirst(end)
                return
            }
            guard reader.bytes.count <= Handshake.answerBytesMax else {
                throw BenchPlanError(description: "\(handshake.server) answers the upgrade with too much")
            }
            try reader.more("did not answer the upgrade; check host and port in --url")
        }
    }

    private func checkEcho(_ socket: Socket, _ reader: inout Reader) throws(BenchPlanError) {
        let text = Marker.text(sequence: Marker.probeSequence, time: 0)
        try send(ClientFrame.text(text), socket)
        let remedy =
            "did not echo a message; check the path in --url and that the server echoes there "
            + "(clarion start --echo serves /echo)"
        guard try reader.text(remedy) == text else {
            throw BenchPlanError(description: "\(handshake.server) \(remedy)")
        }
    }

    /// Takes the greeting of the Pusher protocol, and joins protected channels, without which there is no publishing.
    private func greet(_ socket: Socket, _ reader: inout Reader) throws(BenchPlanError) {
        let remedy = "did not greet as the Pusher protocol says; check --protocol and the path in --url"
        let greeting = try reader.text(remedy)
        guard greeting.contains("pusher:connection_established") else {
            let key = greeting.contains("4001") ? "; check --app-key" : ""
            throw BenchPlanError(description: "\(handshake.server) \(remedy): it said \(greeting.prefix(160))\(key)")
        }
        guard plan.shape.hasPublisher, plan.shape != .idle else { return }
        var joins = plan.channelKind == .private
        if !joins { joins = try refusesOutsiders(socket, &reader) }
        guard joins else { return }
        var bytes = greeting
        let name = bytes.withUTF8 { unsafe BenchLoop.socketName(UnsafeRawBufferPointer($0)) }
        for channel in 0..<plan.channels {
            let channelName = plan.channelName(channel)
            let isPrivate = plan.channelKind == .private
            let auth = isPrivate ? plan.application.authorization(socket: name, channel: channelName) : nil
            try send(ClientFrame.text(plan.dialect.subscription(channel: channelName, auth: auth) ?? ""), socket)
            let answer = try reader.text("did not answer a subscription")
            guard answer.contains("subscription_succeeded") else {
                throw BenchPlanError(
                    description:
                        "\(handshake.server) refused the subscription to \(channelName): \(answer.prefix(160)); "
                        + "check --app-key and --app-secret")
            }
        }
    }

    /// Whether the server passes client events on only for members of the channel: it complains before it answers the
    /// ping behind the event. A server that answers neither is taken for one that passes everything on.
    private func refusesOutsiders(_ socket: Socket, _ reader: inout Reader) throws(BenchPlanError) -> Bool {
        let channel = plan.channelName(0)
        let envelope = plan.dialect.envelope(channel: channel)
        let text = Marker.text(sequence: Marker.probeSequence, time: 0)
        let ping = #"{"event":"pusher:ping","data":{},"channel":"\#(channel)"}"#
        try send(ClientFrame.text(envelope.head + text + envelope.tail) + ClientFrame.text(ping), socket)
        cbench_set_timeout(socket.descriptor, Self.pongMilliseconds)
        defer { cbench_set_timeout(socket.descriptor, Self.greetingMilliseconds) }
        var refuses = false
        while let answer = try? reader.text("is silent") {
            if answer.contains("pusher:pong") { break }
            refuses = refuses || answer.contains("pusher:error")
        }
        return refuses
    }

    private func send(_ bytes: [UInt8], _ socket: Socket) throws(BenchPlanError) {
        if !socket.sendAll(bytes) { throw BenchPlanError(description: handshake.fault(errno: ECONNRESET)) }
    }

    /// Reads frames from a blocking socket.
    struct Reader {
        let socket: Socket
        let server: String
        var bytes: [UInt8] = []

        mutating func more(_ remedy: String) throws(BenchPlanError) {
            let piece = unsafe [UInt8](unsafeUninitializedCapacity: 4_096) { buffer, count in
                count = unsafe max(0, socket.receive(buffer.baseAddress, 4_096))
            }
            if piece.isEmpty { throw BenchPlanError(description: "\(server) \(remedy)") }
            bytes += piece
        }

        /// The next text; pings are passed over, a close is an end.
        mutating func text(_ remedy: String) throws(BenchPlanError) -> String {
            while true {
                let outcome = unsafe bytes.withUnsafeBytes { unsafe ServerFrame.parse($0) }
                switch outcome {
                case .invalid: throw BenchPlanError(description: "\(server) sent a frame that no server may send")
                case .incomplete: try more(remedy)
                case .head(let frame):
                    guard frame.payloadBytes <= 1 << 20 else {
                        throw BenchPlanError(description: "\(server) \(remedy)")
                    }
                    if bytes.count < frame.headBytes + frame.payloadBytes {
                        try more(remedy)
                        continue
                    }
                    let payload = Array(bytes[frame.headBytes..<(frame.headBytes + frame.payloadBytes)])
                    bytes.removeFirst(frame.headBytes + frame.payloadBytes)
                    if frame.opcode == 1 || frame.opcode == 2 { return String(decoding: payload, as: UTF8.self) }
                    if frame.opcode == 8 {
                        let reason = String(decoding: payload.dropFirst(2), as: UTF8.self)
                        throw BenchPlanError(description: "\(server) closed the connection (\(reason)): it \(remedy)")
                    }
                }
            }
        }
    }
}
