import CFuzzClient
import ClarionBytes
import ClarionEcho
import ClarionLoop
import ClarionPusher
import ClarionRealtimeJSON
import ClarionTransport
import ClarionWire
import ScriptedBackend
import Synchronization

@testable import ClarionEngine

// The whole node on scripted kernels: two workers, two clients, every protocol, compression, PROXY headers, TLS. The
// input says what the clients do and whose turn it is; its first bytes seed how the kernels behave (cut and late bytes,
// short and refused sends, resets, no buffers, failing accepts) and all random numbers. After each turn every list is
// held against every other, the kernels have seen no breach of contract, clients of TLS that were not disturbed have
// understood the node, and when the clients have gone nothing is left.

private let applicationKey = "k"
private let applicationSecret = "s"

/// The router of a node, without its pages.
private final class FuzzRouter: Router {
    let pusher: PusherFront
    let realtime: RealtimeFront

    init(_ pusher: PusherFront, _ realtime: RealtimeFront) {
        self.pusher = pusher
        self.realtime = realtime
    }

    func upgrade(_ head: HTTPHead, _ session: Session) -> UpgradeDecision {
        if let decision = pusher.upgrade(head, session) { return decision }
        if realtime.owns(head) { return realtime.upgrade(head) }
        if head.path == "/echo" {
            return .accept(
                handler: 0, state: SessionState(), messageBytesMax: 4_096,
                liveness: Liveness(pingAfterSeconds: 60, answerWithinSeconds: 30))
        }
        return .refuse(status: 404, text: "Not found.")
    }

    func admit(_ head: HTTPHead, _ session: Session) -> BodyAdmission {
        if let admission = pusher.admit(head, session) { return admission }
        if realtime.owns(head) { return realtime.admit(head) }
        return .atMost(64)
    }

    func request(_ head: HTTPHead, body: ByteView, _ session: Session) {
        if pusher.request(head, body: body, session) { return }
        if realtime.owns(head) { return realtime.request(head, body: body, session) }
        let address = Array("\(session.clientAddress(head))".utf8)
        unsafe address.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            session.respond(
                status: 200, contentType: "text/plain", body: unsafe ByteView(base: base, count: buffer.count))
        }
    }
}

private final class FuzzWorker {
    var loop: WorkerLoop<Scripted>
    let core: Core
    let kernel: ScriptedKernel

    init(
        _ index: Int, _ exchange: Exchange, _ limits: EngineLimits, _ kernel: ScriptedKernel,
        _ shared: PusherNode.Shared, isSecured: Bool
    )
        throws
    {
        core = try Core(workerIndex: index, exchange: exchange, limits: limits, httpLimits: HTTPLimits())
        var application = ApplicationConfiguration(id: "i", key: applicationKey, secret: applicationSecret)
        application.acceptClientEventsFrom = .all
        application.maxMessageBytes = 2_048
        let pusher = try PusherNode(PusherConfiguration(applications: [application]), shared, worker: index)
        var rules = RealtimeConfiguration(space: .max)
        rules.mode = index == 0 ? .raw : .envelope
        rules.allowsPublish = true
        rules.allowUnauthenticatedBroadcast = true
        rules.allowedOrigins = ["*"]
        let realtime = RealtimeHandler(rules)
        core.handlers = [EchoHandler(), realtime, PusherHandler(pusher)]
        core.router = FuzzRouter(
            PusherFront(pusher, handlerIndex: 2), RealtimeFront(rules, handler: realtime, handlerIndex: 1))
        core.observer = PusherChannelObserver(pusher)
        core.keeper = PusherKeeper(pusher)
        var options = BackendOptions(connectionsMax: limits.connectionsMax + 1)
        options.receiveBufferCount = 4
        options.receiveBufferBytes = 128
        self.kernel = kernel
        // Clients of the second worker come through a balancer.
        var traits: ListenerTraits = index == 0 ? [.namesPeers] : [.proxied]
        if isSecured {
            core.secureContext = SecureClient.context
            traits.insert(.secured)
        }
        loop = WorkerLoop(
            backend: try Scripted(kernel: kernel, options: options), core: core,
            listeners: [WorkerListener(descriptor: 0, traits: traits)], sendBatchMax: options.sendBatchMax)
        loop.start()
    }
}

/// Reads the input, byte by byte; behind its end there are zeros.
private struct Script {
    let input: ByteView
    var position = 0

    var isOver: Bool { position >= input.count }

    mutating func byte() -> Int {
        defer { position += 1 }
        return position < input.count ? Int(input[position]) : 0
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        let taken = min(count, max(input.count - position, 0))
        defer { position += taken }
        return taken == 0 ? [] : input.slice(from: position, count: taken).array
    }

    mutating func number() -> UInt64 { (0..<8).reduce(0) { value, _ in value << 8 | UInt64(byte()) } }
}

private let paths = [
    "/app/\(applicationKey)?protocol=7", "/ws", "/echo", "/app/none?protocol=7", "/app/\(applicationKey)", "/x",
]
private let offers = [
    "", "permessage-deflate", "permessage-deflate; client_max_window_bits; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=9, permessage-deflate",
    "permessage-deflate; client_no_context_takeover; server_max_window_bits=8",
]
/// What clients say that know what they do.
private let texts = [
    #"{"event":"pusher:subscribe","data":{"channel":"a"}}"#, #"{"event":"pusher:subscribe","data":{"channel":"b"}}"#,
    #"{"event":"pusher:subscribe","data":{"channel":"cache-a"}}"#, #"{"event":"pusher:ping","data":{}}"#,
    #"{"event":"pusher:unsubscribe","data":{"channel":"a"}}"#, #"{"event":"client-x","channel":"a","data":{"n":1}}"#,
    #"{"event":"pusher:subscribe","data":{"channel":"private-a","auth":"k:0"}}"#,
    #"{"event":"pusher:subscribe","data":{"channel":"presence-a","auth":"k:0","channel_data":"{\"user_id\":1}"}}"#,
    #"{"event":"pusher:signin","data":{"auth":"k:0","user_data":"{\"id\":\"u\"}"}}"#,
    #"{"action":"subscribe","channel":"a"}"#, #"{"action":"subscribe","channel":"b"}"#,
    #"{"action":"unsubscribe","channel":"a"}"#, #"{"action":"publish","channel":"a","message":"hello"}"#,
    #"{"action":"publish","channel":"b","message":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#,
]
private let requests = [
    "GET /apps/i/channels?auth_key=k&auth_timestamp=1&auth_version=1.0&auth_signature=0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /internal/broadcast HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        + "Content-Length: 21\r\n\r\nchannel=a&message=abc",
    "POST /internal/broadcast HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        + "Transfer-Encoding: chunked\r\n\r\n15\r\nchannel=b&message=abc\r\n0\r\n\r\n",
    "GET /up HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1, 203.0.113.9\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PROXY TCP4 198.51.100.7 192.0.2.1 5000 80\r\n", "PROXY UNKNOWN\r\n",
]

private func upgrade(path: String, offer: String) -> [UInt8] {
    let extensions = offer.isEmpty ? "" : "Sec-WebSocket-Extensions: \(offer)\r\n"
    return Array(
        ("GET \(path) HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\(extensions)\r\n").utf8)
}

/// A frame whose mask changes nothing, so that the input's bytes mean what they say.
private func frame(_ first: UInt8, _ payload: [UInt8], masked: Bool = true) -> [UInt8] {
    var bytes = [first]
    let mask: UInt8 = masked ? 0x80 : 0
    if payload.count < 126 {
        bytes.append(mask | UInt8(payload.count))
    } else {
        bytes += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
    }
    return bytes + (masked ? [0, 0, 0, 0] : []) + payload
}

/// DEFLATE data that holds the text as it is: one stored block, and the first byte of the one that ends a message.
private func stored(_ text: [UInt8]) -> [UInt8] {
    let (low, high) = (UInt8(text.count & 255), UInt8(text.count >> 8))
    return [0, low, high, ~low, ~high] + text + [0]
}

private final class FuzzNode {
    let workers: [FuzzWorker]
    let exchange: Exchange
    var random: SeededRandom
    var clients: [ScriptedPeer]
    /// Whether the workers' clients speak TLS, and what they speak it with.
    let isSecured: [Bool]
    var secure: [SecureClient?] = [nil, nil]
    /// Whether something was sent that is not the TLS client's.
    var wasDisturbed = [false, false]

    init(_ script: inout Script) throws {
        let seed = script.number()
        var random = SeededRandom(seed: seed)
        let settings = script.byte()
        var limits = EngineLimits()
        limits.connectionsMax = 8
        limits.channelsMax = 8
        limits.controlFramesBurst = 20
        limits.deflate.mode = [.off, .shared, .dedicated, .shared][settings & 3]
        limits.deflate.messageBytesMin = 1
        limits.trustedProxies = [AddressRange("127.0.0.0/8")].compactMap { $0 }
        limits.slowConsumerPolicy = [.close, .skip, .conflate, .close][settings >> 2 & 3]
        if settings & 16 != 0 { limits.logBytesMax = 4_096 }
        exchange = Exchange(
            workerCount: 2, hash: SipHash(key0: random.next(), key1: random.next()),
            socketKey: SipHash(key0: random.next(), key1: random.next()))
        let shared = PusherNode.Shared()
        fuzz_client_seed(random.next())
        isSecured = [settings & 64 != 0, settings & 128 != 0]
        var workers: [FuzzWorker] = []
        for index in 0..<2 {
            let odds = settings & 32 != 0 ? ScriptedOdds.calm : ScriptedOdds.drawn(from: &random)
            let kernel = ScriptedKernel(seed: random.next(), odds: odds, socketBytes: 256...8_192)
            workers.append(try FuzzWorker(index, exchange, limits, kernel, shared, isSecured: isSecured[index]))
        }
        self.workers = workers
        self.random = random
        clients = workers.map { $0.kernel.connect() }
    }

    func turn(_ index: Int) {
        _ = workers[index].loop.turn()
        workers[index].core.checkInvariants()
        let violations = workers[index].kernel.violations
        require(violations.isEmpty, "the contract with the kernel: \(violations)")
        if let one = secure[index] {
            one.hear(clients[index].takeReceived())
            pass(index)
        }
    }

    /// What a client says, by TLS if it has begun with that.
    func write(_ index: Int, _ bytes: [UInt8]) {
        guard let one = secure[index] else {
            wasDisturbed[index] = true
            return clients[index].write(bytes)
        }
        one.say(bytes)
        pass(index)
    }

    private func pass(_ index: Int) {
        guard let bytes = secure[index]?.take(), !bytes.isEmpty, !clients[index].hasGone else { return }
        clients[index].write(bytes)
    }

    /// What clients of TLS do besides: begin, send what is no TLS, change what they send, ask for new keys.
    func stepSecurely(_ index: Int, _ script: inout Script) {
        let what = script.byte()
        let value = script.byte()
        if clients[index].hasGone { return }
        switch what & 7 {
        case 0, 1:
            if secure[index] == nil {
                secure[index] = SecureClient(value)
                if wasDisturbed[index] { secure[index]?.disturb() }
            }
            pass(index)
        case 2:
            wasDisturbed[index] = true
            secure[index]?.disturb()
            clients[index].write(script.bytes(value * 4))
        case 3:
            secure[index]?.ask(value & 3)
            pass(index)
        default: secure[index]?.changeNext(Change(rawValue: (what >> 3) % 6) ?? .flip, at: value)
        }
    }

    func step(_ script: inout Script) {
        let what = script.byte()
        let number = what & 1
        let client = clients[number]
        let isOpen = !(client.hasGone)
        switch what >> 1 & 15 {
        case 0, 1: if isOpen { write(number, script.bytes(script.byte() & 63)) }
        case 2:
            let choice = script.byte()
            if isOpen {
                write(number, upgrade(path: paths[choice % paths.count], offer: offers[choice >> 4 % offers.count]))
            }
        case 3, 4:
            let text = Array(texts[script.byte() % texts.count].utf8)
            if isOpen { write(number, frame(0x81, text)) }
        case 5:
            let text = stored(Array(texts[script.byte() % texts.count].utf8))
            if isOpen { write(number, frame(0xC1, text)) }
        case 6:
            let first = UInt8(script.byte())
            let payload = script.bytes(script.byte())
            if isOpen { write(number, frame(first, payload, masked: first & 0x20 == 0)) }
        case 7: if isOpen { write(number, Array(requests[script.byte() % requests.count].utf8)) }
        case 8: client.readsAlways.toggle()
        case 9: client.drain(limit: script.byte() * 16)
        case 10: if isOpen { client.end() }
        case 11:
            // Another one in its place.
            if isOpen { client.reset() }
            clients[number] = workers[number].kernel.connect()
            secure[number] = nil
            wasDisturbed[number] = false
        case 12:
            let ticks = UInt32(script.byte()) * Clock.ticksPerSecond
            for worker in workers { worker.core.nowTick += ticks }
        case 13 where isSecured[number]: stepSecurely(number, &script)
        default: for _ in 0..<(script.byte() & 15) { turn(random.below(2)) }
        }
        turn(number)
    }

    /// Everybody goes: nothing may be left.
    func end() {
        for worker in workers {
            for peer in worker.kernel.peers where !peer.hasGone { peer.reset() }
        }
        for round in 0..<4_000 {
            turn(round & 1)
            // Whoever still waits for an answer has waited long enough.
            if round % 256 == 255 { for worker in workers { worker.core.nowTick += 400 * Clock.ticksPerSecond } }
            if round > 8, isEmpty { return }
        }
        for worker in workers {
            let core = worker.core
            require(core.connections.count == 0, "\(core.connections.count) connections stay")
            require(core.subscriptions.count == 0, "\(core.subscriptions.count) subscriptions stay")
            require(core.channels.count == 0, "\(core.channels.count) channels stay")
            require(core.pool.outstandingBytes == 0, "\(core.pool.outstandingBytes) bytes of blocks stay")
            require(worker.kernel.isEmpty, "the kernel holds something")
        }
        require(exchange.deflateBytes.load(ordering: .relaxed) == 0, "memory of contexts stays counted")
    }

    private var isEmpty: Bool {
        exchange.deflateBytes.load(ordering: .relaxed) == 0
            && workers.allSatisfy { worker in
                let core = worker.core
                return core.connections.count == 0 && core.subscriptions.count == 0 && core.channels.count == 0
                    && core.pool.outstandingBytes == 0 && worker.kernel.isEmpty
            }
    }
}

private let stepsMax = 200

private func fuzz(_ input: ByteView) {
    var script = Script(input: input)
    guard let node = try? FuzzNode(&script) else { fatalError("no node") }
    var steps = 0
    while !script.isOver && steps < stepsMax {
        node.step(&script)
        steps += 1
    }
    node.end()
}

@c(LLVMFuzzerTestOneInput)
public func fuzzNode(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    unsafe fuzz(ByteView(base: bytes, count: count))
    return 0
}
