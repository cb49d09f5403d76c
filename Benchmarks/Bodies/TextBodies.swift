import ClarionBytes
import ClarionWire

// Text: UTF-8 as it comes, JSON in and out.

let textBodies: [BenchmarkBody] = [
    utf8Body("wire-utf8-ascii-64", text: Inputs.ascii(64), pieceBytes: 64, iterations: 20_000),
    utf8Body("wire-utf8-ascii-4k", text: Inputs.ascii(4096), pieceBytes: 4096, iterations: 5_000),
    utf8Body("wire-utf8-mixed-4k", text: Inputs.mixedText(4096), pieceBytes: 4096, iterations: 500),
    // Cut where it falls, also inside scalars.
    utf8Body("wire-utf8-mixed-4k-pieces", text: Inputs.mixedText(4096), pieceBytes: 125, iterations: 500),
    jsonInBody("wire-json-in-64", text: smallRequest, iterations: 2_000),
    jsonInBody("wire-json-in-4k", text: largeRequest, iterations: 100),
    BenchmarkBody("wire-json-out-512", "string", iterations: 1_000) {
        // What the Pusher protocol does with `data`: JSON as a string, every quotation mark escaped.
        let twins = TwinBytes(jsonRecords(byteCount: 512))
        let target = BufferBox(capacity: 2048)
        return { iterations in
            var sum = 0
            for index in 0..<iterations {
                target.buffer.removeAll()
                JSONWriter.append(stringified: twins[index].view, to: &target.buffer)
                sum &+= target.buffer.count
            }
            return sum
        }
    },
]

private let smallRequest =
    #"{"action":"publish","channel":"orders.42","message":""#
    + String(decoding: Inputs.ascii(64), as: UTF8.self) + #""}"#

private var largeRequest: String {
    #"{"event":"client-moved","channel":"private-orders.42","data":"# + jsonRecords(byteCount: 4000) + "}"
}

/// An array of small objects of about `byteCount` bytes.
private func jsonRecords(byteCount: Int) -> String {
    var items: [String] = []
    var count = 2
    while count < byteCount {
        let number = items.count
        let item =
            #"{"id":\#(number),"name":"user-\#(number)","score":\#(number * 37 % 1000).5,"tags":["a","b\n"],"on":true}"#
        items.append(item)
        count += item.utf8.count + 1
    }
    return "[" + items.joined(separator: ",") + "]"
}

private func utf8Body(_ name: String, text: [UInt8], pieceBytes: Int, iterations: Int) -> BenchmarkBody {
    BenchmarkBody(name, "text", iterations: iterations) {
        let twins = TwinBytes(text)
        return { iterations in
            var valid = 0
            for index in 0..<iterations {
                let bytes = twins[index]
                var stream = UTF8Stream()
                var position = 0
                while position < bytes.count {
                    let count = min(pieceBytes, bytes.count - position)
                    if unsafe !stream.consume(bytes.base + position, count: count) { break }
                    position += count
                }
                if stream.isComplete { valid += 1 }
            }
            return valid
        }
    }
}

/// Validates a text and finds the members that a handler looks at, in one walk.
private func jsonInBody(_ name: String, text: String, iterations: Int) -> BenchmarkBody {
    BenchmarkBody(name, "text", iterations: iterations) {
        let twins = TwinBytes(text)
        return { iterations in
            var sum = 0
            for index in 0..<iterations {
                guard let root = JSON.parse(twins[index].view) else { continue }
                var members = JSONMembers(root)
                while let member = members.next() {
                    if member.key.equals("channel") || member.key.equals("data") || member.key.equals("message") {
                        sum &+= member.value.raw.count
                    }
                }
            }
            return sum
        }
    }
}
