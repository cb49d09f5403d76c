public import ClarionBytes
import ClarionWire

// What an operator may ask of a worker while it runs: which connections there are, who is slow, what is published.
// Rare questions in bounded pieces: none of this costs a message anything, but for a tap that was set.

/// What is known of one connection at the moment it was asked for.
public struct ConnectionFacts: Sendable {
    /// Names the connection within the node; its halves make a Pusher socket id.
    public let socketNumber: UInt64
    public let worker: Int
    /// The number of the handler it speaks to. Without meaning while `isSocket` is false.
    public let handler: UInt8
    /// Whether it speaks WebSocket (or did until it began to close).
    public let isSocket: Bool
    public let isClosing: Bool
    public let subscriptionCount: Int
    /// Bytes of replies that wait for it.
    public let outboxBytes: Int
    /// Bytes of its channels' logs that it has not taken yet.
    public let lagBytes: Int
    /// Seconds for which its socket has been full; 0 when it is not.
    public let blockedSeconds: Int
    /// Seconds since the peer was last heard.
    public let silentSeconds: Int
    /// The handler's own words.
    public let state: SessionState
}

/// One message on its way to the subscribers of a channel.
public struct TappedMessage {
    public let space: UInt16
    public let name: ByteView
    public let offset: UInt64
    /// What subscribers receive.
    public let text: ByteView
}

/// Sees messages as their channel's home orders them. `body` runs on the worker, between messages: it must not wait.
public final class MessageTap: Sendable {
    let body: @Sendable (TappedMessage) -> Void

    public init(_ body: @escaping @Sendable (TappedMessage) -> Void) { self.body = body }
}

extension Core {
    /// Tells of connections in slots from `start` on, looking at `slotCount` of them. The slot to go on with, nil at
    /// the end.
    public func inspectConnections(
        from start: UInt32, slotCount: Int, _ body: (ConnectionFacts) -> Void
    ) -> UInt32? {
        let end = min(Int(start) + slotCount, connections.touched)
        for slot in Int(start)..<max(end, Int(start)) where connections.isInUse(UInt32(slot)) {
            body(facts(of: UInt32(slot)))
        }
        return end < connections.touched ? UInt32(end) : nil
    }

    /// Tells of channels whose home this worker is, in slots from `start` on, looking at `slotCount` of them. The slot
    /// to go on with, nil at the end.
    public func inspectHomes(
        from start: UInt32, slotCount: Int, _ body: (_ space: UInt16, _ name: ByteView, _ subscriptions: Int) -> Void
    ) -> UInt32? {
        let end = min(Int(start) + slotCount, homes.touched)
        for slot in Int(start)..<max(end, Int(start)) where homes.isInUse(UInt32(slot)) {
            let home = unsafe homes[UInt32(slot)].pointee
            body(home.name.space, home.name.key, Int(home.subscriptionCount))
        }
        return end < homes.touched ? UInt32(end) : nil
    }

    /// Batches of mail that wait for this worker.
    public var mailWaiting: Int { unsafe exchange.mailbox(workerIndex).pointee.pendingCount }

    /// The connection of this worker with that number, if there is one.
    public func inspect(socketNumber: UInt64) -> ConnectionFacts? {
        ownSlot(ofSocket: socketNumber).map { facts(of: $0) }
    }

    /// The names of the channels that a connection is subscribed to, with their name spaces.
    public func forEachChannel(ofSocket socketNumber: UInt64, _ body: (UInt16, ByteView) -> Void) {
        guard let slot = ownSlot(ofSocket: socketNumber) else { return }
        var next = unsafe connections[slot].pointee.firstSubscription
        while next != Connection.noSubscription {
            let subscription = unsafe subscriptions[next].pointee
            let name = unsafe channels[subscription.channel].pointee.name
            body(name.space, name.key)
            next = subscription.next
        }
    }

    /// Closes a connection of this worker with what its protocol has to say about `reason`. False when there is none.
    public func close(socketNumber: UInt64, reason: CloseReason) -> Bool {
        guard let slot = ownSlot(ofSocket: socketNumber), !isClosing(slot) else { return false }
        if unsafe connections[slot].pointee.phase == .http {
            terminate(slot, reason: reason)
        } else {
            closeWithFarewell(slot, reason: reason)
        }
        return true
    }

    /// The worker that a socket number names; nil when it names none of this node.
    public func worker(ofSocket socketNumber: UInt64) -> Int? {
        if socketNumber >= SocketNumber.limit { return nil }
        let worker = Int(SocketNumber.decrypt(socketNumber, key: exchange.socketKey) >> 52)
        return worker < exchange.workerCount ? worker : nil
    }

    /// Publishes a text that no connection sent, in the order in which this worker does so.
    /// `keeps`: its home keeps it for newcomers.
    public func publish(
        space: UInt16, name: ByteView, text: ByteView, excluding excluded: UInt64? = nil, keeps: Bool = false
    ) {
        counters.publishes += 1
        let frame = makeFrame(space: space, name: name, text: text)
        let item = HeldPublish(frame: frame, excluded: excluded ?? SocketNumber.limit, keeps: keeps)
        _ = submit(item, to: home(ofHash: frame.hash))
    }

    /// From now on `tap` sees every message that this worker orders.
    public func add(_ tap: MessageTap) { taps.append(tap) }

    public func remove(_ tap: MessageTap) { taps.removeAll { $0 === tap } }

    /// Shows a message to the taps.
    func show(_ frame: SharedFrame, offset: UInt64) {
        let headerCount = unsafe FrameWriter.headerCount(ofFrame: frame.bytes)
        let text = unsafe ByteView(base: frame.bytes + headerCount, count: frame.byteCount - headerCount)
        let message = TappedMessage(space: frame.space, name: frame.key, offset: offset, text: text)
        for tap in taps { tap.body(message) }
    }

    private func ownSlot(ofSocket socketNumber: UInt64) -> UInt32? {
        if socketNumber >= SocketNumber.limit { return nil }
        let plain = SocketNumber.decrypt(socketNumber, key: exchange.socketKey)
        let generation = UInt32(truncatingIfNeeded: plain >> 28) & (Token.generationLimit - 1)
        let slot = UInt32(truncatingIfNeeded: plain) & (1 << 28 - 1)
        guard Int(plain >> 52) == workerIndex, Int(slot) < connections.touched, connections.isInUse(slot),
            connections.generation(of: slot) == generation
        else { return nil }
        return slot
    }

    private func facts(of slot: UInt32) -> ConnectionFacts {
        let connection = unsafe connections[slot].pointee
        let isBlocked = connection.flags.contains(.blocked)
        return ConnectionFacts(
            socketNumber: socketNumber(of: slot), worker: workerIndex, handler: connection.handler,
            isSocket: connection.flags.contains(.handlerOpened), isClosing: connection.flags.contains(.closing),
            subscriptionCount: Int(connection.subscriptionCount),
            outboxBytes: Int(connection.outboxEnd - connection.outboxStart), lagBytes: lag(of: connection),
            blockedSeconds: isBlocked ? Int((nowTick &- connection.blockedTick) / Clock.ticksPerSecond) : 0,
            silentSeconds: Int((nowTick &- connection.heardTick) / Clock.ticksPerSecond), state: connection.state)
    }

    private func lag(of connection: Connection) -> Int {
        var bytes = 0
        var next = connection.firstSubscription
        while next != Connection.noSubscription {
            let subscription = unsafe subscriptions[next].pointee
            let channel = unsafe channels[subscription.channel]
            if let subscribers = unsafe channel.pointee.subscribers {
                bytes += unsafe Int(channel.pointee.log.head - subscribers[Int(subscription.position)].cursor)
            }
            next = subscription.next
        }
        return bytes
    }
}
