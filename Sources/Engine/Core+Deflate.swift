import ClarionBytes
import ClarionWire
import Synchronization

// permessage-deflate: what is agreed on, messages that stand alone, and contexts of connections. What readers of a
// channel get is in Core+Windows.swift.

extension Core {
    // MARK: Agreeing

    /// What a connection and its client agree on; nil when that is nothing.
    func agreeOnDeflate(_ slot: UInt32, _ head: HTTPHead) -> DeflateAgreement? {
        let mode = unsafe min(limits.deflate.mode, connections[slot].pointee.deflateMost)
        if mode == .off { return nil }
        guard let offer = DeflateOffer.first(in: head) else { return nil }
        let agreement =
            mode == .dedicated && memoryLevel < .contexts
            ? agreeOnContext(slot, offer) : DeflateAgreement.shared(offer, windows: DeflateWindow.all)
        let connection = unsafe connections[slot]
        unsafe connection.pointee.flags.insert(.deflates)
        unsafe connection.pointee.window = DeflateWindow.classOf(agreement.serverWindowBits)
        counters.deflateAgreements += 1
        counters.deflateConnections += 1
        return agreement
    }

    /// A context, if the budget has room for it.
    private func agreeOnContext(_ slot: UInt32, _ offer: DeflateOffer) -> DeflateAgreement {
        let options = limits.deflate
        let agreement = DeflateAgreement.dedicated(offer, windowBits: options.contextWindowBits)
        var context = DeflateContext()
        context.serverWindowBits = UInt8(agreement.serverWindowBits)
        context.clientWindowBits = UInt8(agreement.clientWindowBits)
        context.clientTakesOver = agreement.clientTakesOver
        if agreement.serverTakesOver {
            context.reservedBytes += DeflateEncoder.byteCount(
                windowBits: agreement.serverWindowBits, memoryLevel: options.contextMemoryLevel)
        }
        if agreement.clientTakesOver {
            context.reservedBytes += DeflateDecoder.byteCount(windowBits: agreement.clientWindowBits)
        }
        let isWithin =
            exchange.deflateBytes.wrappingAdd(context.reservedBytes, ordering: .relaxed).newValue
            <= options.contextBytesMax
        guard context.reservedBytes > 0, isWithin, let index = deflate.contexts.take() else {
            exchange.deflateBytes.wrappingSubtract(context.reservedBytes, ordering: .relaxed)
            if context.reservedBytes > 0 { counters.deflateContextsRefused += 1 }
            return DeflateAgreement.shared(offer, windows: DeflateWindow.all)
        }
        unsafe deflate.contexts[index].pointee = context
        unsafe connections[slot].pointee.context = index
        if agreement.serverTakesOver { unsafe connections[slot].pointee.flags.insert(.dedicated) }
        counters.deflateContexts += 1
        counters.deflateContextBytes += UInt64(context.reservedBytes)
        return agreement
    }

    /// Called when a connection ends: its context goes.
    func endDeflate(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        guard unsafe connection.pointee.flags.contains(.deflates) else { return }
        unsafe connection.pointee.flags.remove([.deflates, .dedicated])
        counters.deflateConnections -= 1
        let index = unsafe connection.pointee.context
        if index == Connection.noContext { return }
        unsafe connection.pointee.context = Connection.noContext
        let context = unsafe deflate.contexts[index].pointee
        if let encoder = context.encoder {
            deflate.giveContextEncoder(encoder, windowBits: Int(context.serverWindowBits), limits.deflate)
        }
        context.decoder?.free()
        exchange.deflateBytes.wrappingSubtract(context.reservedBytes, ordering: .relaxed)
        counters.deflateContexts -= 1
        counters.deflateContextBytes -= UInt64(context.reservedBytes)
        deflate.contexts.give(index)
    }

    /// About once a second: some contexts are asked whether they idle; then their encoder goes to others. What was sent
    /// stays readable: a message that refers to nothing is always right.
    func releaseIdleContexts() {
        _ = releaseContexts(
            idleTicks: seconds(limits.deflate.contextIdleSeconds), atMost: Core.contextsAskedAtOnce)
    }

    /// Gives back encoders of contexts that were not used for so long. Returns how many.
    func releaseContexts(idleTicks: UInt32, atMost most: Int) -> Int {
        let touched = UInt32(deflate.contexts.touched)
        if touched == 0 { return 0 }
        var left = min(most, Int(touched))
        var count = 0
        while left > 0 {
            left -= 1
            if deflate.nextIdle >= touched { deflate.nextIdle = 0 }
            let index = deflate.nextIdle
            deflate.nextIdle += 1
            if !deflate.contexts.isInUse(index) { continue }
            let context = unsafe deflate.contexts[index]
            guard let encoder = unsafe context.pointee.encoder else { continue }
            if unsafe nowTick &- context.pointee.lastUsedTick < idleTicks { continue }
            count += 1
            unsafe context.pointee.encoder = nil
            unsafe context.pointee.topic = .none
            unsafe deflate.giveContextEncoder(
                encoder, windowBits: Int(context.pointee.serverWindowBits), limits.deflate)
        }
        return count
    }

    private static let contextsAskedAtOnce = 4096

    // MARK: Frames

    /// Whether a message of so many bytes is compressed at all, and within one turn.
    func isWorthDeflating(_ count: Int) -> Bool { count >= max(limits.deflate.messageBytesMin, 1) }
    func isDeflatedAtOnce(_ count: Int) -> Bool { count <= limits.deflate.sliceBytes }

    /// Compresses a message into a frame at the end of `deflate.output`: where it lies there; nil when it would not be
    /// smaller. The encoder is one with nothing in it, or that of a context.
    func appendDeflated(_ payload: ByteView, opcode: UInt8, _ encoder: DeflateEncoder) -> Range<Int>? {
        let start = deflate.output.count
        _ = unsafe deflate.output.reserve(FrameHeader.headerCountMax)
        deflate.output.advance(by: FrameHeader.headerCountMax)
        counters.deflated += 1
        counters.deflatedBytesIn += UInt64(payload.count)
        if !encoder.append(payload, countMax: payload.count - 1, to: &deflate.output) {
            deflate.output.truncate(to: start)
            counters.deflatedInVain += 1
            counters.deflatedBytesOut += UInt64(payload.count)
            return nil
        }
        let bodyStart = start + FrameHeader.headerCountMax
        let count = deflate.output.count - bodyStart
        counters.deflatedBytesOut += UInt64(count)
        let headerCount = FrameWriter.headerCount(payloadCount: count, masked: false)
        unsafe FrameWriter.writeHeader(
            opcode: opcode, isFinal: true, rsv1: true, payloadCount: count, maskKey: nil,
            to: deflate.output.base + bodyStart - headerCount)
        return bodyStart - headerCount..<deflate.output.count
    }

    /// A message that stands alone, for readers of one window.
    func appendDeflated(_ payload: ByteView, opcode: UInt8, window: UInt8) -> Range<Int>? {
        let kind = DeflateState.Kind.of(payloadCount: payload.count, window: window)
        guard let encoder = deflate.encoder(kind, level: limits.deflate.level) else { return nil }
        return appendDeflated(payload, opcode: opcode, encoder)
    }

    /// A message in the context of a connection. nil: it goes plain.
    func appendInContext(_ slot: UInt32, _ payload: ByteView, opcode: UInt8, topic: DeflateTopic) -> Range<Int>? {
        let context = unsafe deflate.contexts[connections[slot].pointee.context]
        unsafe context.pointee.lastUsedTick = nowTick
        if unsafe context.pointee.encoder == nil {
            // What was given back is not taken again while memory is short: a message that refers to nothing is right
            // for every reader.
            if memoryLevel >= .contexts {
                return unsafe appendDeflated(payload, opcode: opcode, window: connections[slot].pointee.window)
            }
            unsafe context.pointee.encoder = unsafe deflate.takeContextEncoder(
                windowBits: Int(context.pointee.serverWindowBits), limits.deflate)
            unsafe context.pointee.topic = topic
        }
        guard let encoder = unsafe context.pointee.encoder else { return nil }
        if unsafe context.pointee.topic != topic {
            encoder.reset()
            unsafe context.pointee.topic = topic
        }
        if let range = appendDeflated(payload, opcode: opcode, encoder) { return range }
        // It has seen what the peer will not.
        encoder.reset()
        return nil
    }

    /// What was sent to a connection was compressed elsewhere: the peer's window and the context have parted.
    func leaveContext(_ slot: UInt32) {
        unsafe deflate.contexts[connections[slot].pointee.context].pointee.topic = .none
    }

    /// The frame of a reply that is compressed, at the end of `deflate.output`; nil: it goes plain.
    func appendDeflatedReply(_ slot: UInt32, opcode: UInt8, payload: ByteView) -> Range<Int>? {
        let flags = unsafe connections[slot].pointee.flags
        guard flags.contains(.deflates), !Opcode.isControl(opcode), isWorthDeflating(payload.count),
            isDeflatedAtOnce(payload.count)
        else { return nil }
        if flags.contains(.dedicated) { return appendInContext(slot, payload, opcode: opcode, topic: .replies) }
        return unsafe appendDeflated(payload, opcode: opcode, window: connections[slot].pointee.window)
    }

    // MARK: What comes in

    /// A whole message, compressed. Its bytes are inflated under the connection's bound on messages.
    func receiveDeflated(_ slot: UInt32, opcode: UInt8, _ payload: ByteView) {
        guard let decoder = decoder(of: slot) else {
            return fail(slot, reason: .nodeFull, code: .tryAgainLater, text: "no memory to inflate")
        }
        var block = Block()
        let limit = unsafe Int(connections[slot].pointee.messageBytesMax)
        counters.inflated += 1
        counters.inflatedBytesIn += UInt64(payload.count)
        switch decoder.inflate(payload, limit: limit, into: &block, pool: &pool) {
        case .message(let count):
            counters.inflatedBytesOut += UInt64(count)
            let view = unsafe block.base.map { unsafe ByteView(base: $0, count: count) } ?? ByteView("")
            handWhole(slot, opcode: opcode, view)
        case .tooBig:
            fail(slot, reason: .messageTooBig, code: .messageTooBig, text: "Maximum message size exceeded")
        case .malformed:
            fail(slot, reason: .malformedDeflate, code: .invalidPayload, text: "not deflate data")
        }
        pool.give(&block)
    }

    /// The connection's own decoder if its messages refer to each other, else that of the worker, emptied.
    private func decoder(of slot: UInt32) -> DeflateDecoder? {
        let index = unsafe connections[slot].pointee.context
        if index == Connection.noContext { return deflate.sharedDecoder() }
        let context = unsafe deflate.contexts[index]
        if unsafe !context.pointee.clientTakesOver { return deflate.sharedDecoder() }
        if unsafe context.pointee.decoder == nil {
            unsafe context.pointee.decoder = unsafe DeflateDecoder(windowBits: Int(context.pointee.clientWindowBits))
        }
        return unsafe context.pointee.decoder
    }

    /// How many bytes a compressed message may have whose inflated ones are bounded: data that does not shrink grows a
    /// little.
    static func deflatedBytesMax(_ messageBytesMax: Int) -> Int { messageBytesMax + messageBytesMax / 8 + 64 }
}
