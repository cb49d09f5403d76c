import ClarionBytes
import ClarionLoop
import ClarionWire

/// A body that comes in chunks.
final class ChunkedRequest {
    var decoder: ChunkedBody
    var body = ByteBuffer(capacity: 1024)
    var isDone = false

    init(bodyBytesMax: Int) { decoder = ChunkedBody(bodyBytesMax: bodyBytesMax) }
}

// HTTP: one request at a time on a connection; the next is looked at when the answer has left.

extension Core {
    func receiveRequest(_ slot: UInt32, _ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        let connection = unsafe connections[slot]
        let used = unsafe Int(connection.pointee.messageCount)
        if unsafe used == 0 && connection.pointee.requestCount > 0 && !isAnswering(slot) {
            unsafe connection.pointee.phaseTick = nowTick
            setTimerEarlier(slot, at: nowTick + seconds(limits.headSeconds))
        }
        unsafe append(slot, bytes, count: count)
        if isAnswering(slot) {
            let waiting = unsafe connection.pointee.messageCount - connection.pointee.messageStart
            if waiting > TurnLimits.pipelinedBytesMax { pauseReading(slot) }
            return
        }
        readRequest(slot)
    }

    /// Adds to what is there of requests; what was handed on makes room first.
    private func append(_ slot: UInt32, _ bytes: UnsafePointer<UInt8>, count: Int) {
        let connection = unsafe connections[slot]
        let start = unsafe Int(connection.pointee.messageStart)
        var used = unsafe Int(connection.pointee.messageCount)
        if start > 0, unsafe used + count > Int(connection.pointee.message.capacity),
            let base = unsafe connection.pointee.message.base
        {
            used -= start
            unsafe memmoveBytes(to: base, from: base + start, count: used)
            unsafe connection.pointee.messageStart = 0
        }
        unsafe pool.grow(&connection.pointee.message, used: used, to: used + count)
        if let base = unsafe connection.pointee.message.base { unsafe (base + used).update(from: bytes, count: count) }
        unsafe connection.pointee.messageCount = UInt32(used + count)
    }

    private func isAnswering(_ slot: UInt32) -> Bool {
        let flags = unsafe connections[slot].pointee.flags
        return !flags.isDisjoint(with: [.awaitingAnswer, .awaitingRouter])
            || flags.contains(.hasOutbox) && !flags.contains(.continued)
    }

    /// Looks at what is there of a request; hands it on when it is whole.
    func readRequest(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        guard let block = unsafe connection.pointee.message.base, unsafe connection.pointee.messageCount > 0 else {
            return
        }
        let base = unsafe block + Int(connection.pointee.messageStart)
        let count = unsafe Int(connection.pointee.messageCount - connection.pointee.messageStart)
        switch unsafe HTTPHead.parse(base, count: count, limits: httpLimits) {
        case .needMore:
            return
        case .refused(let status, let reason):
            refuseRequest(slot, status: status, text: reason, reason: .badRequest)
        case .head(let head):
            endAwaitingIdentity(slot)
            switch Upgrade.judge(head) {
            case .accept(let key):
                upgrade(slot, head, key)
            case .refuse(let status, let reason):
                refuseRequest(slot, status: status, text: reason, reason: .badRequest)
            case .notAnUpgrade:
                unsafe readBody(slot, head, base, count: count)
            }
        }
    }

    private func readBody(_ slot: UInt32, _ head: HTTPHead, _ base: UnsafeMutablePointer<UInt8>, count: Int) {
        let bodyMax: Int
        switch router?.admit(head, Session(core: self, slot: slot)) ?? .refuse(status: 404, text: "Not found.") {
        case .refuse(let status, let text):
            return refuseRequest(slot, status: status, text: text, reason: .badRequest)
        case .later(let seconds):
            return awaitRouter(slot, seconds: seconds)
        case .atMost(let bytes):
            bodyMax = bytes
        }
        if head.isChunked { return readChunks(slot, head, bodyMax: bodyMax) }
        let length = head.contentLength ?? 0
        if length > bodyMax { return refusePayload(slot, size: length, bodyMax: bodyMax) }
        if count - head.headByteCount < length { return askToContinue(slot, head) }
        let body = unsafe ByteView(base: base + head.headByteCount, count: length)
        hand(slot, head, body: body, consumed: head.headByteCount + length)
    }

    private func askToContinue(_ slot: UInt32, _ head: HTTPHead) {
        if unsafe !head.expectsContinue || connections[slot].pointee.flags.contains(.continued) { return }
        unsafe connections[slot].pointee.flags.insert(.continued)
        enqueue(slot, ByteView("HTTP/1.1 100 Continue\r\n\r\n"))
    }

    /// The bytes behind the head go through the decoder as they come; only the head stays.
    private func readChunks(_ slot: UInt32, _ head: HTTPHead, bodyMax: Int) {
        let connection = unsafe connections[slot]
        guard let base = unsafe connection.pointee.message.base else { return }
        let request = chunkedRequests[slot] ?? ChunkedRequest(bodyBytesMax: bodyMax)
        chunkedRequests[slot] = request
        let start = unsafe Int(connection.pointee.messageStart) + head.headByteCount
        let available = unsafe Int(connection.pointee.messageCount) - start
        switch unsafe request.decoder.decode(base + start, count: available, into: &request.body) {
        case .refused(let status):
            chunkedRequests[slot] = nil
            if status == 413 { return refusePayload(slot, size: nil, bodyMax: bodyMax) }
            refuseRequest(slot, status: status, text: "The chunked body is not correct.", reason: .badRequest)
        case .needMore:
            unsafe connection.pointee.messageCount = UInt32(start)
            askToContinue(slot, head)
        case .done(let consumed):
            chunkedRequests[slot] = nil
            hand(slot, head, body: request.body.view, consumed: head.headByteCount + consumed)
        }
    }

    private func refusePayload(_ slot: UInt32, size: Int?, bodyMax: Int) {
        var text = "Payload too large. The body may have \(bodyMax) bytes"
        if let size { text += "; this one has \(size)" }
        text += "."
        refuse(slot, status: 413, text: text, reason: .badRequest)
    }

    private func hand(_ slot: UInt32, _ head: HTTPHead, body: ByteView, consumed: Int) {
        if head.method == "POST" && turnsAwayForMemory() {
            return refuseRequest(slot, status: 503, text: "The node is full.", reason: .nodeFull)
        }
        if !takesInput || isRefusedWhileDraining(head.method) {
            return refuseRequest(slot, status: 503, text: "The node stops.", reason: .shutdown)
        }
        let connection = unsafe connections[slot]
        counters.requests += 1
        counters.requestBytes &+= UInt64(head.headByteCount + body.count)
        unsafe connection.pointee.flags.insert(.awaitingAnswer)
        unsafe connection.pointee.flags.remove([.continued, .headOnly])
        if !head.keepsAlive || isLeaving { unsafe connection.pointee.flags.insert(.closeAfterAnswer) }
        if head.method == "HEAD" { unsafe connection.pointee.flags.insert(.headOnly) }
        unsafe connection.pointee.phaseTick = nowTick
        setTimer(slot, at: nowTick + seconds(limits.idleSeconds))
        // The router reads head and body where they lie; the block is out of the connection meanwhile.
        var block = unsafe connection.pointee.message
        let start = unsafe Int(connection.pointee.messageStart) + consumed
        let count = unsafe Int(connection.pointee.messageCount)
        unsafe connection.pointee.message = Block()
        unsafe connection.pointee.messageCount = 0
        unsafe connection.pointee.messageStart = 0
        router?.request(head, body: body, Session(core: self, slot: slot))
        // A connection that was ended meanwhile has given up its memory; what is left of the block is ours.
        if start < count, unsafe connection.pointee.phase == .http {
            unsafe connection.pointee.message = block
            unsafe connection.pointee.messageCount = UInt32(count)
            unsafe connection.pointee.messageStart = UInt32(start)
        } else {
            pool.give(&block)
        }
    }

    // MARK: Requests that wait for the router

    /// Nothing of the request is used up; what comes behind it waits too.
    private func awaitRouter(_ slot: UInt32, seconds count: Int) {
        unsafe connections[slot].pointee.flags.insert(.awaitingRouter)
        setTimer(slot, at: nowTick + max(seconds(count), 1))
    }

    /// The router knows more now: what waits on this connection is looked at again. Ignored when the connection is
    /// gone or waits no more.
    public func lookAgain(_ ticket: SessionTicket) {
        precondition(ticket.worker == workerIndex)
        if connections.generation(of: ticket.slot) == ticket.generation { lookAgain(ticket.slot) }
    }

    func lookAgain(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        guard unsafe connection.pointee.phase == .http, unsafe connection.pointee.flags.contains(.awaitingRouter) else {
            return
        }
        unsafe connection.pointee.flags.remove(.awaitingRouter)
        unsafe connection.pointee.phaseTick = nowTick
        setTimer(slot, at: nowTick + seconds(limits.headSeconds))
        readRequest(slot)
        if isAnswering(slot) { return }
        readOn(slot)
    }

    /// Nothing whole is left: more is read, or, when the peer has ended, there is no more.
    private func readOn(_ slot: UInt32) {
        if unsafe connections[slot].pointee.flags.contains(.peerEnded) {
            if unsafe connections[slot].pointee.phase == .http { terminate(slot, reason: .httpDone) }
        } else {
            resumeReading(slot)
        }
    }

    // MARK: Upgrade

    private func upgrade(_ slot: UInt32, _ head: HTTPHead, _ key: InlineArray<28, UInt8>) {
        let connection = unsafe connections[slot]
        if turnsAwayForMemory() {
            return refuseRequest(slot, status: 503, text: "The node is full.", reason: .nodeFull)
        }
        if isStopping || isLeaving && !drain.hasSuccessor {
            return refuseRequest(slot, status: 503, text: "The node stops.", reason: .shutdown)
        }
        if head.contentLength ?? 0 > 0 || head.isChunked {
            return refuseRequest(slot, status: 400, text: "An upgrade has no body.", reason: .badRequest)
        }
        if refusesClient(slot, head) { return }
        let decision =
            router?.upgrade(head, Session(core: self, slot: slot)) ?? .refuse(status: 404, text: "Not found.")
        switch decision {
        case .refuse(let status, let text):
            refuseRequest(slot, status: status, text: text, reason: status == 403 ? .originRefused : .badRequest)
        case .abort:
            terminate(slot, reason: .originRefused, reset: true)
        case .later(let seconds):
            awaitRouter(slot, seconds: seconds)
        case .accept(let handler, let state, let messageBytesMax, let liveness):
            var block = unsafe connection.pointee.message
            let start = unsafe Int(connection.pointee.messageStart) + head.headByteCount
            let rest = unsafe Int(connection.pointee.messageCount) - start
            unsafe connection.pointee.message = Block()
            unsafe connection.pointee.messageCount = 0
            unsafe connection.pointee.messageStart = 0
            scratch.removeAll()
            Upgrade.appendResponse(accept: key, deflate: agreeOnDeflate(slot, head), to: &scratch)
            enqueue(slot, scratch.view)
            scratch.removeAll()
            open(slot, handler: handler, state: state, messageBytesMax: messageBytesMax, liveness: liveness)
            if rest > 0, let base = unsafe block.base {
                let before = counters.messagesIn
                unsafe receiveFrames(slot, base + start, count: rest)
                charge(slot, messages: counters.messagesIn &- before, bytes: rest)
            }
            pool.give(&block)
        }
    }

    private func open(
        _ slot: UInt32, handler: UInt8, state: SessionState, messageBytesMax: Int, liveness: Liveness
    ) {
        let connection = unsafe connections[slot]
        counters.upgrades += 1
        counters.socketsOpen += 1
        unsafe connection.pointee.phase = .open
        unsafe connection.pointee.phaseTick = nowTick
        unsafe connection.pointee.heardTick = nowTick
        unsafe connection.pointee.flags.remove(.continued)
        unsafe connection.pointee.flags.insert(.handlerOpened)
        if liveness.onlyPongsCount { unsafe connection.pointee.flags.insert(.onlyPongsCount) }
        unsafe connection.pointee.handler = handler
        unsafe connection.pointee.state = state
        unsafe connection.pointee.messageBytesMax = UInt32(clamping: messageBytesMax)
        unsafe connection.pointee.pingAfterTicks = seconds(liveness.pingAfterSeconds)
        unsafe connection.pointee.answerWithinTicks = seconds(liveness.answerWithinSeconds)
        unsafe connection.pointee.timerTick = UInt32.max
        if liveness.pingAfterSeconds > 0 {
            unsafe setTimer(slot, at: nowTick + connection.pointee.pingAfterTicks)
        } else {
            timers.cancel(Int(slot))
        }
        beginMeter(slot)
        handlers[Int(handler)].opened(Session(core: self, slot: slot))
    }

    // MARK: Answers

    /// Answers with a short text and closes.
    func refuseRequest(_ slot: UInt32, status: Int, text: StaticString, reason: CloseReason) {
        refuse(slot, status: status, text: ByteView(text).string, reason: reason)
    }

    private func refuse(_ slot: UInt32, status: Int, text: String, reason: CloseReason) {
        endAwaitingIdentity(slot)
        let connection = unsafe connections[slot]
        unsafe connection.pointee.reason = reason.rawValue
        unsafe connection.pointee.flags.insert([.closeAfterAnswer, .awaitingAnswer, .deaf])
        unsafe connection.pointee.flags.remove(.continued)
        setTimer(slot, at: nowTick + seconds(limits.idleSeconds))
        unsafe pool.give(&connection.pointee.message)
        unsafe connection.pointee.messageCount = 0
        unsafe connection.pointee.messageStart = 0
        chunkedRequests[slot] = nil
        let bytes = Array(text.utf8)
        unsafe bytes.withUnsafeBufferPointer { buffer in
            let body = unsafe buffer.baseAddress.map { unsafe ByteView(base: $0, count: buffer.count) } ?? ByteView("")
            let fields: StaticString =
                switch status {
                case 426: "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n"
                case 429, 503: "Retry-After: 1\r\n"
                default: ""
                }
            respond(slot, status: status, contentType: "text/plain; charset=utf-8", body: body, fields: fields)
        }
    }

    func respond(_ slot: UInt32, status: Int, contentType: StaticString, body: ByteView, fields: StaticString) {
        let connection = unsafe connections[slot]
        guard unsafe connection.pointee.phase == .http, unsafe connection.pointee.flags.contains(.awaitingAnswer) else {
            return
        }
        unsafe connection.pointee.flags.remove(.awaitingAnswer)
        unsafe connection.pointee.phaseTick = nowTick
        if unsafe connection.pointee.requestCount < UInt16.max { unsafe connection.pointee.requestCount += 1 }
        counters.responses[min(max(status / 100, 1), 5) - 1] += 1
        if let watcher { watcher.answered(status: status, body: body, to: socketNumber(of: slot)) }
        scratch.removeAll()
        scratch.append("HTTP/1.1 ")
        scratch.append(decimal: UInt64(max(status, 100)))
        scratch.append(" ")
        scratch.append(HTTPStatus.phrase(status))
        scratch.append("\r\nContent-Type: ")
        scratch.append(contentType)
        scratch.append("\r\nContent-Length: ")
        scratch.append(decimal: UInt64(body.count))
        scratch.append("\r\n")
        scratch.append(fields)
        if unsafe connection.pointee.flags.contains(.closeAfterAnswer) { scratch.append("Connection: close\r\n") }
        scratch.append("\r\n")
        if unsafe !connection.pointee.flags.contains(.headOnly) { scratch.append(body) }
        counters.responseBytes &+= UInt64(scratch.count)
        enqueue(slot, scratch.view)
        scratch.removeAll()
        holdOutboxUntilOrdered(slot)
    }

    /// A late answer. Ignored when the connection is gone.
    public func respond(to ticket: SessionTicket, status: Int, contentType: StaticString, body: [UInt8]) {
        precondition(ticket.worker == workerIndex)
        guard connections.generation(of: ticket.slot) == ticket.generation else { return }
        unsafe body.withUnsafeBufferPointer { buffer in
            let view = unsafe buffer.baseAddress.map { unsafe ByteView(base: $0, count: buffer.count) } ?? ByteView("")
            respond(ticket.slot, status: status, contentType: contentType, body: view, fields: "")
        }
    }

    /// Called after a flush that emptied the outbox of an HTTP connection.
    func answerLeft(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        guard unsafe connection.pointee.phase == .http, unsafe !connection.pointee.flags.contains(.awaitingAnswer),
            unsafe !connection.pointee.flags.contains(.continued), unsafe connection.pointee.requestCount > 0
        else { return }
        if unsafe connection.pointee.flags.contains(.closeAfterAnswer) {
            let wasRefused = unsafe connection.pointee.flags.contains(.deaf)
            let reason = unsafe CloseReason(rawValue: connection.pointee.reason)
            beginClosing(slot, reason: wasRefused ? reason ?? .badRequest : .httpDone)
            return advanceClosing(slot)
        }
        unsafe connection.pointee.phaseTick = nowTick
        setTimer(slot, at: nowTick + seconds(limits.idleSeconds))
        readRequest(slot)
        if isAnswering(slot) { return }
        readOn(slot)
    }
}

/// Reason phrases (RFC 9110 section 15).
enum HTTPStatus {
    static func phrase(_ status: Int) -> StaticString {
        switch status {
        case 200: "OK"
        case 202: "Accepted"
        case 204: "No Content"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 417: "Expectation Failed"
        case 422: "Unprocessable Content"
        case 426: "Upgrade Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "Answer"
        }
    }
}
