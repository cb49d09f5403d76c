import ClarionBytes

// Of the lowest floor: what mail, names and shared frames cost.

let bytesBodies: [BenchmarkBody] = [
    BenchmarkBody("bytes-mailbox", "node", iterations: 20_000) {
        // A worker posts a batch and another takes it: here sixteen at a time, one thread.
        let mailbox = UnsafeMutablePointer<Mailbox>.allocate(capacity: 1)
        unsafe mailbox.initialize(to: Mailbox())
        let nodes = UnsafeMutablePointer<MailNode>.allocate(capacity: mailboxBatch)
        for index in 0..<mailboxBatch { unsafe (nodes + index).initialize(to: MailNode()) }
        return { iterations in
            var taken = 0
            while taken < iterations {
                for index in 0..<mailboxBatch {
                    _ = unsafe mailbox.pointee.push(UnsafeMutableRawPointer(nodes + index))
                }
                while unsafe mailbox.pointee.pop() != nil { taken += 1 }
            }
            return taken
        }
    },
    BenchmarkBody("bytes-shared-frame-64", "frame", iterations: 20_000) {
        let name = StaticBytes("orders.42")
        let payload = StaticBytes(Inputs.ascii(66))
        return { iterations in
            var sum = 0
            for index in 0..<iterations {
                let frame = SharedFrame.make(
                    byteCount: payload.count, key: name.view, space: 1, hash: UInt64(truncatingIfNeeded: index))
                unsafe frame.bytes.update(from: payload.base, count: payload.count)
                frame.retain()
                unsafe sum &+= Int(frame.bytes[index & 63])
                frame.release()
                frame.release()
            }
            return sum
        }
    },
    BenchmarkBody("bytes-siphash-name", "name", iterations: 20_000) {
        let hash = SipHash(key0: 1, key1: 2)
        let name = StaticBytes("private-orders.customer.1234567")
        return { iterations in
            var sum: UInt64 = 0
            for index in 0..<iterations { sum &+= hash.hash(name.view, seed: UInt64(truncatingIfNeeded: index)) }
            return Int(truncatingIfNeeded: sum)
        }
    },
]

private let mailboxBatch = 16
