import CBench
import Glibc
import Synchronization

@testable import WSBenchCore

/// A small broadcast server for the tests, right or wrong on purpose: a thread per connection, blocking calls.
final class FaultyServer: @unchecked Sendable {
    /// What goes wrong with the fifth message to the first subscriber.
    enum Fault: CaseIterable {
        case nothing, lose, double, swap, cut, close
        /// It comes `delayMicroseconds` late.
        case delay
        /// Whoever unsubscribes goes on getting messages.
        case deaf
    }

    static let delayMicroseconds: UInt32 = 120_000

    static let faultyMessage = 5

    let port: UInt16
    private let listener: Int32
    private let fault: Fault
    /// Bytes per call of send: small pieces cut frames in every possible place.
    private let pieceBytes: Int
    private let subscribers = Mutex<[Int32]>([])
    private let count = Mutex<Int>(0)
    private let kept = Mutex<[UInt8]>([])

    init(fault: Fault, pieceBytes: Int) {
        self.fault = fault
        self.pieceBytes = pieceBytes
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        port = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe precondition(bind(listener, generic, length) == 0 && listen(listener, 64) == 0)
                unsafe precondition(getsockname(listener, generic, &length) == 0)
            }
            return unsafe UInt16(bigEndian: pointer.pointee.sin_port)
        }
    }

    func start() {
        spawn { server in
            while true {
                let connection = accept(server.listener, nil, nil)
                if connection < 0 { return }
                server.spawn { $0.serve(connection) }
            }
        }
    }

    func stop() { _ = shutdown(listener, Int32(SHUT_RDWR)) }

    private final class Errand {
        let server: FaultyServer
        let work: (FaultyServer) -> Void
        init(_ server: FaultyServer, _ work: @escaping (FaultyServer) -> Void) {
            self.server = server
            self.work = work
        }
    }

    private func spawn(_ work: @escaping (FaultyServer) -> Void) {
        var thread = pthread_t()
        let errand = unsafe Unmanaged.passRetained(Errand(self, work))
        let code = unsafe pthread_create(
            &thread, nil,
            { argument in
                let errand = unsafe Unmanaged<Errand>.fromOpaque(argument!).takeRetainedValue()
                errand.work(errand.server)
                return nil
            }, unsafe errand.toOpaque())
        precondition(code == 0)
        pthread_detach(thread)
    }

    private func send(_ bytes: [UInt8], to connection: Int32) {
        var done = 0
        while done < bytes.count {
            let piece = Array(bytes[done..<min(bytes.count, done + pieceBytes)])
            if unsafe !Socket(connection).sendAll(piece) { return }
            done += piece.count
        }
    }

    private func serve(_ connection: Int32) {
        cbench_set_nodelay(connection)
        var bytes: [UInt8] = []
        var isOpen = false
        while true {
            let piece = unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
                count = unsafe max(0, cbench_receive(connection, buffer.baseAddress, 65_536))
            }
            if piece.isEmpty { return }
            bytes += piece
            if !isOpen {
                guard String(decoding: bytes, as: UTF8.self).hasSuffix("\r\n\r\n") else { continue }
                bytes = []
                isOpen = true
                let answer = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: \(Handshake.accept)\r\n\r\n"
                send(Array(answer.utf8), to: connection)
            }
            while let text = takeFrame(&bytes) { handle(text, connection) }
        }
    }

    private func takeFrame(_ bytes: inout [UInt8]) -> [UInt8]? {
        guard bytes.count >= 6 else { return nil }
        var length = Int(bytes[1] & 0x7F)
        var offset = 2
        if length == 126 {
            length = Int(bytes[2]) << 8 | Int(bytes[3])
            offset = 4
        } else if length == 127 {
            guard bytes.count >= 10 else { return nil }
            length = bytes[2..<10].reduce(0) { $0 << 8 | Int($1) }
            offset = 10
        }
        guard bytes.count >= offset + 4 + length else { return nil }
        var payload = Array(bytes[(offset + 4)..<(offset + 4 + length)])
        for index in 0..<length { payload[index] ^= bytes[offset + (index & 3)] }
        bytes.removeFirst(offset + 4 + length)
        return payload
    }

    private func frame(_ payload: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = [0x81]
        if payload.count < 126 {
            frame.append(UInt8(payload.count))
        } else if payload.count < 65_536 {
            frame += [126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        } else {
            frame.append(127)
            for shift in stride(from: 56, through: 0, by: -8) { frame.append(UInt8(payload.count >> shift & 0xFF)) }
        }
        return frame + payload
    }

    private func handle(_ text: [UInt8], _ connection: Int32) {
        let head = Array(#"{"action":"publish","channel":"c","message":""#.utf8)
        if text.starts(with: head) {
            let message = Array(text[head.count..<(text.count - 2)])
            broadcast(message, isProbe: message.starts(with: Array("@@9999999999999999".utf8)))
        } else if text.starts(with: Array("@@".utf8)) {
            send(frame(text), to: connection)
        } else if text.starts(with: Array(#"{"action":"unsubscribe""#.utf8)) {
            if fault != .deaf { subscribers.withLock { $0.removeAll { $0 == connection } } }
        } else {
            subscribers.withLock { $0.append(connection) }
        }
    }

    private func nextNumber() -> Int {
        count.withLock { count in
            count += 1
            return count
        }
    }

    private func broadcast(_ message: [UInt8], isProbe: Bool) {
        let number = isProbe ? 0 : nextNumber()
        let bytes = frame(message)
        for (index, subscriber) in subscribers.withLock({ $0 }).enumerated() {
            guard index == 0, number == Self.faultyMessage || number == Self.faultyMessage + 1 else {
                send(bytes, to: subscriber)
                continue
            }
            let isFirst = number == Self.faultyMessage
            switch fault {
            case .nothing, .deaf: send(bytes, to: subscriber)
            case .delay:
                if isFirst { usleep(Self.delayMicroseconds) }
                send(bytes, to: subscriber)
            case .lose: if !isFirst { send(bytes, to: subscriber) }
            case .double: send(isFirst ? bytes + bytes : bytes, to: subscriber)
            case .swap:
                if isFirst {
                    kept.withLock { $0 = bytes }
                } else {
                    send(bytes + kept.withLock { $0 }, to: subscriber)
                }
            case .cut: if isFirst { _ = shutdown(subscriber, Int32(SHUT_RDWR)) }
            case .close: send(isFirst ? [0x88, 2, 0x0F, 0xA4] : [], to: subscriber)
            }
        }
    }
}
