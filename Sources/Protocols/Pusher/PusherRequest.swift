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
}

/// What the HTTP API needs of a connection: a `Session`, or what stands for one in a test.
protocol PusherCaller {
    func publish(space: UInt16, name: ByteView, text: ByteView, excluding: UInt64?)
    func respond(status: Int, contentType: StaticString, body: ByteView, fields: StaticString)
    /// Answers later with what `render` makes of the subscription counts of `names`.
    func answer(
        space: UInt16, counting names: [[UInt8]], render: @escaping @Sendable ([Int]) -> ChannelQueries.Answer)
    /// Answers later with what `render` makes of the channels whose names begin with `prefix`.
    func answer(
        space: UInt16, listing prefix: [UInt8],
        render: @escaping @Sendable ([ChannelQueries.Occupancy]) -> ChannelQueries.Answer)
}

extension Session: PusherCaller {
    func answer(
        space: UInt16, counting names: [[UInt8]], render: @escaping @Sendable ([Int]) -> ChannelQueries.Answer
    ) {
        ChannelQueries.answer(ticket, space: space, counting: names, core, render: render)
    }

    func answer(
        space: UInt16, listing prefix: [UInt8],
        render: @escaping @Sendable ([ChannelQueries.Occupancy]) -> ChannelQueries.Answer
    ) {
        ChannelQueries.answer(ticket, space: space, listing: prefix, core, render: render)
    }
}
