import ClarionBytes
import ClarionEngine

/// A request to the HTTP API.
struct PusherRequest {
    let method: ByteView
    /// As sent, without the node's prefix and the query.
    let path: ByteView
    /// As sent.
    let query: ByteView
    let body: ByteView
    /// Bytes of head and body together.
    let byteCount: Int
    /// The field `X-Idempotency-Key` or `Idempotency-Key`.
    var idempotencyKey: ByteView?
}

/// What the HTTP API needs of a connection: a `Session`, or what stands for one in a test.
protocol PusherCaller {
    /// For how long the request had to wait because the node was behind.
    var inputDelaySeconds: Int { get }
    /// Publishes the events of a checked body through `api`, unless a request with this key was seen before: then it is
    /// answered as that one was.
    func publishOnce(_ key: [UInt8], _ body: [UInt8], isBatch: Bool, space: UInt16, _ api: PusherAPI)
    func publish(space: UInt16, name: ByteView, text: ByteView, excluding: UInt64?, keeps: Bool)
    func respond(status: Int, contentType: StaticString, body: ByteView, fields: StaticString)
    /// Answers later with what `render` makes of the facts about the channels `names`, in the same order.
    func answer(
        space: UInt16, about names: [[UInt8]], _ attributes: ChannelAttributes,
        render: @escaping @Sendable ([ChannelQueries.Facts]) -> ChannelQueries.Answer)
    /// Answers later with what `render` makes of the channels whose names begin with `prefix`.
    func answer(
        space: UInt16, listing prefix: [UInt8], _ attributes: ChannelAttributes,
        render: @escaping @Sendable ([ChannelQueries.Facts]) -> ChannelQueries.Answer)
    /// Answers later with what `render` makes of the ids of a channel's users; nil when nobody is on it.
    func answer(
        space: UInt16, usersOf name: [UInt8], render: @escaping @Sendable ([[UInt8]]?) -> ChannelQueries.Answer)
    /// Ends the connections of a user, and answers with `body` when that is done.
    func end(connectionsOf user: [UInt8], space: UInt16, body: [UInt8])
}

extension Session: PusherCaller {
    func answer(
        space: UInt16, about names: [[UInt8]], _ attributes: ChannelAttributes,
        render: @escaping @Sendable ([ChannelQueries.Facts]) -> ChannelQueries.Answer
    ) {
        ChannelQueries.answer(ticket, space: space, about: names, attributes, core, render: render)
    }

    func answer(
        space: UInt16, listing prefix: [UInt8], _ attributes: ChannelAttributes,
        render: @escaping @Sendable ([ChannelQueries.Facts]) -> ChannelQueries.Answer
    ) {
        ChannelQueries.answer(ticket, space: space, listing: prefix, attributes, core, render: render)
    }

    func answer(
        space: UInt16, usersOf name: [UInt8], render: @escaping @Sendable ([[UInt8]]?) -> ChannelQueries.Answer
    ) {
        ChannelQueries.answer(ticket, space: space, usersOf: name, core, render: render)
    }

    func end(connectionsOf user: [UInt8], space: UInt16, body: [UInt8]) {
        ChannelQueries.end(ticket, space: space, connectionsOf: user, core, body: body)
    }
}
