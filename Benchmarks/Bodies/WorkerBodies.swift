import ClarionBytes
import ClarionEngine
import ClarionLoop

// The way of a message through a whole worker: frame, protocol, home, log, cursors, sends; everything but the kernel.

let workerBodies: [BenchmarkBody] = [
    BenchmarkBody("worker-echo-64", "message", iterations: 2_000) {
        let rig = Rig(connectionsMax: 16)
        let client = rig.open("/echo")
        let frame = StaticBytes(Inputs.clientFrame(Inputs.ascii(64)))
        return { iterations in
            for _ in 0..<iterations { rig.send(client, frame) }
            return rig.checksum
        }
    },
    fanOutBody("worker-publish-to-1", subscribers: 1, messages: 1, iterations: 2_000),
    fanOutBody("worker-fanout-1k", subscribers: 1_000, messages: 1, iterations: 20),
    fanOutBody("worker-fanout-1k-16", subscribers: 1_000, messages: 16, iterations: 320),
    fanOutBody("worker-fanout-1k-16k-bytes", subscribers: 1_000, messages: 1, textBytes: 16 << 10, iterations: 20),
    fanOutBody(
        "worker-fanout-1k-deflate-512", subscribers: 1_000, messages: 1, textBytes: 512, deflates: true,
        iterations: 20),
    BenchmarkBody("worker-rooms", "message", iterations: 2_000) {
        // A thousand connections in a hundred channels of ten: a message goes to ten.
        let rig = Rig(connectionsMax: 2_000)
        let frames = (0..<100).map { StaticBytes(Inputs.clientFrame(publish("room-\($0)", textBytes: 64))) }
        for index in 0..<1_000 {
            let subscriber = rig.open("/ws")
            rig.send(subscriber, StaticBytes(Inputs.clientFrame(subscribe("room-\(index % 100)"))))
        }
        let publisher = rig.open("/ws")
        return { iterations in
            for index in 0..<iterations { rig.send(publisher, frames[index % 100]) }
            return rig.checksum
        }
    },
    BenchmarkBody("worker-connection", "connection", iterations: 500) {
        // Accepted, upgraded, subscribed, ended by the peer.
        let rig = Rig(connectionsMax: 16)
        let request = StaticBytes(Inputs.upgradeRequest(path: "/ws"))
        let subscription = StaticBytes(Inputs.clientFrame(subscribe("orders.42")))
        return { iterations in
            for _ in 0..<iterations {
                let client = rig.connect()
                rig.send(client, request)
                rig.send(client, subscription)
                rig.end(client)
            }
            rig.require({ $0.connectionsOpen == 0 }, "connections end")
            return rig.checksum
        }
    },
]

func subscribe(_ channel: String) -> String { #"{"action":"subscribe","channel":"\#(channel)"}"# }

func publish(_ channel: String, textBytes: Int) -> String {
    let text = String(decoding: Inputs.ascii(textBytes), as: UTF8.self)
    return #"{"action":"publish","channel":"\#(channel)","message":"\#(text)"}"#
}

/// One channel; `messages` published in one piece go to all `subscribers`. An iteration is one message.
private func fanOutBody(
    _ name: String, subscribers: Int, messages: Int, textBytes: Int = 64, deflates: Bool = false, iterations: Int
) -> BenchmarkBody {
    BenchmarkBody(name, "message", iterations: iterations) {
        let rig = Rig(connectionsMax: subscribers + 16)
        let subscription = StaticBytes(Inputs.clientFrame(subscribe("orders.42")))
        for _ in 0..<subscribers { rig.send(rig.open("/ws", deflates: deflates), subscription) }
        let publisher = rig.open("/ws")
        let frame = Inputs.clientFrame(publish("orders.42", textBytes: textBytes))
        let burst = StaticBytes(Array((0..<messages).map { _ in frame }.joined()))
        rig.send(publisher, burst)
        rig.require({ $0.deliveries == UInt64(subscribers * messages) }, "all subscribers get the message")
        return { iterations in
            for _ in stride(from: 0, to: iterations, by: messages) { rig.send(publisher, burst) }
            return rig.checksum
        }
    }
}
