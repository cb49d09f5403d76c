import ClarionBytes
import ClarionLoop
import ClarionTransport
import ClarionWire

// What comes from a connection: bytes to frames to messages. Frames are read where they lie, in the backend's receive
// buffer; only what is cut by its end is copied.

extension Core {
    /// A new connection. nil when the worker is full, or its address is: the backend must close the handle.
    ///
    /// - Parameter address: whose it is; `.unknown` where nobody asked.
    func accept(_ handle: Int32, _ traits: ListenerTraits = [], from address: PeerAddress = .unknown) -> UInt32? {
        guard !isGraceOver, let slot = connections.take() else {
            if !isGraceOver { makeRoom() }
            counters.acceptsRefused += 1
            counters.closed[Int((isStopping ? CloseReason.shutdown : .nodeFull).rawValue)] += 1
            return nil
        }
        if knowsPeers, let reason = countPeer(slot, address) {
            connections.give(slot)
            counters.acceptsRefused += 1
            counters.closed[Int(reason.rawValue)] += 1
            return nil
        }
        let connection = unsafe connections[slot]
        unsafe connection.pointee.handle = handle
        unsafe connection.pointee.heardTick = nowTick
        unsafe connection.pointee.phaseTick = nowTick
        unsafe connection.pointee.controlTick = nowTick
        unsafe connection.pointee.controlTokens = UInt8(clamping: limits.controlFramesBurst)
        unsafe connection.pointee.orderHome = UInt8(workerIndex)
        unsafe connection.pointee.deflateMost = traits.deflateMost
        counters.connectionsAccepted += 1
        counters.connectionsOpen += 1
        if traits.contains(.secured) {
            unsafe connection.pointee.flags = [.secured, .handshaking]
            unsafe secureLinks[slot].pointee = SecureLink()
            setTimer(slot, at: nowTick + seconds(limits.handshakeSeconds))
        } else {
            setTimer(slot, at: nowTick + seconds(limits.headSeconds))
        }
        if saidFarewell { setTimerEarlier(slot, at: graceTick) }
        if knowsPeers { begin(slot, at: address, traits) }
        awaitIdentity(slot)
        return slot
    }

    /// The peer ended its side (0) or the connection failed (-errno).
    func receiveEnded(_ slot: UInt32, result: Int32) {
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.phase == .joining { return }
        if result < 0 { return terminate(slot, reason: .peerReset) }
        unsafe connection.pointee.flags.insert(.peerEnded)
        switch unsafe connection.pointee.phase {
        case .http:
            // An answer that is being made or sent still leaves, and those to the requests behind it: the peer may only
            // have shut its sending side.
            if unsafe connection.pointee.flags.isDisjoint(
                with: [.awaitingAnswer, .awaitingRouter, .hasOutbox, .hasSealed])
            {
                unsafe terminate(slot, reason: connection.pointee.requestCount > 0 ? .httpDone : .peerClosed)
            }
        case .open:
            // What it had sent before is still read; `resumeHeldInput` comes back here.
            if unsafe connection.pointee.flags.contains(.inputHeld) { return }
            terminate(slot, reason: .peerVanished)
        case .closing:
            unsafe connection.pointee.flags.insert(.closeFrameReceived)
            if unsafe !connection.pointee.flags.isDisjoint(with: .owed) {
                markDirty(slot)
            } else {
                terminate(slot, reason: .peerClosed)
            }
        case .lingering, .joining:
            terminate(slot, reason: .peerClosed)
        }
    }

    /// Bytes came. `bytes` may be changed (frames are unmasked in place).
    func receive(_ slot: UInt32, _ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        counters.bytesIn += UInt64(count)
        if unsafe !connections[slot].pointee.flags.isDisjoint(with: .guarded) {
            return unsafe receiveGuarded(slot, bytes, count: count)
        }
        unsafe receivePlain(slot, bytes, count: count)
    }

    /// Bytes of HTTP or WebSocket, as they lie in the socket's buffer or in that of TLS.
    func receivePlain(_ slot: UInt32, _ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        let connection = unsafe connections[slot]
        if unsafe !connection.pointee.flags.contains(.onlyPongsCount) { heard(slot) }
        if unsafe connection.pointee.phase == .http { return unsafe receiveRequest(slot, bytes, count: count) }
        if unsafe connection.pointee.flags.contains(.inputHeld) { return unsafe holdInput(slot, bytes, count: count) }
        unsafe receiveFrames(slot, bytes, count: count)
    }

    private func heard(_ slot: UInt32) {
        unsafe connections[slot].pointee.heardTick = nowTick
        unsafe connections[slot].pointee.flags.remove(.pinged)
    }

    // MARK: Input that waits for the order of publishes

    private func holdInput(_ slot: UInt32, _ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        guard let waiting = heldPublishes(of: slot) else { return }
        unsafe waiting.input.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
        pauseReading(slot)
    }

    func resumeHeldInput(_ slot: UInt32, _ input: [UInt8]) {
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.phase == .http { return }
        if !input.isEmpty {
            let before = counters.messagesIn
            defer { charge(slot, messages: counters.messagesIn &- before, bytes: 0) }
            var input = input
            unsafe input.withUnsafeMutableBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                unsafe receiveFrames(slot, base, count: buffer.count)
            }
        }
        if unsafe connection.pointee.flags.contains(.inputHeld) { return }
        if unsafe connection.pointee.flags.contains(.peerEnded) && connection.pointee.phase == .open {
            return terminate(slot, reason: .peerVanished)
        }
        resumeReading(slot)
    }

    func pauseReading(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.flags.contains(.readingPaused) || connection.pointee.phase == .joining { return }
        unsafe connection.pointee.flags.insert(.readingPaused)
        counters.readingPaused += 1
        command(.pauseReceiving, slot)
    }

    func resumeReading(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        if unsafe !connection.pointee.flags.contains(.readingPaused) || connection.pointee.phase == .joining { return }
        if isResting(slot) { return }
        unsafe connection.pointee.flags.remove(.readingPaused)
        command(.resumeReceiving, slot)
    }

    // MARK: Frames

    func receiveFrames(_ slot: UInt32, _ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        let connection = unsafe connections[slot]
        var position = 0
        while position < count {
            if unsafe connection.pointee.flags.contains(.deaf)
                || connection.pointee.phase.rawValue > Phase.closing.rawValue
            {
                return
            }
            if unsafe connection.pointee.flags.contains(.inputHeld) {
                return unsafe holdInput(slot, bytes + position, count: count - position)
            }
            if unsafe connection.pointee.flags.contains(.insideFrame) {
                unsafe position += receivePayload(slot, bytes + position, available: count - position)
                continue
            }
            guard let header = unsafe takeHeader(slot, bytes, count: count, position: &position) else { return }
            guard admit(header, slot) else { return }
            if header.payloadCount <= count - position, unsafe isWholeInPlace(header, connection.pointee) {
                let payload = unsafe bytes + position
                position += header.payloadCount
                unsafe Masking.apply(payload, count: header.payloadCount, key: header.maskKey, phase: 0)
                let view = unsafe ByteView(base: payload, count: header.payloadCount)
                if Opcode.isControl(header.opcode) {
                    if unsafe connection.pointee.fragmentCount == 0 { unsafe connection.pointee.messageTick = 0 }
                    receiveControl(slot, opcode: header.opcode, view)
                } else {
                    receiveWhole(slot, header, view)
                }
            } else {
                beginPayload(header, slot)
                if header.payloadCount == 0 { endFrame(slot) }
            }
        }
    }

    /// A control frame, or a message of one frame: nothing is in the making that it would have to join.
    private func isWholeInPlace(_ header: FrameHeader, _ connection: Connection) -> Bool {
        Opcode.isControl(header.opcode) || (header.isFinal && connection.fragmentCount == 0)
    }

    /// The next frame head, from what was kept and what is there. nil: not whole yet, or a fault (then all is said).
    private func takeHeader(
        _ slot: UInt32, _ bytes: UnsafeMutablePointer<UInt8>, count: Int, position: inout Int
    ) -> FrameHeader? {
        let connection = unsafe connections[slot]
        let kept = unsafe Int(connection.pointee.headCount)
        if kept == 0 {
            switch unsafe FrameHeader.parse(
                bytes + position, count: count - position, fromClient: true, rsv1Allowed: mayBeDeflated(slot))
            {
            case .header(let header):
                position += header.headerCount
                return header
            case .fault(let fault):
                failFrame(slot, fault)
                return nil
            case .needMore:
                break
            }
        }
        // Cut by the end of a read: byte by byte until it is whole.
        while unsafe position < count && Int(connection.pointee.headCount) < FrameHeader.headerCountMax {
            unsafe connection.pointee.head[Int(connection.pointee.headCount)] = unsafe bytes[position]
            unsafe connection.pointee.headCount += 1
            position += 1
            if unsafe connection.pointee.messageTick == 0 { beginMessageDeadline(slot) }
            let head = unsafe connection.pointee.head
            let result = unsafe withUnsafeBytes(of: head) { raw -> FrameHeaderResult in
                guard let base = raw.baseAddress else { return .needMore }
                return unsafe FrameHeader.parse(
                    base.assumingMemoryBound(to: UInt8.self), count: Int(connection.pointee.headCount),
                    fromClient: true,
                    rsv1Allowed: mayBeDeflated(slot))
            }
            switch result {
            case .header(let header):
                unsafe connection.pointee.headCount = 0
                return header
            case .fault(let fault):
                failFrame(slot, fault)
                return nil
            case .needMore:
                continue
            }
        }
        return nil
    }

    private func mayBeDeflated(_ slot: UInt32) -> Bool { unsafe connections[slot].pointee.flags.contains(.deflates) }

    private func failFrame(_ slot: UInt32, _ fault: FrameFault) {
        if fault.closeCode == .messageTooBig {
            fail(slot, reason: .messageTooBig, code: .messageTooBig, text: "message too big")
        } else {
            fail(slot, reason: .protocolError, code: .protocolError, text: FrameFaultText.of(fault))
        }
    }

    /// Rules between frames, and the bounds; all before anything is reserved. False: refused, and said so.
    private func admit(_ header: FrameHeader, _ slot: UInt32) -> Bool {
        let connection = unsafe connections[slot]
        if Opcode.isControl(header.opcode) {
            if unsafe connection.pointee.flags.contains(.closeFrameReceived) { return true }
            if header.opcode != Opcode.close && !takeControlToken(slot) {
                fail(slot, reason: .controlFlood, code: .policyViolation, text: "too many control frames")
                return false
            }
            return true
        }
        if unsafe connection.pointee.flags.contains(.closing) { return true }
        let isInside = unsafe connection.pointee.fragmentCount > 0
        if (header.opcode == Opcode.continuation) != isInside {
            fail(
                slot, reason: .protocolError, code: .protocolError,
                text: isInside ? "a message inside a message" : "a continuation of nothing")
            return false
        }
        let known = unsafe isInside ? Int(connection.pointee.messageCount) : 0
        let isDeflated =
            isInside ? unsafe connection.pointee.flags.contains(.messageIsDeflated) : header.rsv == FrameHeader.rsv1
        var bytesMax = unsafe Int(connection.pointee.messageBytesMax)
        if isDeflated { bytesMax = Core.deflatedBytesMax(bytesMax) }
        if header.payloadCount > bytesMax - known {
            fail(slot, reason: .messageTooBig, code: .messageTooBig, text: "Maximum message size exceeded")
            return false
        }
        if unsafe Int(connection.pointee.fragmentCount) >= fragmentsMax(connection.pointee.messageBytesMax) {
            fail(slot, reason: .tooManyFragments, code: .messageTooBig, text: "too many fragments")
            return false
        }
        return true
    }

    /// Messages of a large bound may come in proportionally more frames.
    private func fragmentsMax(_ messageBytesMax: UInt32) -> Int {
        max(limits.fragmentsMax, Int(messageBytesMax) / Core.fragmentBytesMin)
    }

    /// Fragments of this size and more are never too many.
    private static let fragmentBytesMin = 64

    func takeControlToken(_ slot: UInt32) -> Bool {
        let connection = unsafe connections[slot]
        let elapsed = unsafe nowTick &- connection.pointee.controlTick
        let refill = Int(elapsed) * limits.controlFramesPerSecond / Int(Clock.ticksPerSecond)
        if refill > 0 {
            unsafe connection.pointee.controlTick = nowTick
            let tokens = unsafe min(Int(connection.pointee.controlTokens) + refill, limits.controlFramesBurst)
            unsafe connection.pointee.controlTokens = UInt8(clamping: tokens)
        }
        if unsafe connection.pointee.controlTokens == 0 { return false }
        unsafe connection.pointee.controlTokens -= 1
        return true
    }

    // MARK: Payloads that come in parts

    private func beginPayload(_ header: FrameHeader, _ slot: UInt32) {
        let connection = unsafe connections[slot]
        unsafe connection.pointee.flags.insert(.insideFrame)
        if header.isFinal {
            unsafe connection.pointee.flags.insert(.frameIsFinal)
        } else {
            unsafe connection.pointee.flags.remove(.frameIsFinal)
        }
        unsafe connection.pointee.frameRemaining = UInt64(header.payloadCount)
        unsafe connection.pointee.maskKey = header.maskKey
        unsafe connection.pointee.maskPhase = 0
        unsafe connection.pointee.frameOpcode = header.opcode
        if Opcode.isControl(header.opcode) {
            unsafe connection.pointee.controlCount = 0
        } else {
            if unsafe connection.pointee.fragmentCount == 0 {
                unsafe connection.pointee.messageOpcode = header.opcode
                unsafe connection.pointee.messageCount = 0
                unsafe connection.pointee.utf8 = UTF8Stream()
                unsafe connection.pointee.flags.remove(.messageIsDeflated)
                if header.rsv == FrameHeader.rsv1 { unsafe connection.pointee.flags.insert(.messageIsDeflated) }
            }
            unsafe connection.pointee.fragmentCount += 1
        }
        if unsafe connection.pointee.messageTick == 0 { beginMessageDeadline(slot) }
    }

    private func beginMessageDeadline(_ slot: UInt32) {
        unsafe connections[slot].pointee.messageTick = max(nowTick, 1)
        setTimerEarlier(slot, at: nowTick + seconds(limits.messageSeconds))
    }

    /// Takes what is there of the payload at hand. Returns how many bytes.
    private func receivePayload(_ slot: UInt32, _ bytes: UnsafeMutablePointer<UInt8>, available: Int) -> Int {
        let connection = unsafe connections[slot]
        let count = unsafe Int(min(UInt64(available), connection.pointee.frameRemaining))
        unsafe Masking.apply(
            bytes, count: count, key: connection.pointee.maskKey, phase: Int(connection.pointee.maskPhase))
        unsafe connection.pointee.maskPhase = unsafe UInt8((Int(connection.pointee.maskPhase) + count) & 3)
        unsafe connection.pointee.frameRemaining -= UInt64(count)
        if unsafe Opcode.isControl(connection.pointee.frameOpcode) {
            let used = unsafe Int(connection.pointee.controlCount)
            unsafe pool.grow(&connection.pointee.scrap, used: used, to: FrameHeader.controlPayloadCountMax)
            if let base = unsafe connection.pointee.scrap.base {
                unsafe (base + used).update(from: bytes, count: count)
            }
            unsafe connection.pointee.controlCount += UInt8(count)
        } else if unsafe !connection.pointee.flags.contains(.closing) {
            if unsafe connection.pointee.messageOpcode == Opcode.text,
                unsafe !connection.pointee.flags.contains(.messageIsDeflated),
                unsafe !connection.pointee.utf8.consume(bytes, count: count)
            {
                fail(slot, reason: .invalidUTF8, code: .invalidPayload, text: "text is not UTF-8")
                return count
            }
            let used = unsafe Int(connection.pointee.messageCount)
            unsafe pool.grow(&connection.pointee.message, used: used, to: used + count)
            if let base = unsafe connection.pointee.message.base {
                unsafe (base + used).update(from: bytes, count: count)
            }
            unsafe connection.pointee.messageCount += UInt32(count)
        }
        if unsafe connection.pointee.frameRemaining == 0 { endFrame(slot) }
        return count
    }

    private func endFrame(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        unsafe connection.pointee.flags.remove(.insideFrame)
        if unsafe Opcode.isControl(connection.pointee.frameOpcode) {
            var block = unsafe connection.pointee.scrap
            unsafe connection.pointee.scrap = Block()
            let count = unsafe Int(connection.pointee.controlCount)
            if unsafe connection.pointee.fragmentCount == 0 { unsafe connection.pointee.messageTick = 0 }
            let payload = unsafe block.base.map { unsafe ByteView(base: $0, count: count) } ?? ByteView("")
            unsafe receiveControl(slot, opcode: connection.pointee.frameOpcode, payload)
            pool.give(&block)
            return
        }
        guard unsafe connection.pointee.flags.contains(.frameIsFinal) else { return }
        // The message is whole. Its memory is taken out first: the handler may close the connection.
        var block = unsafe connection.pointee.message
        let count = unsafe Int(connection.pointee.messageCount)
        unsafe connection.pointee.message = Block()
        unsafe connection.pointee.messageCount = 0
        unsafe connection.pointee.fragmentCount = 0
        unsafe connection.pointee.messageTick = 0
        let isText = unsafe connection.pointee.messageOpcode == Opcode.text
        if unsafe !connection.pointee.flags.contains(.closing) {
            let payload = unsafe block.base.map { unsafe ByteView(base: $0, count: count) } ?? ByteView("")
            if unsafe connection.pointee.flags.contains(.messageIsDeflated) {
                unsafe receiveDeflated(slot, opcode: connection.pointee.messageOpcode, payload)
            } else if unsafe isText && !connection.pointee.utf8.isComplete {
                fail(slot, reason: .invalidUTF8, code: .invalidPayload, text: "text is not UTF-8")
            } else {
                unsafe hand(slot, opcode: connection.pointee.messageOpcode, payload)
            }
        }
        pool.give(&block)
    }

    // MARK: Whole messages

    private func receiveWhole(_ slot: UInt32, _ header: FrameHeader, _ payload: ByteView) {
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.headCount == 0 { unsafe connection.pointee.messageTick = 0 }
        if unsafe connection.pointee.flags.contains(.closing) { return }
        if header.rsv == FrameHeader.rsv1 { return receiveDeflated(slot, opcode: header.opcode, payload) }
        handWhole(slot, opcode: header.opcode, payload)
    }

    /// A whole message, as its sender wrote it.
    func handWhole(_ slot: UInt32, opcode: UInt8, _ payload: ByteView) {
        if unsafe opcode == Opcode.text && !UTF8Stream.isValid(payload.base, count: payload.count) {
            return fail(slot, reason: .invalidUTF8, code: .invalidPayload, text: "text is not UTF-8")
        }
        hand(slot, opcode: opcode, payload)
    }

    private func hand(_ slot: UInt32, opcode: UInt8, _ payload: ByteView) {
        counters.messagesIn += 1
        let handler = unsafe handlers[Int(connections[slot].pointee.handler)]
        handler.received(payload, opcode: opcode, Session(core: self, slot: slot))
    }

    private func receiveControl(_ slot: UInt32, opcode: UInt8, _ payload: ByteView) {
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.flags.contains(.closeFrameReceived) { return }
        if opcode == Opcode.pong {
            heard(slot)
            return
        }
        if opcode == Opcode.ping {
            // While a close is under way, or an earlier pong still waits, none is owed (RFC 6455 section 5.5.3).
            if unsafe !connection.pointee.flags.contains(.closing), pongMayWait(slot) {
                sendControl(slot, opcode: Opcode.pong, payload: payload)
            }
            return
        }
        receiveClose(slot, payload)
    }

    /// Pongs wait in the outbox; behind a reader that is blocked only as many as one block of memory holds.
    private func pongMayWait(_ slot: UInt32) -> Bool {
        let connection = unsafe connections[slot]
        let waiting = unsafe Int(connection.pointee.outboxEnd - connection.pointee.outboxStart)
        return unsafe !connection.pointee.flags.contains(.blocked)
            || waiting + FrameHeader.controlPayloadCountMax + 2 <= BlockPool.smallestBytes
    }

    private func receiveClose(_ slot: UInt32, _ payload: ByteView) {
        let connection = unsafe connections[slot]
        if unsafe connection.pointee.flags.contains(.closing) {
            // The answer to ours.
            unsafe connection.pointee.flags.insert([.closeFrameReceived, .deaf])
            return markDirty(slot)
        }
        switch ClosePayload.parse(payload) {
        case .refused(let code):
            let isText = code == .invalidPayload
            fail(
                slot, reason: isText ? .invalidUTF8 : .protocolError, code: code,
                text: isText ? "close reason is not UTF-8" : "close code not allowed")
        case .empty:
            close(slot, reason: .peerClosed, code: nil, text: "")
        case .code(let code, _):
            close(slot, reason: .peerClosed, code: code, text: "")
        }
        unsafe connection.pointee.flags.insert([.closeFrameReceived, .deaf])
    }
}
