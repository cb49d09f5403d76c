// The scripted kernel as its worker meets it: the calls of the contract, answered from the seed.

import ClarionBytes
import ClarionLoop
import Glibc

extension ScriptedKernel {
    func begin(_ options: BackendOptions) {
        self.options = options
        buffers = ScriptedBuffers(count: options.receiveBufferCount, byteCount: options.receiveBufferBytes)
        results = Array(repeating: 0, count: options.sendBatchMax)
    }

    /// The connection of a handle that the worker may use.
    func used(_ handle: Handle, _ call: String) -> ScriptedPeer? {
        guard handle >= 0, Int(handle) < open.count, let peer = open[Int(handle)] else {
            violate("\(call) of handle \(handle), which is free")
            return nil
        }
        if peer.node.isClosing {
            violate("\(call) of handle \(handle) after close")
            return nil
        }
        return peer
    }

    // MARK: Receiving

    func receive(_ handle: Handle, _ token: Token) {
        guard let peer = used(handle, "receive") else { return }
        if peer.node.isReading { violate("receive of handle \(handle), twice") }
        peer.node.token = token
        peer.node.isReading = true
    }

    func pause(_ handle: Handle) {
        guard let peer = used(handle, "pauseReceiving") else { return }
        peer.node.isPaused = true
        peer.node.lateCount = random.happens(odds.lateBytes) ? random.between(1, 2) : 0
    }

    func resume(_ handle: Handle) {
        used(handle, "resumeReceiving")?.node.isPaused = false
    }

    func recycle(_ buffer: UInt16) {
        if !buffers.giveBack(buffer) { violate("recycle of buffer \(buffer), which is not held") }
    }

    // MARK: Sending

    func queue(_ handle: Handle, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
        precondition(count > 0 && sends.count < options.sendBatchMax)
        if let peer = used(handle, "send") {
            if peer.node.sentInBatch == batchNumber { violate("two sends of handle \(handle) in one batch") }
            if peer.nodeHasEnded { violate("send of handle \(handle) after shutdownSending") }
            peer.node.sentInBatch = batchNumber
        }
        unsafe sends.append(QueuedSend(handle: handle, bytes: bytes, count: count))
        return sends.count - 1
    }

    func submit() {
        for (index, send) in sends.enumerated() {
            let result = take(send)
            results[index] = result
            if result < 0 { counters.refusedSends += 1 } else if Int(result) < send.count { counters.shortSends += 1 }
        }
        sends.removeAll(keepingCapacity: true)
        batchNumber += 1
        counters.systemCalls += 1
    }

    private func take(_ send: QueuedSend) -> Int32 {
        guard let peer = open[Int(send.handle)], !peer.nodeHasEnded else { return -EPIPE }
        if random.happens(odds.sendError) {
            peer.isReset = true
            peer.socket = []
        }
        if peer.isBroken { return random.below(2) == 0 ? -EPIPE : -ECONNRESET }
        if peer.roomBytes == 0 || random.happens(odds.refusedSend) { return -EAGAIN }
        var count = min(send.count, peer.roomBytes)
        if random.happens(odds.shortSend) { count = random.between(1, count) }
        unsafe peer.socket.append(contentsOf: UnsafeBufferPointer(start: send.bytes, count: count))
        return Int32(count)
    }

    func awaitWritable(_ handle: Handle) {
        guard let peer = used(handle, "awaitWritable") else { return }
        if peer.node.awaitsWritable { violate("awaitWritable of handle \(handle), twice") }
        peer.node.awaitsWritable = true
    }

    // MARK: Closing

    func shutdown(_ handle: Handle) {
        used(handle, "shutdownSending")?.nodeHasEnded = true
    }

    func close(_ handle: Handle, _ token: Token, reset: Bool) {
        guard let peer = used(handle, "close") else { return }
        peer.node.isClosing = true
        peer.node.closeToken = token
        peer.node.lateCount = random.happens(odds.lateBytes) ? random.between(1, 2) : 0
        peer.node.closingTurns = random.happens(odds.delay) ? random.below(4) : 0
        peer.nodeHasEnded = true
        if reset {
            peer.isReset = true
            peer.socket = []
        }
    }

    // MARK: A turn

    func turn(_ batch: UnsafeMutablePointer<Completion>, _ capacity: Int) -> Int {
        turnCount += 1
        counters.systemCalls += 1
        if !sends.isEmpty { violate("a turn with \(sends.count) sends that were not submitted") }
        for peer in peers where peer.readsAlways && !peer.socket.isEmpty {
            peer.drain(limit: odds.delay == 0 ? .max : random.between(1, peer.socket.count))
        }
        if acceptPauseTurns > 0 { acceptPauseTurns -= 1 }
        var count = 0
        // Whoever has something to tell does so in any order; one that has nothing more drops out.
        var willing: [ScriptedPeer] = []
        for case let peer? in open where !random.happens(odds.delay) { willing.append(peer) }
        var accepts = listener != nil && !random.happens(odds.delay)
        while count < capacity && (accepts || !willing.isEmpty) {
            let index = random.below(willing.count + (accepts ? 1 : 0))
            let completion: Completion?
            if index == willing.count {
                completion = acceptNext()
                if completion == nil { accepts = false }
            } else {
                completion = next(of: willing[index])
                if completion == nil || willing[index].isClosed || random.happens(odds.cut) {
                    willing.swapAt(index, willing.count - 1)
                    willing.removeLast()
                }
            }
            guard let completion else { continue }
            unsafe batch[count] = completion
            count += 1
        }
        return count
    }

    private func acceptNext() -> Completion? {
        guard let token = listener, acceptPauseTurns == 0, acceptAllowance > 0, !backlog.isEmpty else { return nil }
        if random.happens(odds.acceptFailure) {
            let errors = [EMFILE, ENFILE, ENOBUFS, ENOMEM]
            counters.acceptPaused += 1
            acceptPauseTurns = random.between(1, 5)
            return unsafe Completion(token: token, kind: .accepted, result: -errors[random.below(errors.count)])
        }
        guard openCount < options.connectionsMax else { return nil }
        let peer = backlog.removeFirst()
        if acceptAllowance != Int.max { acceptAllowance -= 1 }
        peer.isAccepted = true
        let handle = freeHandles.popLast() ?? Handle(open.count)
        if Int(handle) == open.count { open.append(nil) }
        open[Int(handle)] = peer
        peer.node.handle = handle
        return unsafe Completion(token: token, kind: .accepted, result: handle)
    }

    private func next(of peer: ScriptedPeer) -> Completion? {
        if peer.node.awaitsWritable && !peer.node.isClosing && random.below(2) == 0, let told = writable(peer) {
            return told
        }
        if let told = bytes(peer) { return told }
        if peer.node.isClosing { return closed(peer) }
        return peer.node.awaitsWritable ? writable(peer) : nil
    }

    private func writable(_ peer: ScriptedPeer) -> Completion? {
        guard peer.isBroken || isRoomy(peer) || random.happens(odds.spuriousWritable) else { return nil }
        peer.node.awaitsWritable = false
        return unsafe Completion(token: peer.node.token, kind: .writable, result: 0)
    }

    private func bytes(_ peer: ScriptedPeer) -> Completion? {
        guard peer.node.isReading else { return nil }
        if peer.node.isPaused || peer.node.isClosing {
            guard peer.node.lateCount > 0, !peer.inbound.isEmpty, buffers.freeCount > 0 else { return nil }
            peer.node.lateCount -= 1
            return piece(of: peer)
        }
        if peer.node.isStarved {
            guard buffers.isHalfFree else { return nil }
            peer.node.isStarved = false
        }
        if peer.hasReset && random.below(2) == 0 { peer.inbound = [] }
        if peer.isReset { peer.inbound = [] }
        if peer.inbound.isEmpty {
            guard peer.isBroken || peer.hasEnded else { return nil }
            peer.node.isReading = false
            return unsafe Completion(token: peer.node.token, kind: .received, result: peer.isBroken ? -ECONNRESET : 0)
        }
        if buffers.freeCount == 0 || random.happens(odds.noBuffers) {
            counters.receiveBuffersExhausted += 1
            peer.node.isStarved = true
            return nil
        }
        return piece(of: peer)
    }

    private func piece(of peer: ScriptedPeer) -> Completion {
        var count = min(peer.inbound.count, buffers.byteCount)
        if random.happens(odds.cut) { count = random.between(1, count) }
        let (buffer, start) = unsafe buffers.take(peer.inbound.prefix(count), &random)
        peer.inbound.removeFirst(count)
        return unsafe Completion(
            token: peer.node.token, kind: .received, result: Int32(count), buffer: buffer, bytes: start)
    }

    private func closed(_ peer: ScriptedPeer) -> Completion? {
        if peer.node.closingTurns > 0 {
            peer.node.closingTurns -= 1
            return nil
        }
        peer.isClosed = true
        open[Int(peer.node.handle)] = nil
        freeHandles.append(peer.node.handle)
        return unsafe Completion(token: peer.node.closeToken, kind: .closed, result: 0)
    }
}
